"""How good a map is, in numbers. Knows nothing of files."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.data.confusion import ConfusionMatrix
from geoseg.evaluation.boundary import BoundaryScores
from geoseg.evaluation.reliability import BINS, Reliability


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A part of a map."""

    name: str
    """As it is listed."""

    outline: shapely.Polygon | None = None
    """Of a block, in map coordinates; None for polygons, which the user has."""

    crs: str | None = None
    """Of the outline, well-known text; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ZoneScores:
    """The scores of a part of a map."""

    zone: Zone
    """Which part."""

    confusion: ConfusionMatrix
    """Its pixels by class, in the order of the evaluation's `class_ids`."""

    def as_json(self) -> dict[str, object]:
        """Its numbers as plain values."""
        return {"zone": self.zone.name, "pixels": self.confusion.pixels} | overall_scores(self.confusion)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """A map compared with a reference, over the pixels that have a class in both."""

    class_ids: tuple[int, ...]
    """Ids that occur in the reference or in the map, ascending."""

    class_names: tuple[str, ...]
    """Their names; the id as text where the map does not name it."""

    confusion: ConfusionMatrix
    """Pixels by class, in the order of `class_ids`."""

    unmapped_pixels: int = 0
    """Pixels with a class in the reference that are nodata in the map; they count in no score."""

    colours: tuple[str | None, ...] = ()
    """`#rrggbb` of each class, as the map has it; empty where the map has no colours."""

    boundary: BoundaryScores | None = None
    """How well boundaries lie, classes in the order of `class_ids`."""

    reliability: Reliability | None = None
    """Whether confidences mean what they say; None without a raster of confidence."""

    zones: tuple[ZoneScores, ...] = ()
    """Parts of the map, the one with the lowest pixel accuracy first; empty unless asked for."""

    @property
    def pixels(self) -> int:
        """Pixels that were compared."""
        return self.confusion.pixels

    @property
    def unmapped_share(self) -> float:
        """Share of the reference's pixels, 0 to 1, that are nodata in the map; they count in no score."""
        return self.unmapped_pixels / max(1, self.pixels + self.unmapped_pixels)

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

    @property
    def frequency_weighted_iou(self) -> float:
        """Intersection over union, 0 to 1, each class weighted by its share of the reference."""
        return self.confusion.frequency_weighted_iou

    @property
    def kappa(self) -> float:
        """Agreement beyond chance, at most 1."""
        return self.confusion.kappa

    def overall(self) -> dict[str, float | None]:
        """The scores that are one number for the whole map; None where one is not defined."""
        scores = overall_scores(self.confusion)
        if self.boundary is not None:
            scores["mean_boundary_f"] = _plain(self.boundary.mean_f_score)
        if self.reliability is not None:
            scores["expected_calibration_error"] = _plain(self.reliability.error)
        return scores

    def by_class(self) -> list[dict[str, object]]:
        """The scores of each class; None where one is not defined."""
        matrix = self.confusion
        columns: dict[str, list[object]] = {
            "id": list(self.class_ids),
            "name": list(self.class_names),
            "iou": _plain_all(matrix.iou),
            "f1": _plain_all(matrix.f1),
            "precision": _plain_all(matrix.precision),
            "recall": _plain_all(matrix.recall),
            "reference_pixels": matrix.counts.sum(axis=1).tolist(),
            "mapped_pixels": matrix.counts.sum(axis=0).tolist(),
        }
        if self.boundary is not None:
            columns["boundary_f"] = _plain_all(self.boundary.f_score)
            columns["boundary_precision"] = _plain_all(self.boundary.precision)
            columns["boundary_recall"] = _plain_all(self.boundary.recall)
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def as_json(self) -> dict[str, object]:
        """All numbers as plain values; a score that is not defined is None."""
        numbers: dict[str, object] = {"pixels": self.pixels, "unmapped_share": self.unmapped_share}
        numbers |= self.overall()
        numbers |= {"classes": self.by_class(), "confusion_matrix": self.confusion.counts.tolist()}
        if self.boundary is not None:
            numbers["boundary_tolerance"] = {"value": self.boundary.tolerance, "unit": self.boundary.unit}
        if self.reliability is not None:
            numbers["reliability"] = reliability_bins(self.reliability)
        if self.zones:
            numbers["zones"] = [zone.as_json() for zone in self.zones]
        return numbers


def overall_scores(matrix: ConfusionMatrix) -> dict[str, float | None]:
    """The scores of a confusion matrix that are one number; None where one is not defined."""
    return {
        "pixel_accuracy": _plain(matrix.pixel_accuracy),
        "mean_pixel_accuracy": _plain(matrix.mean_pixel_accuracy),
        "mean_iou": _plain(matrix.mean_iou),
        "mean_iou_of_reference": _plain(matrix.mean_iou_of_reference),
        "frequency_weighted_iou": _plain(matrix.frequency_weighted_iou),
        "kappa": _plain(matrix.kappa),
    }


def reliability_bins(reliability: Reliability) -> list[dict[str, object]]:
    """The bins of a reliability curve as plain values."""
    return [
        {
            "above": number / BINS,
            "up_to": (number + 1) / BINS,
            "pixels": pixels,
            "confidence": confidence,
            "accuracy": accuracy,
        }
        for number, (pixels, confidence, accuracy) in enumerate(
            zip(
                reliability.pixels.tolist(),
                _plain_all(reliability.confidence),
                _plain_all(reliability.accuracy),
                strict=True,
            )
        )
    ]


def worst_first(zones: list[ZoneScores]) -> tuple[ZoneScores, ...]:
    """Zones by rising pixel accuracy, of equals the larger first.

    By accuracy and not by mean IoU, which a few stray pixels of another class halve in a zone of one class.
    """
    return tuple(sorted(zones, key=lambda each: (each.confusion.pixel_accuracy, -each.confusion.pixels)))


def _plain(score: float) -> float | None:
    return None if math.isnan(score) else float(score)


def _plain_all(scores: NDArray[np.float64]) -> list[object]:
    return [_plain(score) for score in scores]
