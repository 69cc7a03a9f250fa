"""Accuracy and areas of a map from a stratified sample of points. Knows counts and areas, nothing of files.

After Olofsson, Foody, Herold, Stehman, Woodcock and Wulder (2014), Good practices for estimating area and assessing
accuracy of land change, Remote Sensing of Environment 148, 42-57; numbers of equations are those of that paper.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import ConfigError, LabelError

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

_Z_DECIMALS = 2  # 1.96 at 95 %: what tables and the paper have, so that its margins come out to their digits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimate:
    """Estimated numbers, one for the map or one for each class, and how far off they may be."""

    value: Floats
    """The estimates; NaN where the sample says nothing."""

    standard_error: Floats
    """Of each estimate, in its unit; NaN where it has none, for want of points."""

    margin: Floats
    """Half the width of each confidence interval."""

    limit: float
    """The largest value there can be; intervals end there, and at 0."""

    @property
    def lower(self) -> Floats:
        """Where each confidence interval begins."""
        return np.maximum(self.value - self.margin, 0.0)

    @property
    def upper(self) -> Floats:
        """Where each confidence interval ends."""
        return np.minimum(self.value + self.margin, self.limit)

    def scaled(self, factor: float) -> Estimate:
        """The same in another unit."""
        return Estimate(
            value=self.value * factor,
            standard_error=self.standard_error * factor,
            margin=self.margin * factor,
            limit=self.limit * factor,
        )

    def as_json(self, index: int | tuple[()] = ()) -> dict[str, float | None]:
        """One of the estimates as plain values; what is not defined is None."""
        numbers = {
            "value": self.value,
            "standard_error": self.standard_error,
            "margin": self.margin,
            "lower": self.lower,
            "upper": self.upper,
        }
        return {key: _plain(float(values[index])) for key, values in numbers.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AccuracyAssessment:
    """What a stratified sample of labelled points tells of a map. Arrays are in the order of `class_ids`."""

    class_ids: tuple[int, ...]
    """Classes of the map and of the points, ascending."""

    class_names: tuple[str, ...]
    """Their names."""

    counts: NDArray[np.int64]
    """Points, shape (classes, classes): map class by row, reference class by column."""

    mapped_areas: Floats
    """Area that the map gives each class, in `area_unit`."""

    area_unit: str
    """`m2`, or `px` where the map has no areas on the ground."""

    confidence_level: float
    """Of every interval, between 0 and 1."""

    proportions: Floats
    """The error matrix as estimated shares of the whole area, shape (classes, classes); they sum to 1 (eq. 4)."""

    overall_accuracy: Estimate
    """Share of the area that is mapped right, shape () (eqs. 1 and 5)."""

    users_accuracy: Estimate
    """For each class, share of its mapped area that is this class (eqs. 2 and 6)."""

    producers_accuracy: Estimate
    """For each class, share of its true area that is mapped as it (eqs. 3 and 7)."""

    shares: Estimate
    """For each class, its true share of the whole area (eqs. 9 and 10)."""

    unlabelled: int = 0
    """Points without a reference class; they count nowhere."""

    unmapped: int = 0
    """Labelled points outside the map or where it is nodata; they count nowhere."""

    @property
    def points(self) -> int:
        """Points that count."""
        return int(self.counts.sum())

    @property
    def areas(self) -> Estimate:
        """For each class, its true area in `area_unit` (eq. 11)."""
        return self.shares.scaled(float(self.mapped_areas.sum()))

    def as_json(self) -> dict[str, object]:
        """All numbers as plain values; what is not defined is None."""
        return {
            "points": self.points,
            "unlabelled_points": self.unlabelled,
            "unmapped_points": self.unmapped,
            "confidence_level": self.confidence_level,
            "area_unit": self.area_unit,
            "overall_accuracy": self.overall_accuracy.as_json(),
            "classes": [self._class_as_json(index) for index in range(len(self.class_ids))],
            "counts": self.counts.tolist(),
            "area_proportions": self.proportions.tolist(),
        }

    def _class_as_json(self, index: int) -> dict[str, object]:
        return {
            "id": self.class_ids[index],
            "name": self.class_names[index],
            "points": int(self.counts[index].sum()),
            "users_accuracy": self.users_accuracy.as_json(index),
            "producers_accuracy": self.producers_accuracy.as_json(index),
            "mapped_area": float(self.mapped_areas[index]),
            "area": self.areas.as_json(index),
            "area_share": self.shares.as_json(index),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleCounts:
    """The points of a stratified random sample, counted, and the areas they stand for."""

    class_ids: tuple[int, ...]
    """Ascending."""

    class_names: tuple[str, ...]
    """In the same order."""

    counts: NDArray[np.int64]
    """Points, shape (classes, classes): map class by row, reference class by column."""

    areas: Floats
    """Area that the map gives each class, any unit; 0 for a class that only the points have."""

    area_unit: str = "m2"
    """`m2` or `px`."""

    unlabelled: int = 0
    """Points left out because nobody labelled them."""

    unmapped: int = 0
    """Points left out because the map has no class there."""

    def __post_init__(self) -> None:
        classes = len(self.class_ids)
        if self.counts.shape != (classes, classes) or self.areas.shape != (classes,):
            raise ValueError(f"{classes} classes, but counts {self.counts.shape} and areas {self.areas.shape}")
        points = self.counts.sum(axis=1)
        if (self.counts < 0).any() or (self.areas < 0).any() or (points[self.areas == 0] > 0).any():
            raise ValueError("counts and areas are at least 0, and points lie only where a class has an area")
        for index in np.flatnonzero((self.areas > 0) & (points == 0)):
            raise LabelError(
                f"class {self.class_names[index]!r} covers {self.areas[index] / self.areas.sum():.2%} of the map and "
                "has no labelled point: label or draw points of it, or merge it into another class"
            )


def estimate_accuracy(sample: SampleCounts, *, confidence_level: float = 0.95) -> AccuracyAssessment:
    """Estimate accuracy and areas without bias from a stratified random sample.

    Points stand for the area of the class that the map has under them, so it does not matter how many of them were
    drawn in which class. Where a class has one point there is no standard error for it, nor for what depends on it;
    a warning names it.

    Args:
        sample: the points by map class and reference class, and the mapped areas.
        confidence_level: of the intervals, between 0 and 1; 0.95 is 1.96 standard errors to either side.

    Raises:
        ConfigError: if the confidence level is not between 0 and 1.
    """
    critical = _critical_value(confidence_level)
    _warn_of_single_points(sample)
    strata = _Strata(sample)
    return AccuracyAssessment(
        class_ids=sample.class_ids,
        class_names=sample.class_names,
        counts=sample.counts,
        mapped_areas=sample.areas,
        area_unit=sample.area_unit,
        confidence_level=confidence_level,
        proportions=strata.proportions,
        overall_accuracy=_estimate(strata.overall(), critical),
        users_accuracy=_estimate(strata.users(), critical),
        producers_accuracy=_estimate(strata.producers(), critical),
        shares=_estimate(strata.shares(), critical),
        unlabelled=sample.unlabelled,
        unmapped=sample.unmapped,
    )


_ValueAndVariance = tuple[Floats, Floats]


class _Strata:
    """The estimators as the paper has them: i is the map class, j the reference class."""

    def __init__(self, sample: SampleCounts) -> None:
        points = sample.counts.sum(axis=1).astype(np.float64)
        self._weights = sample.areas / sample.areas.sum()
        shares = _divided(sample.counts.astype(np.float64), points[:, None])  # n_ij / n_i.
        self._users = np.diag(shares).copy()
        within = np.nan_to_num(shares)  # strata without an area have no points and add nothing
        freedom = np.where(points == 1, np.nan, np.maximum(points - 1, 1))
        self._variances = within * (1 - within) / freedom[:, None]
        self.proportions = self._weights[:, None] * within

    def overall(self) -> _ValueAndVariance:
        """Eqs. 1 and 5."""
        variance = self._weights**2 @ np.diag(self._variances)
        return np.asarray(np.trace(self.proportions)), np.asarray(variance)

    def users(self) -> _ValueAndVariance:
        """Eqs. 2 and 6."""
        return self._users, np.where(np.isnan(self._users), np.nan, np.diag(self._variances))

    def producers(self) -> _ValueAndVariance:
        """Eqs. 3 and 7, in shares of the area in place of pixels."""
        truth = self.proportions.sum(axis=0)
        accuracy = _divided(np.diag(self.proportions), truth)
        by_stratum = self._weights[:, None] ** 2 * self._variances
        own = np.diag(by_stratum)
        others = by_stratum.sum(axis=0, where=~np.eye(len(truth), dtype=np.bool_))
        return accuracy, _divided((1 - accuracy) ** 2 * own + accuracy**2 * others, truth**2)

    def shares(self) -> _ValueAndVariance:
        """Eqs. 9 and 10."""
        return self.proportions.sum(axis=0), self._weights**2 @ self._variances


def _estimate(of: _ValueAndVariance, critical: float) -> Estimate:
    value, variance = of
    error = np.sqrt(variance)
    return Estimate(value=value, standard_error=error, margin=critical * error, limit=1.0)


def _critical_value(confidence_level: float) -> float:
    if not 0 < confidence_level < 1:
        raise ConfigError(f"a confidence level lies between 0 and 1, got {confidence_level:g}: 0.95 is usual")
    return round(NormalDist().inv_cdf((1 + confidence_level) / 2), _Z_DECIMALS)


def _warn_of_single_points(sample: SampleCounts) -> None:
    few = np.flatnonzero(sample.counts.sum(axis=1) == 1)
    if few.size:
        names = ", ".join(sample.class_names[index] for index in few)
        log.warning("one labelled point in %s: no confidence intervals where it counts, label at least two", names)


def _divided(numerator: Floats, denominator: Floats) -> Floats:
    """A quotient that is NaN where there is nothing to divide by."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    return np.asarray(np.divide(numerator, denominator, out=np.full(shape, np.nan), where=denominator != 0))


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
