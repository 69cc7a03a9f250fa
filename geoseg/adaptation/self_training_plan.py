"""How a network trains itself: hyper-parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTrainingPlan:
    """How a network trains itself."""

    rate: float = 5e-4
    """Learning rate at its largest."""

    head_factor: float = 1.0
    """On the rate of all but the encoder."""

    weight_decay: float = 0.01
    """Of matrices and kernels."""

    decay: float = 0.9
    """Of the teacher, a moving mean of weights and buffers."""

    threshold: float = 0.7
    """Confidence that a pseudo-label needs at most, 0 to 1."""

    quantile: float | None = 0.5
    """Share of each class that never has to reach more than it does; None = one weight for all pixels of a batch, the
    share of them above the threshold."""

    views: int = 3
    """Turned and mirrored views that the teacher labels, 1 to 8."""

    weight: float = 1.0
    """Of the pseudo-labelled loss; that of the source is 1."""

    masking: float = 0.0
    """Share of a window that is hidden in a further pass; 0 = no such pass."""

    beta: float = 0.0
    """Of the target's Fourier style on the chips of the source, 0 to 0.5; 0 = they stay as they are."""

    anchor: float = 1.0
    """Weight of staying near the model as it was where that is confident; only where there is no source."""

    batch_statistics: bool = False
    """Whether norms learn with the statistics of batches and keep their running means; else both stay as they are."""

    of_student: bool = False
    """Whether candidates are the student; else the teacher."""

    @classmethod
    def guarded(cls) -> Self:
        """For some hundred steps of a small network, chosen on drawn landscapes."""
        return cls()

    @classmethod
    def published(cls) -> Self:
        """As in DAFormer (Hoyer et al. 2022), without its rare classes and feature distance."""
        return cls(
            rate=6e-5,
            head_factor=10.0,
            decay=0.999,
            threshold=0.968,
            quantile=None,
            views=1,
            anchor=0.0,
            batch_statistics=True,
            of_student=True,
        )
