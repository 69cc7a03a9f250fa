"""How well a network does on held-out regions, each source by what its own labels can tell. Knows no files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.data.confusion import ConfusionMatrix
from geoseg.data.label_sets import LabelSets
from geoseg.data.sampling import Region


@dataclass(frozen=True, slots=True, eq=False)
class SourceScore:
    """Confusion on the regions of one source."""

    name: str
    """Of the source."""

    names: tuple[str, ...]
    """What its labels may say; more follow where the network says something they never do."""

    confusion: ConfusionMatrix
    """Pixels, in the order of `names`."""

    @property
    def mean_iou(self) -> float:
        """Mean over what the labels may say, 0 to 1; NaN without pixels."""
        return self.confusion.mean_iou


@dataclass(frozen=True, slots=True, eq=False)
class SplitScore:
    """Scores of all sources of a split."""

    sources: tuple[SourceScore, ...]
    """In the order of their names."""

    @property
    def mean_iou(self) -> float:
        """Mean over the sources, each counting once, 0 to 1."""
        return math.fsum(source.mean_iou for source in self.sources) / len(self.sources)

    @property
    def pixel_accuracy(self) -> float:
        """Mean over the sources, 0 to 1."""
        return math.fsum(source.confusion.pixel_accuracy for source in self.sources) / len(self.sources)

    @property
    def pixels(self) -> int:
        """Compared in all."""
        return sum(source.confusion.pixels for source in self.sources)


class SourceCounter:
    """Counts what a network says on the regions of one source."""

    def __init__(self, name: str, legend: Sequence[int], sets: LabelSets) -> None:
        """Start without pixels.

        Args:
            name: of the source.
            legend: the codes that its labels may have.
            sets: what the codes mean.
        """
        self._name = name
        self._legend = tuple(legend)
        self._sets = sets
        self._matrix = ConfusionMatrix.empty(len(sets.sets))

    def add(self, predicted: NDArray[np.integer], labels: NDArray[np.uint8]) -> None:
        """Count a window.

        Args:
            predicted: (height, width), class index.
            labels: (height, width), label code, 255 where unknown. A class in the set of a label is right.
        """
        seen = self._sets.codes_of(predicted, self._legend)
        known = labels < len(self._sets.sets)
        right = known & self._sets.members[np.where(known, labels, 0), predicted]
        self._matrix = self._matrix.add(labels, np.where(right, labels, seen))

    def score(self) -> SourceScore:
        """What was counted: the codes of the legend, then others that the network said."""
        counts = self._matrix.counts
        others = [code for code in np.flatnonzero(counts.sum(axis=0)).tolist() if code not in self._legend]
        kept = [*self._legend, *others]
        return SourceScore(
            name=self._name,
            names=tuple(self._sets.names[code] for code in kept),
            confusion=ConfusionMatrix(counts[np.ix_(kept, kept)]),
        )


def by_source(regions: Iterable[Region]) -> Mapping[tuple[str, tuple[int, ...]], tuple[Region, ...]]:
    """Regions by source and legend, sorted; sources of one name whose labels say different things stay apart."""
    found: dict[tuple[str, tuple[int, ...]], list[Region]] = {}
    for region in regions:
        found.setdefault((region.source, region.legend), []).append(region)
    return {key: tuple(found[key]) for key in sorted(found)}


def summarize(score: SplitScore) -> dict[str, object]:
    """Scores as plain JSON values; a class without pixels has no IoU. One source also stands for all."""
    parts = {source.name: summarize_source(source) for source in score.sources}
    summary: dict[str, object] = {
        "mean_iou": round(score.mean_iou, 4),
        "pixel_accuracy": round(score.pixel_accuracy, 4),
        "pixels": score.pixels,
        "sources": parts,
    }
    return summary | {"iou": summarize_source(score.sources[0])["iou"]} if len(parts) == 1 else summary


def summarize_source(source: SourceScore) -> dict[str, object]:
    """Scores of one source as plain JSON values."""
    iou = {
        name: round(value, 4)
        for name, value in zip(source.names, source.confusion.iou.tolist(), strict=True)
        if not math.isnan(value)
    }
    return {
        "mean_iou": round(source.mean_iou, 4),
        "pixel_accuracy": round(source.confusion.pixel_accuracy, 4),
        "pixels": source.confusion.pixels,
        "iou": iou,
    }
