"""Labelled points against a class raster: from files to an assessment of accuracy and area."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio
import pyogrio.raw
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, GeometryError
from pyproj import Transformer
from pyproj.exceptions import CRSError, ProjError

from geoseg.classes import NODATA_ID, ClassMap
from geoseg.errors import LabelError
from geoseg.evaluation.class_raster import ClassRaster, open_class_raster
from geoseg.evaluation.estimate import AccuracyAssessment, SampleCounts, estimate_accuracy
from geoseg.evaluation.sample_file import LAYER, REFERENCE_COLUMN, SampleSource, read_sample_source
from geoseg.evaluation.strata import Strata, class_id_pieces, strata_of
from geoseg.georef import GeoRef
from geoseg.raster.features import refuse_disguised

log = logging.getLogger(__name__)

_UNLABELLED = -1


def assess_points(
    points: str | Path,
    class_raster: str | Path,
    *,
    confidence_level: float = 0.95,
    attribute: str = REFERENCE_COLUMN,
    allow: Sequence[str] = (),
) -> AccuracyAssessment:
    """Estimate accuracy and areas of a map from points that somebody labelled.

    The points have to be a random sample of the map's pixels, class by class, as `draw_sample` draws them. Their map
    class is read under them. A class weighs as much as the ground that the map gives it; without a CRS, as its pixels.
    Points without a label, outside the map or on nodata are counted and left out.

    Args:
        points: a file of points in any CRS; of several layers the one called `sample`.
        class_raster: the map.
        confidence_level: of the intervals, between 0 and 1.
        attribute: the column with the class that is really there, by id or by name; NULL where it is not known.
        allow: files, folders and hosts that a VRT may point at besides what lies beside it or below.

    Raises:
        ConfigError: if the confidence level is not between 0 and 1.
        LabelError: if a file is missing or holds something else, if a label is no class of the map, if a class of the
            map has no labelled point, or if the sample was drawn from another map.
        SceneError: if the map cannot be read to its end.
    """
    path = Path(points)
    table = _read_points(path, attribute)
    with open_class_raster(Path(class_raster), allow=allow) as raster:
        strata = strata_of(raster)
        _check_source(path, read_sample_source(path), raster, strata, len(table.labels))
        reference = _reference_ids(table, strata.classes, path)
        labelled = reference != _UNLABELLED
        if not labelled.any():
            raise LabelError(f"{path}: no point has a {attribute!r}: label the points first, in QGIS for example")
        rows, cols = _pixels_under(table, strata.georef, path)
        mapped = _class_ids_at(raster, rows[labelled], cols[labelled])
    if (mapped == NODATA_ID).all():
        raise LabelError(f"{path}: no labelled point lies on a class of {raster.path}: give the map they were drawn on")
    sample = _counted(strata, mapped, reference[labelled], unlabelled=int((~labelled).sum()))
    return estimate_accuracy(sample, confidence_level=confidence_level)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _PointTable:
    """Points as the file has them."""

    xy: NDArray[np.float64]
    """Map coordinates, shape (points, 2); NaN where a point has no place."""

    labels: Sequence[object]
    """Values of the attribute."""

    attribute: str
    fids: Sequence[int]
    crs: str | None


def _read_points(path: Path, attribute: str) -> _PointTable:
    if not path.exists():
        raise LabelError(f"{path}: no such file")
    try:
        refuse_disguised(path)
        layer = _layer_of(path)
        meta, fids, geometry, _ = pyogrio.raw.read(path, layer=layer, columns=[], return_fids=True)
        known = list(pyogrio.read_info(path, layer=layer)["fields"])
        if attribute not in known:
            raise LabelError(f"{path}: layer {layer!r} has no column {attribute!r}: it has {', '.join(known)}")
        *_, (labels,) = pyogrio.raw.read(path, layer=layer, columns=[attribute], read_geometry=False)
    except (DataSourceError, DataLayerError, GeometryError, shapely.errors.ShapelyError, OSError, ValueError) as error:
        raise LabelError(f"{path}: cannot be read as points: {' '.join(str(error).split())}") from error
    return _PointTable(
        xy=_coordinates(path, geometry),
        labels=labels.tolist(),
        attribute=attribute,
        fids=fids.tolist(),
        crs=meta["crs"],
    )


def _layer_of(path: Path) -> str:
    layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    if LAYER in layers:
        return LAYER
    if len(layers) != 1:
        raise LabelError(f"{path}: no layer {LAYER!r} among {', '.join(layers) or 'its layers'}: give a file of points")
    return layers[0]


def _coordinates(path: Path, geometry: NDArray[np.object_]) -> NDArray[np.float64]:
    shapes = shapely.from_wkb(geometry)
    several = shapely.get_type_id(shapes) == shapely.GeometryType.MULTIPOINT
    shapes = np.where(several & (shapely.get_num_geometries(shapes) == 1), shapely.get_geometry(shapes, 0), shapes)
    other = ~np.isin(shapely.get_type_id(shapes), (shapely.GeometryType.POINT, shapely.GeometryType.MISSING))
    if other.any():
        raise LabelError(f"{path}: holds a {shapes[other][0].geom_type}: a sample holds points")
    return np.stack([shapely.get_x(shapes), shapely.get_y(shapes)], axis=-1)


def _check_source(path: Path, source: SampleSource | None, raster: ClassRaster, strata: Strata, points: int) -> None:
    if source is None:
        return
    if source.sha256 != strata.sha256:
        raise LabelError(
            f"{path}: was drawn from another map than {raster.path}: the points stand for the classes of that map; "
            "assess it, or draw a sample of this one"
        )
    if source.points != points:
        log.warning(
            "%s: holds %d points of %d that were drawn: estimates are unbiased only if chance decided which",
            path,
            points,
            source.points,
        )


def _reference_ids(table: _PointTable, classes: ClassMap, path: Path) -> NDArray[np.int64]:
    """The class id that each point is labelled with, or -1."""
    known: dict[object, int] = {}
    for entry in classes.classes:
        known |= {str(entry.id): entry.id, entry.id: entry.id}
    known |= dict(zip(classes.names, classes.ids, strict=True))
    ids = np.full(len(table.labels), _UNLABELLED, dtype=np.int64)
    for place, label in enumerate(table.labels):
        value = label.strip() if isinstance(label, str) else label
        if value is None or value == "" or value != value:  # noqa: PLR0124 - NaN is how a NULL number comes
            continue
        if value not in known:
            raise LabelError(
                f"{path}: {table.attribute} of point {table.fids[place]} is {value!r}: classes are "
                + ", ".join(f"{entry.id} {entry.name}" for entry in classes.classes)
            )
        ids[place] = known[value]
    return ids


def _pixels_under(table: _PointTable, georef: GeoRef, path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the pixel under each point; -1 where a point cannot be placed."""
    xs, ys = table.xy.T
    if georef.crs is not None:
        if table.crs is None:
            raise LabelError(f"{path}: has no CRS and the map has one: assign the CRS of the points")
        try:
            xs, ys = Transformer.from_crs(table.crs, georef.crs, always_xy=True).transform(xs, ys)
        except (CRSError, ProjError) as error:
            raise LabelError(f"{path}: cannot be brought to the CRS of the map: {error}") from error
    cols, rows = ~georef.transform @ (np.asarray(xs), np.asarray(ys))
    placed = np.isfinite(rows) & np.isfinite(cols)
    placed &= (rows >= 0) & (rows < georef.height) & (cols >= 0) & (cols < georef.width)
    return np.where(placed, rows, -1).astype(np.int64), np.where(placed, cols, -1).astype(np.int64)


def _class_ids_at(raster: ClassRaster, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The map's class id at each pixel; 255 where there is none."""
    class_ids = np.full(len(rows), NODATA_ID, dtype=np.uint8)
    order = np.argsort(rows, kind="stable")
    for window, ids in class_id_pieces(raster):
        here = order[slice(*np.searchsorted(rows, (window.row, window.bottom), sorter=order))]
        class_ids[here] = ids[rows[here] - window.row, cols[here]]
    return class_ids


def _counted(
    strata: Strata, mapped: NDArray[np.uint8], reference: NDArray[np.int64], *, unlabelled: int
) -> SampleCounts:
    """The points by map class and reference class, over the classes that occur in either."""
    on_map = mapped != NODATA_ID
    table = np.zeros((NODATA_ID, NODATA_ID), dtype=np.int64)
    np.add.at(table, (mapped[on_map], reference[on_map]), 1)
    ids = np.array(strata.classes.ids)
    kept = np.flatnonzero((strata.pixels > 0) | (table.sum(axis=0)[ids] > 0))
    return SampleCounts(
        class_ids=tuple(ids[kept].tolist()),
        class_names=tuple(strata.classes.names[place] for place in kept),
        counts=table[np.ix_(ids[kept], ids[kept])],
        areas=strata.areas[kept],
        area_unit=strata.area_unit,
        unlabelled=unlabelled,
        unmapped=int((~on_map).sum()),
    )
