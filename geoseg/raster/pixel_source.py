"""What the pixels of a scene come from: a file, a mosaic, bands of several files. Sources travel, readers are open."""

from __future__ import annotations

from typing import Protocol

from geoseg.georef import GeoRef
from geoseg.raster.patch import Patch
from geoseg.window import Window


class WindowReader(Protocol):
    """Something that gives the pixels of windows, to one thread at a time."""

    def read(self, window: Window) -> Patch:
        """The pixels of a window, which lies inside the grid.

        Raises:
            SceneError: if a file cannot be read there.
        """


class PixelReader(WindowReader, Protocol):
    """Open files."""

    def close(self) -> None:
        """Close the files; closing twice is fine."""


class PixelSource(Protocol):
    """Everything needed to open pixels, in this process or another."""

    @property
    def georef(self) -> GeoRef:
        """The grid."""

    @property
    def count(self) -> int:
        """How many bands a read gives."""

    @property
    def dtype(self) -> str:
        """Of the pixels as read."""

    @property
    def storage_rows(self) -> int:
        """Reads that start and end on multiples of this many rows decode nothing twice."""

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files, as GDAL takes them."""

    def open(self) -> PixelReader:
        """Open the files.

        Raises:
            SceneError: if one cannot be opened.
        """
