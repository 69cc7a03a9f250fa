"""Pixels of many files that lie side by side on one lattice of pixels."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from geoseg.errors import SceneError
from geoseg.georef import GeoRef
from geoseg.raster.file_facts import FileFacts
from geoseg.raster.file_pixels import FileSource
from geoseg.raster.gdal import shown
from geoseg.raster.kept_rows import KeptFileRows
from geoseg.raster.patch import Patch
from geoseg.raster.valid_mask import ValidityRule
from geoseg.window import Window

_MOST_OPEN = 128
_OFF_LATTICE_PX = 0.01
_LARGEST_PX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a mosaic."""

    path: str
    """As `open_checked` takes it."""

    name: str
    """As the user named it."""

    row: int
    """Of the mosaic, where its first row lies, px."""

    col: int
    """Of the mosaic, where its first column lies, px."""

    height: int
    """Rows, px."""

    width: int
    """Columns, px."""

    storage_rows: int
    """Rows of its internal tiling, px."""

    validity: ValidityRule
    """How it marks nodata."""

    @property
    def window(self) -> Window:
        """Where it lies in the mosaic."""
        return Window(row=self.row, col=self.col, height=self.height, width=self.width)


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicSource:
    """The same bands of several files. Where none lies is nodata; where several do the first valid one counts."""

    georef: GeoRef
    """The grid around all of them."""

    template: FileSource
    """What they share: bands, type, palette."""

    parts: tuple[Part, ...]
    """The files, first come first."""

    @classmethod
    def of(cls, facts: Sequence[FileFacts], indices: Sequence[int]) -> MosaicSource:
        """Put files together.

        Args:
            facts: of the files.
            indices: bands to read, from 1, the same in each.

        Raises:
            SceneError: if they are not on one lattice or their bands differ.
        """
        first = facts[0]
        places = [_place(first, each) for each in facts]
        top, left = min(row for row, _ in places), min(col for _, col in places)
        height = max(row + each.georef.height for (row, _), each in zip(places, facts, strict=True)) - top
        width = max(col + each.georef.width for (_, col), each in zip(places, facts, strict=True)) - left
        if max(height, width) > _LARGEST_PX:
            raise SceneError(f"{shown(first.name)} and the others lie too far apart for one scene: map them apart")
        georef = first.georef.of_window(Window(row=top, col=left, height=height, width=width))
        rules: dict[ValidityRule, ValidityRule] = {}  # one of each: parts travel to every worker
        parts = [
            _part(each, indices, (row - top, col - left), rules) for (row, col), each in zip(places, facts, strict=True)
        ]
        return cls(georef=georef, template=FileSource.of(first, indices), parts=tuple(parts))

    @property
    def count(self) -> int:
        """How many bands a read gives."""
        return self.template.count

    @property
    def dtype(self) -> str:
        """Of the pixels as read."""
        return self.template.dtype

    @property
    def storage_rows(self) -> int:
        """Rows of the internal tiling of most files, px."""
        rows, often = np.unique([part.storage_rows for part in self.parts], return_counts=True)
        return int(rows[often.argmax()])

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(part.path for part in self.parts)

    def source_of(self, part: Part) -> FileSource:
        """One of the files by itself."""
        return replace(
            self.template,
            path=part.path,
            name=part.name,
            georef=self.georef.of_window(part.window),
            validity=part.validity,
            storage_rows=part.storage_rows,
        )

    def open(self) -> MosaicReader:
        """Open nothing yet: files are opened as they are read."""
        return MosaicReader(self)


class MosaicReader:
    """An open mosaic: the files under the last windows are open, at most 128."""

    def __init__(self, source: MosaicSource) -> None:
        self._source = source
        windows = [part.window for part in source.parts]
        self._tops, self._bottoms = np.array([w.row for w in windows]), np.array([w.bottom for w in windows])
        self._lefts, self._rights = np.array([w.col for w in windows]), np.array([w.right for w in windows])
        self._open: OrderedDict[int, KeptFileRows] = OrderedDict()

    def close(self) -> None:
        """Close the files; closing twice is fine."""
        while self._open:
            self._open.popitem()[1].close()

    def read(self, window: Window) -> Patch:
        """The pixels of a window inside the grid."""
        image = np.zeros((self._source.count, *window.shape), dtype=self._source.dtype)
        valid = np.zeros(window.shape, dtype=np.bool_)
        for number in self._under(window):
            part = self._source.parts[number].window
            inside = part.intersect(window)
            if inside is None:
                continue
            there = inside.slices_in(window)
            missing = ~valid[there]
            if not missing.any():
                continue
            here = Window.between(
                inside.row - part.row, inside.bottom - part.row, inside.col - part.col, inside.right - part.col
            )
            patch = self._reader(number).read(here)
            missing &= patch.valid
            np.copyto(image[:, *there], patch.image, where=missing)
            valid[there] |= missing
        return Patch(image=image, valid=valid, window=window)

    def _under(self, window: Window) -> list[int]:
        """The files that lie under a window, in their order."""
        rows = (self._tops < window.bottom) & (self._bottoms > window.row)
        cols = (self._lefts < window.right) & (self._rights > window.col)
        return [int(number) for number in np.flatnonzero(rows & cols)]

    def _reader(self, number: int) -> KeptFileRows:
        reader = self._open.pop(number, None)
        if reader is None:
            part = self._source.parts[number]
            opened = self._source.source_of(part).open()
            reader = KeptFileRows(opened, storage_rows=part.storage_rows, height=part.height)
        self._open[number] = reader
        if len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        return reader


def _place(first: FileFacts, other: FileFacts) -> tuple[int, int]:
    """Row and column of a file, counted from the origin of the first."""
    names = f"{shown(other.name)} and {shown(first.name)}"
    if other.georef.crs != first.georef.crs:
        raise SceneError(f"{names} have different CRSs: map them apart, or warp them to one (gdalwarp)")
    step = ~first.georef.transform @ other.georef.transform
    col, row = step.c, step.f
    bent = max(
        abs(step.a - 1) * other.georef.width,
        abs(step.e - 1) * other.georef.height,
        abs(step.b) * other.georef.height,
        abs(step.d) * other.georef.width,
    )
    if max(bent, abs(col - round(col)), abs(row - round(row))) > _OFF_LATTICE_PX:
        raise SceneError(
            f"{names} are not on one lattice of pixels (they differ by {step.a:.6g} in size, {col % 1:.3g} and "
            f"{row % 1:.3g} px in place): map them apart, or warp them to one grid (gdalwarp -tap)"
        )
    return round(row), round(col)


def _part(
    facts: FileFacts, indices: Sequence[int], place: tuple[int, int], rules: dict[ValidityRule, ValidityRule]
) -> Part:
    validity = facts.validity_of(indices)
    row, col = place
    return Part(
        path=facts.path,
        name=facts.name,
        row=row,
        col=col,
        height=facts.georef.height,
        width=facts.georef.width,
        storage_rows=facts.storage_rows,
        validity=rules.setdefault(validity, validity),
    )
