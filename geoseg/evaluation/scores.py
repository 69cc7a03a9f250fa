"""How good a map is, in numbers. Knows nothing of files."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.data.confusion import ConfusionMatrix


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """A map compared with a reference, over the pixels that have a class in both."""

    class_ids: tuple[int, ...]
    """Ids that occur in the reference or in the map, ascending."""

    class_names: tuple[str, ...]
    """Their names; the id as text where the map does not name it."""

    confusion: ConfusionMatrix
    """Pixels by class, in the order of `class_ids`."""

    unmapped_share: float
    """Share of the reference's pixels, 0 to 1, that are nodata in the map; they count in no score."""

    @property
    def pixels(self) -> int:
        """Pixels that were compared."""
        return self.confusion.pixels

    @property
    def pixel_accuracy(self) -> float:
        """Share of pixels that are right, 0 to 1."""
        return self.confusion.pixel_accuracy

    @property
    def mean_pixel_accuracy(self) -> float:
        """Mean over the reference's classes of the share that was found, 0 to 1."""
        return self.confusion.mean_pixel_accuracy

    @property
    def mean_iou(self) -> float:
        """Mean intersection over union, 0 to 1, over the classes in the reference or the map."""
        return self.confusion.mean_iou

    def as_json(self) -> dict[str, object]:
        """All numbers as plain values; a score that is not defined is None."""
        matrix = self.confusion
        columns = zip(
            self.class_ids,
            self.class_names,
            _plain(matrix.iou),
            _plain(matrix.f1),
            _plain(matrix.precision),
            _plain(matrix.recall),
            matrix.counts.sum(axis=1).tolist(),
            matrix.counts.sum(axis=0).tolist(),
            strict=True,
        )
        keys = ("id", "name", "iou", "f1", "precision", "recall", "reference_pixels", "mapped_pixels")
        return {
            "pixels": self.pixels,
            "unmapped_share": self.unmapped_share,
            "pixel_accuracy": self.pixel_accuracy,
            "mean_pixel_accuracy": self.mean_pixel_accuracy,
            "mean_iou": self.mean_iou,
            "classes": [dict(zip(keys, column, strict=True)) for column in columns],
            "confusion_matrix": matrix.counts.tolist(),
        }


def _plain(scores: NDArray[np.float64]) -> list[float | None]:
    return [None if math.isnan(score) else float(score) for score in scores]
