"""The confusion matrix and the scores that follow from it. Pure numpy; knows nothing of files or networks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import LabelError


@dataclass(frozen=True, slots=True, eq=False)
class ConfusionMatrix:
    """How many pixels of each reference class were predicted as each class.

    Adding gives a new matrix: the one at hand never changes. Scores of a class without pixels to divide by
    are NaN; means leave such classes out.
    """

    counts: NDArray[np.int64]
    """(classes, classes), pixels; rows = reference, columns = prediction."""

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or self.counts.shape[0] != self.counts.shape[1]:  # noqa: PLR2004
            raise LabelError(f"a confusion matrix is square, got the shape {self.counts.shape}")

    @classmethod
    def empty(cls, classes: int) -> Self:
        """A matrix of `classes` classes without pixels."""
        return cls(np.zeros((classes, classes), dtype=np.int64))

    @classmethod
    def total(cls, matrices: Iterable[Self], *, classes: int) -> Self:
        """The sum of many matrices of `classes` classes."""
        counts = np.zeros((classes, classes), dtype=np.int64)
        for matrix in matrices:
            counts += matrix.counts
        return cls(counts)

    def add(self, labels: NDArray[np.integer], predicted: NDArray[np.integer]) -> Self:
        """This matrix with the pixels of a window added.

        Args:
            labels: class index of the reference, any shape; a value that is no class index is left out.
            predicted: class index of the prediction, same shape; a value that is no class index is left out.

        Raises:
            LabelError: if the shapes differ.
        """
        if labels.shape != predicted.shape:
            raise LabelError(f"labels {labels.shape} and prediction {predicted.shape} differ in shape")
        classes = len(self.counts)
        known = (labels >= 0) & (labels < classes) & (predicted >= 0) & (predicted < classes)
        cells = labels[known].astype(np.int64) * classes + predicted[known]
        counted = np.bincount(cells, minlength=classes * classes).reshape(classes, classes)
        return type(self)(self.counts + counted)

    def merge(self, other: Self) -> Self:
        """This matrix with all pixels of another one."""
        return type(self)(self.counts + other.counts)

    @property
    def pixels(self) -> int:
        """All counted pixels."""
        return int(self.counts.sum())

    @property
    def pixel_accuracy(self) -> float:
        """Share of pixels predicted right; NaN without pixels."""
        return float(_ratio(np.trace(self.counts), self.counts.sum()))

    @property
    def recall(self) -> NDArray[np.float64]:
        """(classes,) share of the reference pixels of a class that were found (producer's accuracy)."""
        return _ratio(np.diag(self.counts), self.counts.sum(axis=1))

    @property
    def precision(self) -> NDArray[np.float64]:
        """(classes,) share of the predicted pixels of a class that are right (user's accuracy)."""
        return _ratio(np.diag(self.counts), self.counts.sum(axis=0))

    @property
    def f1(self) -> NDArray[np.float64]:
        """(classes,) harmonic mean of precision and recall."""
        return _ratio(2 * np.diag(self.counts), self.counts.sum(axis=0) + self.counts.sum(axis=1))

    @property
    def iou(self) -> NDArray[np.float64]:
        """(classes,) intersection over union; NaN for a class in neither the reference nor the prediction."""
        hits = np.diag(self.counts)
        return _ratio(hits, self.counts.sum(axis=0) + self.counts.sum(axis=1) - hits)

    @property
    def mean_pixel_accuracy(self) -> float:
        """Mean recall over the classes in the reference; NaN without pixels."""
        return _mean_known(self.recall)

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes in the reference or the prediction; NaN without pixels."""
        return _mean_known(self.iou)

    @property
    def mean_iou_of_reference(self) -> float:
        """Mean IoU over the classes in the reference alone; NaN without pixels."""
        return _mean_known(np.where(self.counts.sum(axis=1) > 0, self.iou, np.nan))

    @property
    def frequency_weighted_iou(self) -> float:
        """IoU of each class, weighted by its share of the reference; NaN without pixels."""
        weights = self.counts.sum(axis=1)
        return float(_ratio(np.nansum(weights * self.iou), weights.sum()))

    @property
    def kappa(self) -> float:
        """Agreement beyond chance (Cohen 1960), at most 1; NaN where chance alone would agree everywhere."""
        total = float(self.counts.sum())
        by_chance = float(self.counts.sum(axis=0).astype(np.float64) @ self.counts.sum(axis=1))
        agreed = float(np.trace(self.counts)) * total
        return (agreed - by_chance) / (total * total - by_chance) if total * total > by_chance else math.nan


def _ratio(part: NDArray[np.int64] | np.int64 | np.float64, whole: NDArray[np.int64] | np.int64) -> NDArray[np.float64]:
    share = np.full(np.shape(whole), np.nan)
    return np.divide(part, whole, out=share, where=np.asarray(whole) > 0)


def _mean_known(scores: NDArray[np.float64]) -> float:
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if known.size else float("nan")
