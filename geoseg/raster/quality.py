"""Pixels that a quality band marks as unusable: cloud, shadow, snow. Values or bits, as the user says."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import SceneError
from geoseg.georef import GeoRef
from geoseg.raster.patch import Patch
from geoseg.raster.pixel_source import PixelReader, PixelSource
from geoseg.raster.stack import Layer
from geoseg.window import Window

_ENTRY = re.compile(r"bit:(?P<bit>\d{1,2})|(?P<low>\d+)(-(?P<high>\d+))?")
_LARGEST = 65535
_BITS = 16


@dataclass(frozen=True, slots=True)
class QualityRule:
    """Which pixels of a quality band are nodata."""

    band: str
    """Its name or number in the scene, or a file."""

    values: tuple[int, ...] = ()
    """Numbers that mean nodata."""

    bits: int = 0
    """Bits (1 for bit 0, 2 for bit 1, 4 ...) of which none may be set."""

    @classmethod
    def of(cls, text: str) -> QualityRule:
        """`scl=3,8-10` and `qa_pixel=bit:3,bit:4` as the user writes them.

        Raises:
            SceneError: if it is neither.
        """
        band, equals, wanted = text.rpartition("=")
        found = [_ENTRY.fullmatch(entry.strip()) for entry in wanted.split(",")]
        if not band.strip() or not equals or not all(found):
            raise SceneError(f"--mask {text}: write BAND=3,8-10 or BAND=bit:3,bit:4, or a file in place of BAND")
        spans = [(int(each["low"]), int(each["high"] or each["low"])) for each in found if each and each["low"]]
        places = [int(each["bit"]) for each in found if each and each["bit"]]
        if max((high for _, high in spans), default=0) > _LARGEST or max(places, default=0) >= _BITS:
            raise SceneError(f"--mask {text}: values reach {_LARGEST} and bits {_BITS - 1}: write smaller ones")
        values = {value for low, high in spans for value in range(low, high + 1)}
        bits = sum(1 << place for place in set(places))
        return cls(band.strip(), tuple(sorted(values)), bits)

    def marks(self, numbers: NDArray[np.generic]) -> NDArray[np.bool_]:
        """True where pixels are nodata, in the shape of the numbers."""
        table = np.zeros(_LARGEST + 1, dtype=np.bool_)
        table[list(self.values)] = True
        table |= (np.arange(_LARGEST + 1) & self.bits) != 0
        return np.asarray(table[numbers.astype(np.uint16)])


@dataclass(frozen=True, slots=True)
class MaskedSource:
    """Pixels of which a quality band marks some as nodata; it is read at the nearest pixel."""

    pixels: PixelSource
    """The scene."""

    quality: Layer
    """The quality band, under the grid of the scene."""

    rule: QualityRule
    """Which pixels it marks."""

    @classmethod
    def of(cls, pixels: PixelSource, quality: PixelSource, rule: QualityRule) -> MaskedSource:
        """Mask a scene.

        Raises:
            SceneError: if the band holds no whole numbers or lies on other ground.
        """
        if quality.dtype == "float32":
            raise SceneError(f"--mask {rule.band}: holds {quality.dtype}: a quality band holds whole numbers")
        return cls(pixels, Layer.on(pixels.georef, quality, may_reach_beyond=True), rule)

    @property
    def georef(self) -> GeoRef:
        """The grid of the scene."""
        return self.pixels.georef

    @property
    def count(self) -> int:
        """How many bands a read gives."""
        return self.pixels.count

    @property
    def dtype(self) -> str:
        """Of the pixels as read."""
        return self.pixels.dtype

    @property
    def storage_rows(self) -> int:
        """That of the scene."""
        return self.pixels.storage_rows

    @property
    def files(self) -> tuple[str, ...]:
        """Those of the scene and the quality band's."""
        return self.pixels.files + self.quality.pixels.files

    def open(self) -> MaskedReader:
        """Open the files.

        Raises:
            SceneError: if one cannot be opened.
        """
        return MaskedReader(self)


class MaskedReader:
    """An open scene with its quality band."""

    def __init__(self, source: MaskedSource) -> None:
        self._source = source
        self._pixels: PixelReader = source.pixels.open()
        try:
            self._quality: PixelReader = source.quality.open()
        except SceneError:
            self._pixels.close()
            raise

    def close(self) -> None:
        """Close the files; closing twice is fine."""
        self._pixels.close()
        self._quality.close()

    def read(self, window: Window) -> Patch:
        """The pixels of a window inside the grid."""
        patch = self._pixels.read(window)
        rows, cols = self._source.quality.nearest(window)
        there = Window.between(int(rows.min()), int(rows.max()) + 1, int(cols.min()), int(cols.max()) + 1)
        quality = self._quality.read(there).image[0]
        marked = self._source.rule.marks(quality)[np.ix_(rows - there.row, cols - there.col)]
        return Patch(image=patch.image, valid=patch.valid & ~marked, window=window)
