"""Scenes to map: three bands of bytes, deflate, storage blocks of 512 px, as peers find them in archives."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.windows import Window as FileWindow

BLOCK = 512
GSD = 0.6
_PATCH = 1024


def landscape(side: int, *, seed: int = 5) -> NDArray[np.uint8]:
    """A drawn landscape, (3, side, side), its red, green and blue."""
    from geoseg.landscapes.spec import LandscapeSpec
    from geoseg.landscapes.write import write_landscape

    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "scene.tif"
        spec = LandscapeSpec(seed=seed, height=side, width=side, gsd=GSD)
        write_landscape(spec, scene, Path(folder) / "labels.tif")
        with rasterio.open(scene) as dataset:
            return np.asarray(dataset.read([1, 2, 3]))


def write_scene(path: Path, side: int, ground: NDArray[np.uint8]) -> Path:
    """Write a scene of that side; where the ground is smaller it is mirrored again and again.

    Args:
        path: the GeoTIFF to make; one that is there is kept.
        side: of the scene, px.
        ground: (3, height, width).
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}-{os.getpid()}.tif")
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "height": side, "width": side, "tiled": True}
    profile |= {"blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", "interleave": "pixel"}
    profile |= {"crs": "EPSG:32633", "transform": Affine(GSD, 0, 5e5, 0, -GSD, 5e6), "bigtiff": "if_safer"}
    cols = mirrored(side, ground.shape[2])
    with rasterio.open(partial, "w", **profile, photometric="rgb", num_threads="all_cpus") as dataset:
        for row in range(0, side, BLOCK):
            rows = mirrored(side, ground.shape[1])[row : row + BLOCK]
            pixels = np.ascontiguousarray(ground[:, rows[:, None], cols[None, :]])
            dataset.write(pixels, window=FileWindow(0, row, side, len(rows)))
    partial.replace(path)
    return path


def mirrored(side: int, length: int) -> NDArray[np.intp]:
    """Positions on ground of that length for the pixels of a side: there and back again."""
    at = np.arange(side) % (2 * length)
    return np.minimum(at, 2 * length - 1 - at)


def repeated(path: Path, side: int) -> Path:
    """A scene of that side, from one landscape of 1024 px."""
    return path if path.exists() else write_scene(path, side, landscape(min(side, _PATCH)))


def real_ground() -> NDArray[np.uint8] | None:
    """Banepa, Nepal, from GEOSEG_DATA, averaged to pixels of 0.6 m, (3, side, side); None where it is not there."""
    path = Path(os.environ.get("GEOSEG_DATA", "../shared/data")) / "scenes" / "banepa_large_rgb.tif"
    if not path.exists():
        return None
    with rasterio.open(path) as dataset:
        side = int(min(dataset.shape) * dataset.res[0] / GSD)
        corner = FileWindow(0, 0, side * GSD / dataset.res[0], side * GSD / dataset.res[0])
        shape = (3, side, side)
        return np.asarray(dataset.read([1, 2, 3], window=corner, out_shape=shape, resampling=Resampling.average))
