"""The ground that is learnt from and held out as a GeoPackage: one polygon for each region, coloured by split."""

from __future__ import annotations

import contextlib
import logging
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyogrio
import pyproj
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from geoseg.data.label_counts import count_labels
from geoseg.data.label_sets import LabelSets
from geoseg.data.sampling import Region
from geoseg.data.splits import SPLITS, Split
from geoseg.errors import GeorefError, OutputError
from geoseg.georef import GeoRef
from geoseg.raster.staging import Staging
from geoseg.training.split_style import split_style
from geoseg.vector.default_style import add_default_style

log = logging.getLogger(__name__)

LAYER = "split"
_GEOMETRY = "geom"
_DEGREES = "EPSG:4326"
_EDGE_PARTS = 32  # a straight edge of one CRS is bent in another
_AREA_CELLS = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """A region that can be drawn."""

    split: Split
    region: Region
    counts: NDArray[np.int64] | None  # (codes,), None where nobody counted


def write_split_layer(
    regions: Mapping[Split, Sequence[Region]],
    sets: LabelSets,
    output: Path,
    *,
    counts: Mapping[Split, NDArray[np.int64]] | None = None,
) -> Path | None:
    """Write which ground is for what, as a GeoPackage that QGIS opens coloured.

    The layer `split` has a polygon for each region, with its split, source, scene, window (px) and area; with counts
    also the pixels with a known label and the share that each label has of them. It is in the CRS of the scenes where
    they agree and in degrees (EPSG:4326) where they do not. Regions of scenes without a CRS have no place: they are
    left out, and how many is logged.

    Args:
        regions: by split.
        sets: what labels may say, for the names of the columns.
        output: the file; what is there is replaced when the new one is whole.
        counts: for a split, (regions, codes) pixels of each label in its regions, in their order; the columns are
            empty where a split is not in it, and not there without any. `count_regions` counts.

    Returns:
        The file; None where no region has a place, for then there is none.

    Raises:
        OutputError: if the file cannot be written.
    """
    placed = [
        _Placed(split, region, counts[split][number] if counts and split in counts else None)
        for split in SPLITS
        for number, region in enumerate(regions.get(split, ()))
    ]
    everywhere, placed = len(placed), [each for each in placed if _has_place(each.region.scene.georef)]
    if not placed:
        log.warning("%s: not written, no scene has a CRS to place its ground by", output.name)
        return None
    if len(placed) < everywhere:
        log.warning(
            "%s: without %d of %d regions, whose scenes have no CRS", output.name, everywhere - len(placed), everywhere
        )
    crs = _common_crs(placed)
    table = _table(placed, sets if counts else None, crs)
    with Staging(output.parent, [output.name], overwrite=True) as staging:
        _write(staging.path(output.name), table, crs)
        staging.commit()
    return output


def count_regions(regions: Sequence[Region], *, codes: int) -> NDArray[np.int64]:
    """(regions, codes) pixels of each label code; reads all labels of the regions once."""
    counts = [count_labels(region.scene, region.window, codes=codes) for region in regions]
    return np.array(counts, dtype=np.int64).reshape(-1, codes)


def _has_place(georef: GeoRef) -> bool:
    try:
        return georef.crs is not None and georef.gsd is not None
    except GeorefError:
        return False


def _common_crs(placed: Sequence[_Placed]) -> str:
    found = {str(each.region.scene.georef.crs) for each in placed}
    return found.pop() if len(found) == 1 else _DEGREES


def _outline(region: Region, crs: str) -> shapely.Polygon:
    """The window on the ground; in another CRS its edges follow the pixels."""
    georef, window = region.scene.georef, region.window
    parts = 1 if georef.crs == crs else _EDGE_PARTS
    there = np.arange(parts) / parts
    one, none = np.ones(parts), np.zeros(parts)
    cols = window.col + window.width * np.concatenate([there, one, 1 - there, none])
    rows = window.row + window.height * np.concatenate([none, there, one, 1 - there])
    a, b, c, d, e, f = tuple(georef.transform)[:6]
    x, y = a * cols + b * rows + c, d * cols + e * rows + f
    if georef.crs != crs:
        x, y = pyproj.Transformer.from_crs(georef.crs, crs, always_xy=True).transform(x, y)
        x = np.unwrap(x, period=360)  # across the date line
    return shapely.Polygon(np.column_stack([x, y]))


def _area(region: Region) -> float:
    """Square metres on the ground."""
    georef, window = region.scene.georef, region.window
    height, width = min(window.height, _AREA_CELLS), min(window.width, _AREA_CELLS)
    scale = Affine.scale(window.width / width, window.height / height)
    coarse = GeoRef(crs=georef.crs, transform=georef.of_window(window).transform @ scale, height=height, width=width)
    areas = coarse.pixel_areas(coarse.window)
    return float("nan") if areas is None else float(areas.sum())


def _table(placed: Sequence[_Placed], sets: LabelSets | None, crs: str) -> pa.Table:
    regions = [each.region for each in placed]
    columns: dict[str, pa.Array] = {
        "split": pa.array([each.split for each in placed], pa.string()),
        "source": pa.array([region.source for region in regions], pa.string()),
        "scene": pa.array([Path(region.scene.name).name for region in regions], pa.string()),
        "area_m2": pa.array([_area(region) for region in regions], pa.float64()),
    }
    for name in ("row", "col", "height", "width"):
        columns[name] = pa.array([getattr(region.window, name) for region in regions], pa.int64())
    if sets is not None:
        columns |= _label_columns([each.counts for each in placed], sets)
    geometry = pa.field(_GEOMETRY, pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"})
    outlines = pa.array(shapely.to_wkb([_outline(region, crs) for region in regions]), pa.binary())
    fields = [*(pa.field(name, column.type) for name, column in columns.items()), geometry]
    return pa.Table.from_arrays([*columns.values(), outlines], schema=pa.schema(fields))


def _label_columns(counts: Sequence[NDArray[np.int64] | None], sets: LabelSets) -> dict[str, pa.Array]:
    known = [None if count is None else int(count.sum()) for count in counts]
    columns = {"pixels_known": pa.array(known, pa.int64())}
    for code, name in enumerate(_column_names(sets.names)):
        shares = [
            float(count[code]) / of if count is not None and of else None
            for count, of in zip(counts, known, strict=True)
        ]
        columns[name] = pa.array(shares, pa.float64())
    return columns


def _column_names(labels: Sequence[str]) -> list[str]:
    """Names that need no quotes, each one once."""
    found: list[str] = []
    for label in labels:
        name = "share_" + re.sub(r"\W+", "_", label.replace("|", "_or_"))
        taken = {other.casefold() for other in found}
        found.append(
            next(each for each in (name, *(f"{name}_{n}" for n in range(2, 999))) if each.casefold() not in taken)
        )
    return found


def _write(path: Path, table: pa.Table, crs: str) -> None:
    try:
        pyogrio.write_arrow(
            table,
            path,
            driver="GPKG",
            layer=LAYER,
            geometry_name=_GEOMETRY,
            geometry_type="Polygon",
            crs=crs,
            dataset_options={"VERSION": "1.3"},
            layer_options={"FID": "fid", "DESCRIPTION": "Ground to learn from, to choose by and to score"},
        )
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            add_default_style(database, LAYER, split_style("split"), geometry=_GEOMETRY, description="Splits")
    except (DataSourceError, DataLayerError, FeatureError, RuntimeError, sqlite3.Error) as error:
        raise OutputError(f"{path.name}: cannot be written: {' '.join(str(error).split())}") from error
