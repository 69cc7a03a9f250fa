"""Small plain GeoTIFFs of real domains: cut, thinned and named. Knows no case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

from geoseg.raster.gdal import georeference_optional

UNKNOWN = 255


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Imagery with its labels on one grid."""

    pixels: NDArray[np.generic]
    """(bands, height, width)."""

    labels: NDArray[np.uint8]
    """(height, width), label values."""

    crs: object
    """None where the files state none."""

    transform: Affine
    """From pixels to the map."""

    nodata: float | None = None
    """Sample that means no data."""

    def cut(self, top: int, bottom: int, left: int, right: int) -> Picture:
        """Some rows and columns of it, px."""
        return replace(
            self,
            pixels=self.pixels[:, top:bottom, left:right],
            labels=self.labels[top:bottom, left:right],
            transform=self.transform @ Affine.translation(left, top),
        )

    def thinned(self, factor: int) -> Picture:
        """Means of squares of pixels; the label is that of a pixel near the middle."""
        rows, cols = (side // factor * factor for side in self.labels.shape)
        squares = self.pixels[:, :rows, :cols].reshape(len(self.pixels), rows // factor, factor, cols // factor, factor)
        middle = factor // 2
        return replace(
            self,
            pixels=np.rint(squares.mean(axis=(2, 4))).astype(self.pixels.dtype),
            labels=self.labels[middle:rows:factor, middle:cols:factor],
            transform=self.transform @ Affine.scale(factor),
        )

    def with_bands(self, indices: Sequence[int]) -> Picture:
        """Other bands, from 0."""
        return replace(self, pixels=self.pixels[list(indices)])


def read_picture(image: Path, labels: Path) -> Picture:
    """Imagery and its labels, whole."""
    with georeference_optional(), rasterio.open(image) as pixels, rasterio.open(labels) as values:
        return Picture(
            pixels=pixels.read(),
            labels=values.read(1),
            crs=pixels.crs,
            transform=pixels.transform,
            nodata=pixels.nodata,
        )


def write_pair(picture: Picture, scene: Path, labels: Path, *, names: Sequence[str]) -> None:
    """Write a scene and its labels.

    Args:
        picture: what to write.
        scene: the imagery's file.
        labels: the labels' file.
        names: of the bands; none where the file is to say nothing.
    """
    write_scene(picture, scene, names=names)
    _write(labels, picture.labels[None], picture, nodata=None, names=())


def write_scene(picture: Picture, scene: Path, *, names: Sequence[str]) -> None:
    """Write the imagery alone."""
    _write(scene, picture.pixels, picture, nodata=picture.nodata, names=names)


def _write(
    path: Path, pixels: NDArray[np.generic], picture: Picture, *, nodata: float | None, names: Sequence[str]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = pixels.shape
    with (
        georeference_optional(),
        rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=pixels.dtype,
            crs=picture.crs,
            transform=picture.transform,
            nodata=nodata,
            compress="deflate",
            tiled=True,
            blockxsize=256,
            blockysize=256,
            photometric="MINISBLACK",
            ALPHA="UNSPECIFIED",
        ) as dataset,
    ):
        dataset.write(pixels)
        if names:
            dataset.descriptions = tuple(names)
