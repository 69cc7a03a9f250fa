"""A scene of which some pixels cannot be read: they become nodata, always the same ones."""

from __future__ import annotations

import numpy as np
from rasterio._err import CPLE_OutOfMemoryError

from geoseg.errors import SceneError
from geoseg.georef import GeoRef
from geoseg.raster.patch import Patch, SceneReader
from geoseg.raster.watch import Watch
from geoseg.window import Window

_ROWS, _COLS = 64, 256


class TolerantScene:
    """A scene read in cells of whole rows of storage blocks; a cell that cannot be read is not valid.

    Reads begin and end at borders of cells, so what is lost does not depend on the windows.
    """

    def __init__(self, scene: SceneReader, watch: Watch) -> None:
        """Take a scene.

        Args:
            scene: whose `read` raises SceneError where a file is broken.
            watch: told what is lost.
        """
        self._scene, self._watch = scene, watch
        self._rows = scene.storage_rows * max(1, _ROWS // scene.storage_rows)

    @property
    def georef(self) -> GeoRef:
        """That of the scene below."""
        return self._scene.georef

    @property
    def bands(self) -> tuple[str, ...]:
        """Those of the scene below."""
        return self._scene.bands

    @property
    def dtype(self) -> str:
        """That of the scene below."""
        return self._scene.dtype

    @property
    def storage_rows(self) -> int:
        """Rows of a cell."""
        return self._rows

    def read(self, window: Window) -> Patch:
        """The pixels of a window; zero and not valid where they cannot be read."""
        inside = window.intersect(self.georef.window)
        if inside is None:
            return self._scene.read(window)
        cells = self._cells_over(inside)
        try:
            return _part(self._scene.read(cells), window)
        except SceneError:
            return _part(self._cell_by_cell(cells), window)

    def _cells_over(self, window: Window) -> Window:
        """The window, made larger to borders of cells."""
        scene = self.georef
        bottom = min(window.bottom + -window.bottom % self._rows, scene.height)
        right = min(window.right + -window.right % _COLS, scene.width)
        return Window.between(window.row - window.row % self._rows, bottom, window.col - window.col % _COLS, right)

    def _cell_by_cell(self, cells: Window) -> Patch:
        image = np.zeros((len(self.bands), *cells.shape), dtype=self.dtype)
        valid = np.zeros(cells.shape, dtype=np.bool_)
        for row in range(cells.row, cells.bottom, self._rows):
            for col in range(cells.col, cells.right, _COLS):
                cell = Window(row=row, col=col, height=self._rows, width=_COLS).intersect(cells)
                patch = None if cell is None else self._read_or_lose(cell)
                if patch is not None:
                    there = patch.window.slices_in(cells)
                    image[:, *there], valid[there] = patch.image, patch.valid
        return Patch(image=image, valid=valid, window=cells)

    def _read_or_lose(self, cell: Window) -> Patch | None:
        try:
            return self._scene.read(cell)
        except SceneError as error:
            if _is_for_want_of_memory(error):
                raise
            self._watch.lost(cell)
            return None


def _is_for_want_of_memory(error: BaseException | None) -> bool:
    """True where a file could not be read as there was too little memory: its pixels are not damaged."""
    while error is not None:
        if isinstance(error, MemoryError | CPLE_OutOfMemoryError):
            return True
        error = error.__cause__
    return False


def _part(patch: Patch, window: Window) -> Patch:
    """A window of a patch; zero and not valid outside it."""
    inside = window.intersect(patch.window)
    if inside == window:
        here = window.slices_in(patch.window)
        return Patch(image=patch.image[:, *here], valid=patch.valid[here], window=window)
    image = np.zeros((len(patch.image), *window.shape), dtype=patch.image.dtype)
    valid = np.zeros(window.shape, dtype=np.bool_)
    if inside is not None:
        here, there = inside.slices_in(patch.window), inside.slices_in(window)
        image[:, *there], valid[there] = patch.image[:, *here], patch.valid[here]
    return Patch(image=image, valid=valid, window=window)
