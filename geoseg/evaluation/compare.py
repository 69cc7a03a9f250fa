"""Class rasters against references, read in windows: memory does not grow with the rasters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID
from geoseg.config.evaluate import EvaluateOptions, EvaluateSettings
from geoseg.config.settings import settings_from
from geoseg.data.confusion import ConfusionMatrix
from geoseg.errors import ConfigError, LabelError
from geoseg.evaluation.boundary import DEFAULT_RADIUS, LARGEST_RADIUS, BoundaryScores, halo_of
from geoseg.evaluation.class_raster import ClassRaster, open_class_raster
from geoseg.evaluation.reference import Reference, open_reference
from geoseg.evaluation.reliability import PERCENT
from geoseg.evaluation.scores import Evaluation, ZoneScores, worst_first
from geoseg.evaluation.tally import Sight, Tally
from geoseg.evaluation.zones import Zones, open_zones
from geoseg.georef import GeoRef
from geoseg.window import Window

_SCALE_SLACK = 1.001
"""A pixel called 1 m wide covers up to 1.0004 m of ground in UTM: a tolerance of 1 m reaches it all the same."""

_WINDOW_ROWS = 1024
_WINDOW_COLS = 2048


def evaluate(
    predicted: str | Path,
    reference: str | Path,
    *,
    confidence: str | Path | None = None,
    **options: Unpack[EvaluateOptions],
) -> Evaluation:
    """Compare a class raster with a reference, pixel by pixel of the class raster.

    A raster reference on another grid or in another CRS is read by its nearest pixel; a vector reference is burnt on
    the map's grid, where polygons cover the pixels whose centre lies inside. Pixels that are nodata in either (255,
    the file's nodata value, its mask) count in no score.

    Args:
        predicted: the class raster.
        reference: the labels, a raster of class ids or a vector layer.
        confidence: the map's raster of confidence, per cent; without it nothing is said of calibration.
        **options: see `geoseg.config.evaluate.EvaluateSettings`.

    Raises:
        ConfigError: if an option is wrong.
        LabelError: if a file is missing or not what it should be, or if the two share no pixel with a class.
        SceneError: if a file cannot be read to its end.
    """
    settings = settings_from(EvaluateSettings, options, origin="options")
    beside = None if confidence is None else Path(confidence)
    return evaluate_with(Path(predicted), Path(reference), settings, confidence=beside)


def evaluate_with(
    predicted: Path, reference: Path, settings: EvaluateSettings, *, confidence: Path | None = None
) -> Evaluation:
    """As `evaluate`, with settings that were checked before."""
    with ExitStack() as stack:
        map_raster = stack.enter_context(open_class_raster(predicted, allow=settings.allow))
        labels = stack.enter_context(open_reference(reference, map_raster, settings))
        percent = None
        if confidence is not None:
            given = stack.enter_context(open_class_raster(confidence, allow=settings.allow))
            percent = stack.enter_context(given.on_grid_of(map_raster))
        tolerance = _tolerance(map_raster.georef, settings)
        sources = _Sources(map_raster, labels, open_zones(map_raster, settings), percent)
        tally = Tally(radius=tolerance.radius)
        for window in windows_of(map_raster.shape):
            tally.add(sources.see(window, halo_of(tolerance.radius)))
        _require_pixels(predicted, reference, tally)
        return _evaluation(sources, tally, tolerance, with_zones=settings.by is not None)


@dataclass(frozen=True, slots=True)
class _Tolerance:
    given: float
    unit: str
    radius: float


@dataclass(frozen=True, slots=True)
class _Sources:
    """Everything that is read of a scene."""

    map_raster: ClassRaster
    reference: Reference
    zones: Zones
    confidence: ClassRaster | None

    def see(self, window: Window, halo: int) -> Sight:
        height, width = self.map_raster.shape
        around = Window.between(
            max(0, window.row - halo),
            min(height, window.bottom + halo),
            max(0, window.col - halo),
            min(width, window.right + halo),
        )
        return Sight(
            reference=self.reference.read(around),
            mapped=self.reference.groups.of_map[self.map_raster.read(around)],
            core=window.slices_in(around),
            zones=self.zones.indices(window),
            confidence=None if self.confidence is None else _percent(self.confidence, window),
        )


def windows_of(shape: tuple[int, int]) -> Iterator[Window]:
    """Windows that cover a raster of (height, width) px, row by row."""
    height, width = shape
    for top in range(0, height, _WINDOW_ROWS):
        for left in range(0, width, _WINDOW_COLS):
            yield Window.between(top, min(top + _WINDOW_ROWS, height), left, min(left + _WINDOW_COLS, width))


def _tolerance(georef: GeoRef, settings: EvaluateSettings) -> _Tolerance:
    gsd, unit = (1.0, "px") if georef.gsd is None else (georef.gsd, "m")
    if settings.boundary_tolerance is None:
        return _Tolerance(DEFAULT_RADIUS * gsd, unit, DEFAULT_RADIUS)
    radius = _SCALE_SLACK * settings.boundary_tolerance / gsd
    if radius > LARGEST_RADIUS:
        raise ConfigError(
            f"boundary_tolerance {settings.boundary_tolerance:g} {unit} is {radius:.0f} pixels of the map: "
            f"give at most {LARGEST_RADIUS * gsd:g} {unit} ({LARGEST_RADIUS:.0f} pixels)"
        )
    return _Tolerance(settings.boundary_tolerance, unit, radius)


def _percent(confidence: ClassRaster, window: Window) -> NDArray[np.uint8]:
    values = confidence.read(window)
    strange = (values > PERCENT) & (values != NODATA_ID)
    if strange.any():
        raise LabelError(f"{confidence.path}: holds {values[strange][0]}: confidence is 0 to 100 per cent")
    return values


def _require_pixels(predicted: Path, reference: Path, tally: Tally) -> None:
    if len(tally.ids):
        return
    if tally.unmapped:
        raise LabelError(f"{predicted}: is nodata at all {tally.unmapped} pixels where {reference} has a class")
    raise LabelError(f"{reference}: has no class at any pixel of {predicted}")


def _evaluation(sources: _Sources, tally: Tally, tolerance: _Tolerance, *, with_zones: bool) -> Evaluation:
    ids, matrices = tally.ids, tally.by_zone()
    names, colours = sources.reference.groups.names, sources.map_raster.colours
    zones = [ZoneScores(zone=sources.zones.zone(index), confusion=matrix) for index, matrix in matrices.items()]
    return Evaluation(
        class_ids=tuple(ids.tolist()),
        class_names=tuple(names.get(class_id, str(class_id)) for class_id in ids.tolist()),
        confusion=ConfusionMatrix.total(matrices.values(), classes=len(ids)),
        unmapped_pixels=tally.unmapped,
        colours=tuple(colours.get(class_id) for class_id in ids.tolist()) if colours else (),
        boundary=BoundaryScores(tolerance=tolerance.given, unit=tolerance.unit, counts=tally.boundary).of_classes(ids),
        reliability=None if sources.confidence is None else tally.reliability,
        zones=worst_first(zones) if with_zones else (),
    )
