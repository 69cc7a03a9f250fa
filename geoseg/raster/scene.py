"""Scenes on disk or over the network: read by windows, never whole. Knows nothing of models or tiles."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from geoseg.errors import SceneError
from geoseg.georef import GeoRef
from geoseg.raster.bands import BandChoice, choose_bands
from geoseg.raster.gathering import Gathered, gather
from geoseg.raster.patch import Patch
from geoseg.raster.pixel_choice import chosen_pixels, declared_numbers, masked_pixels
from geoseg.raster.pixel_source import PixelSource
from geoseg.raster.quality import QualityRule
from geoseg.raster.reach import Reach
from geoseg.raster.scaling import CUSTOMARY, Conversion, Declared, meaning_of
from geoseg.window import Window

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a scene is taken in."""

    mask: str | None = None
    """Quality band and what of it is nodata: `scl=3,8-10`, `qa_pixel=bit:3`, or a file in place of the band."""

    allow: tuple[str, ...] = ()
    """Files, folders and hosts that a VRT, a list or an item may point at besides what lies beside it or below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSource:
    """Everything needed to open a scene again, in this process or in another."""

    path: str
    """As the user named it."""

    georef: GeoRef
    """Its grid."""

    indices: tuple[int, ...]
    """Chosen bands, from 1, in the order in which they are read."""

    bands: tuple[str, ...]
    """Their names; `band N` where the scene does not tell."""

    pixels: PixelSource
    """Its files, with the numbers as they are stored."""

    declared: Declared
    """What the numbers mean by file or item, per chosen band."""

    conversion: Conversion | None = None
    """From stored numbers to those that are read; None where they are the same."""

    present: tuple[int, ...] = ()
    """For each band its position among those that were asked for, from 0."""

    by_position: bool = False
    """True where the scene has no names for its bands and they were taken in order."""

    acquired: datetime | None = None
    """When it was taken, by its item."""

    remarks: tuple[str, ...] = ()
    """What had to be assumed, a line each."""

    @property
    def dtype(self) -> str:
        """Of the pixels as read: uint8, uint16, int16 or float32."""
        return self.pixels.dtype if self.conversion is None else self.conversion.dtype

    @property
    def storage_rows(self) -> int:
        """Rows of the internal tiling, px: reads that start and end on multiples decode nothing twice."""
        return self.pixels.storage_rows

    @property
    def files(self) -> tuple[str, ...]:
        """All files that are read, as GDAL takes them."""
        return self.pixels.files

    def in_units_of(self, scales: Mapping[str, float]) -> SceneSource:
        """The same scene, with numbers as a normaliser takes them.

        Args:
            scales: of the normaliser: reflectance of one step, by dtype.

        Raises:
            SceneError: if it cannot be known what the numbers mean.
        """
        try:
            meaning = meaning_of(self.declared, self.pixels.dtype, scales)
        except SceneError as error:
            raise SceneError(f"{self.path}: {error}") from error
        remarks = (*self.remarks, meaning.remark) if meaning.remark else self.remarks
        return replace(self, conversion=meaning.conversion, remarks=tuple(dict.fromkeys(remarks)))


class Scene:
    """An open scene. A context manager; picklable (it opens again); read from one thread at a time."""

    def __init__(self, source: SceneSource) -> None:
        self.source = source
        self._reader = source.pixels.open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Scene], tuple[SceneSource]]:
        return Scene, (self.source,)

    def close(self) -> None:
        """Close the files; closing twice is fine."""
        self._reader.close()

    @property
    def georef(self) -> GeoRef:
        """The grid of the scene."""
        return self.source.georef

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the chosen bands, in the order in which they are read."""
        return self.source.bands

    @property
    def dtype(self) -> str:
        """Name of the numpy dtype of the pixels as read."""
        return self.source.dtype

    @property
    def storage_rows(self) -> int:
        """Rows of the internal tiling, px."""
        return self.source.storage_rows

    def read(self, window: Window) -> Patch:
        """The pixels of a window, zero and not valid where it leaves the scene.

        Raises:
            SceneError: if a file cannot be read there (truncated, corrupt, out of reach).
        """
        inside = window.intersect(self.georef.window)
        if inside == window:
            return self._read_inside(window)
        image = np.zeros((len(self.bands), *window.shape), dtype=self.dtype)
        valid = np.zeros(window.shape, dtype=np.bool_)
        if inside is not None:
            there, patch = inside.slices_in(window), self._read_inside(inside)
            image[:, *there], valid[there] = patch.image, patch.valid
        return Patch(image=image, valid=valid, window=window)

    def _read_inside(self, window: Window) -> Patch:
        patch, conversion = self._reader.read(window), self.source.conversion
        return patch if conversion is None else replace(patch, image=conversion(patch.image))


def open_scene(path: str | Path, *, bands: Sequence[str] | None = None, access: Access | None = None) -> Scene:
    """Open a scene for reading by windows.

    Args:
        path: any raster GDAL opens, a STAC item, a folder, glob or list (.txt) of band files or of tiles.
        bands: names (`red`) or numbers from 1 (`"1"`), in the order to read them; None takes all but alpha.
        access: what is masked, and what may be reached.

    Raises:
        SceneError: if it is missing, not a raster, of an unsupported dtype, or lacks a band.
        GeorefError: if its transform cannot be used.
    """
    source = describe_scene(path, bands=bands, access=access)
    warn_of(source)
    return Scene(source)


def warn_of(source: SceneSource) -> None:
    """Log what had to be assumed of a scene."""
    for remark in source.remarks:
        log.warning("%s: %s", source.path, remark)


def describe_scene(
    path: str | Path,
    *,
    bands: Sequence[str] | None = None,
    optional: Sequence[str] = (),
    access: Access | None = None,
) -> SceneSource:
    """What `open_scene` needs to know of a scene.

    Args:
        path: any raster GDAL opens, a STAC item, a folder, glob or list (.txt) of band files or of tiles.
        bands: names or numbers from 1, in the order to read them; None takes all but alpha.
        optional: those of `bands` that are left out where the scene lacks them.
        access: what is masked, and what may be reached.

    Raises:
        SceneError: if it is missing, not a raster, of an unsupported dtype, or lacks a band.
        GeorefError: if its transform cannot be used.
    """
    text, access = str(path), access or Access()
    reach = Reach.of(access.allow)
    gathered = gather(text, reach)
    every = [each.band for each in gathered.bands] or gathered.parts[0].bands
    try:
        choice = choose_bands(every, bands, optional=optional)
    except SceneError as error:
        raise SceneError(f"{text}: {error}") from error
    pixels = chosen_pixels(gathered, choice.indices, reach)
    if access.mask is not None:
        pixels = masked_pixels(pixels, gathered, QualityRule.of(access.mask), reach)
    source = _source(text, gathered, choice, pixels)
    return replace(source, declared=declared_numbers(gathered, choice.indices, reach)).in_units_of(CUSTOMARY)


def _source(text: str, gathered: Gathered, choice: BandChoice, pixels: PixelSource) -> SceneSource:
    said = gathered.parts[0].remarks if gathered.parts else ()
    assumed = (choice.remark,) if choice.remark else ()
    return SceneSource(
        path=text,
        georef=pixels.georef,
        indices=choice.indices,
        bands=choice.names,
        pixels=pixels,
        declared=Declared((), ()),
        present=choice.present,
        by_position=choice.by_position,
        acquired=gathered.acquired,
        remarks=(*said, *gathered.remarks, *assumed),
    )
