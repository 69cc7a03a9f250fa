"""Whether layers of an odd raster are right, as far as rasterio and shapely can tell without geoseg."""

from __future__ import annotations

import json
import logging
import math
import warnings
from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError

_NODATA = 255
_MOST_CHECKED_PX = 30_000_000
logging.getLogger("rasterio").setLevel(logging.CRITICAL)
warnings.simplefilter("ignore", NotGeoreferencedWarning)


def about(path: Path) -> str:
    """Driver, size, bands and dtypes, as rasterio sees the file."""
    try:
        with rasterio.open(path) as dataset:
            kinds = ", ".join(dict.fromkeys(dataset.dtypes))
            where = "" if dataset.crs else ", no CRS"
            return f"{dataset.driver} {dataset.width} x {dataset.height}, {dataset.count} x {kinds or 'nothing'}{where}"
    except (RasterioError, ValueError, MemoryError) as error:
        return (
            f"GDAL cannot open it: {' '.join(str(error).split())[:80].replace('|', '-').replace(str(path.parent), '')}"
        )


def count_of_bands(path: Path) -> int:
    """Bands; 0 where it cannot be opened."""
    try:
        with rasterio.open(path) as dataset:
            return int(dataset.count)
    except (RasterioError, ValueError):
        return 0


def gsd_of(path: Path) -> float | None:
    """Metres per pixel as geoseg has them; None where there are none."""
    from geoseg.errors import GeosegError
    from geoseg.raster.scene import describe_scene

    try:
        gsd = describe_scene(path).georef.gsd
    except (GeosegError, RasterioError, ValueError):
        return None
    return gsd if gsd and math.isfinite(gsd) else None


def map_is_right(path: Path, out: Path, *, same_grid: bool) -> str:
    """What is wrong with the layers of a prediction; empty where nothing is."""
    stem = path.stem
    for ending in ("classes.tif", "confidence.tif", "gpkg", "stac.json", "classes.qml"):
        if not (out / f"{stem}.{ending}").is_file():
            return f"{ending} is missing"
    with rasterio.open(path) as scene, rasterio.open(out / f"{stem}.classes.tif") as classes:
        if scene.width * scene.height > _MOST_CHECKED_PX:
            return ""
        ids = classes.read(1)
        if not set(np.unique(ids).tolist()) <= {*range(1, 8), _NODATA}:
            return f"class ids {np.unique(ids).tolist()} are not all in the legend"
        whole = scene.shape == classes.shape
        if not same_grid and not whole:
            return ""
        return _grid(scene, classes) or _footprint(scene, ids)


def _grid(scene: rasterio.io.DatasetReader, classes: rasterio.io.DatasetReader) -> str:
    if scene.shape != classes.shape:
        return f"the map has {classes.shape} pixels, the scene {scene.shape}"
    if not np.allclose(tuple(scene.transform), tuple(classes.transform), rtol=1e-9, atol=1e-9):
        return f"the map lies at {tuple(classes.transform)[:6]}, the scene at {tuple(scene.transform)[:6]}"
    if bool(scene.crs) != bool(classes.crs) or not (scene.crs == classes.crs or _same_ground(scene, classes)):
        return f"the map's CRS is {classes.crs}, the scene's {scene.crs}"
    return ""


def _same_ground(scene: rasterio.io.DatasetReader, classes: rasterio.io.DatasetReader) -> bool:
    """Whether corners lie at the same longitude and latitude, to 1e-8 degrees, though CRSs are told in other words."""
    places = []
    for dataset in (scene, classes):
        crs = pyproj.CRS.from_wkt(dataset.crs.to_wkt(version="WKT2_2019"))
        to_degrees = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform
        corners = [dataset.transform * corner for corner in ((0, 0), (dataset.width, dataset.height))]
        places.append([to_degrees(*corner) for corner in corners])
    return bool(np.allclose(*places, rtol=0, atol=1e-8))


def _footprint(scene: rasterio.io.DatasetReader, ids: NDArray[np.uint8]) -> str:
    valid = _valid(scene)
    differing = int(((ids != _NODATA) != valid).sum())
    return f"{differing} of {valid.size} pixels differ in being nodata" if differing else ""


def _valid(scene: rasterio.io.DatasetReader) -> NDArray[np.bool_]:
    """Where a pixel can be used, by GDAL's masks and the numbers."""
    bands = list(dict.fromkeys(1 + number % scene.count for number in range(4)))
    if scene.colorinterp[0] == ColorInterp.palette and scene.count == 1 and scene.dtypes[0] == "uint8":
        colours = scene.colormap(1)
        opaque = np.array([colours.get(value, (0, 0, 0, 0))[3] > 0 for value in range(256)])
        return np.asarray(opaque[scene.read(1)] & (scene.read_masks(1) > 0))
    masks = scene.read_masks(bands) > 0
    if scene.dtypes[0].startswith("float"):
        return np.asarray(masks.all(axis=0) & np.isfinite(scene.read(bands)).all(axis=0))
    return np.asarray(masks.any(axis=0) & ~_all_nodata(scene, bands))


def _all_nodata(scene: rasterio.io.DatasetReader, bands: list[int]) -> NDArray[np.bool_]:
    """Where every band holds its nodata value, which counts beside a mask as well."""
    values = [scene.nodatavals[band - 1] for band in bands]
    if any(value is None for value in values):
        return np.zeros(scene.shape, dtype=np.bool_)
    return np.asarray((scene.read(bands) == np.array(values)[:, None, None]).all(axis=0))


def polygons_are_right(path: Path, target: Path) -> str:
    """Whether polygons cover as much ground as the pixels do, class by class."""
    frame = pyogrio.read_dataframe(target, layer="landcover") if target.is_file() else None
    if frame is None:
        return "no polygons"
    with rasterio.open(path) as dataset:
        if dataset.width * dataset.height > _MOST_CHECKED_PX:
            return ""
        values, usable = dataset.read(1), dataset.read_masks(1) > 0
        pixel = abs(dataset.transform.determinant) or 1.0
    found, counts = np.unique(values[usable & (values >= 0) & (values < _NODATA)], return_counts=True)
    areas = shapely.area(frame.geometry.to_numpy())
    for value, count in zip(found.tolist(), counts.tolist(), strict=True):
        covered = float(areas[frame["class_id"].to_numpy() == value].sum()) / pixel
        if not math.isclose(covered, count, rel_tol=1e-6, abs_tol=1e-6):
            return f"polygons of class {value} cover {covered:.6g} pixels of {count}"
    return "" if set(frame["class_id"]) <= set(found.tolist()) else "polygons of a class that no pixel has"


def agreement_is_whole(shown: str) -> str:
    """Whether a map agrees with itself."""
    accuracy = json.loads(shown)
    return "" if _one(accuracy) else f"a map differs from itself: {shown[:150]}"


def _one(told: object) -> bool:
    """True where some `pixel_accuracy` is told and each is 1."""
    if isinstance(told, dict):
        own = [value == 1 for key, value in told.items() if key == "pixel_accuracy"]
        return all(own) and (bool(own) or any(_one(value) for value in told.values()))
    return isinstance(told, list) and bool(told) and all(_one(value) for value in told)
