"""Which weights scored best so far, and for how long none scored better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Best:
    """The best score of a run."""

    iteration: int = 0
    """Steps after which it came; 0 before any."""

    mean_iou: float = -1.0
    """Rounded as it is logged, so that a resumed run decides alike."""

    pauses_since: int = 0
    """Scores that came later and were no better."""

    @classmethod
    def of(cls, records: Iterable[Mapping[str, object]]) -> Best:
        """What the metrics of a run tell."""
        best = cls()
        for record in records:
            iteration, found = record.get("iteration"), record.get("val_mean_iou")
            if isinstance(iteration, int) and isinstance(found, float):
                best = best.after(iteration, found)
        return best

    def after(self, iteration: int, mean_iou: float) -> Best:
        """What is best after one more score."""
        if mean_iou > self.mean_iou:
            return Best(iteration, mean_iou)
        return Best(self.iteration, self.mean_iou, self.pauses_since + 1)

    def outlasts(self, patience: int | None) -> bool:
        """Whether no better score came for as many as `patience` scores; None = there is no end to it."""
        return patience is not None and self.pauses_since >= patience
