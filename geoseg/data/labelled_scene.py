"""Scenes with labels, read by random windows without decoding a storage block each time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from geoseg.classes import ClassMap
from geoseg.data.chips import IGNORED, Chip
from geoseg.data.labels import LabelRaster
from geoseg.errors import GeosegError, LabelError
from geoseg.georef import GeoRef
from geoseg.raster.patch import SceneReader
from geoseg.raster.scene import open_scene
from geoseg.window import Window

_BLOCK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenePair:
    """A scene and its labels on disk."""

    scene: Path
    """Any raster GDAL opens."""

    labels: Path
    """A raster of whole numbers on the same grid."""

    bands: tuple[str, ...]
    """Names or numbers of the scene's bands, in the network's order."""

    label_map: Mapping[int, str]
    """Class name of each label value; others are unknown."""


class BlockCache:
    """Decoded squares of scenes, least recently used dropped first."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self._used = 0
        self._blocks: OrderedDict[tuple[int, int, int], Chip] = OrderedDict()

    def get(self, key: tuple[int, int, int]) -> Chip | None:
        """A block kept under a key, which becomes the most recently used one."""
        block = self._blocks.get(key)
        if block is not None:
            self._blocks.move_to_end(key)
        return block

    def put(self, key: tuple[int, int, int], block: Chip) -> None:
        """Keep a block; at least the newest one stays whatever the budget."""
        self._blocks[key] = block
        self._used += _bytes(block)
        while self._used > self._budget and len(self._blocks) > 1:
            _, oldest = self._blocks.popitem(last=False)
            self._used -= _bytes(oldest)


class LabelledScene:
    """A scene with its labels. A context manager; read from one thread at a time."""

    def __init__(self, scene: SceneReader, labels: LabelRaster, *, cache: BlockCache, number: int) -> None:
        """Combine open files.

        Args:
            scene: the image.
            labels: on its grid.
            cache: shared by all scenes of one reader.
            number: of this scene in the cache.
        """
        self._scene = scene
        self._labels = labels
        self._cache = cache
        self._number = number

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close both files."""
        self._labels.close()
        close = getattr(self._scene, "close", None)
        if close is not None:
            close()

    @property
    def georef(self) -> GeoRef:
        """The grid of both."""
        return self._scene.georef

    @property
    def dtype(self) -> str:
        """Name of the dtype of the image."""
        return self._scene.dtype

    def read(self, window: Window, *, within: Window | None = None) -> Chip:
        """The chip of a window that may leave the scene.

        Args:
            window: in scene pixels.
            within: what is outside of it counts as outside the scene; None takes the whole scene.
        """
        bands = len(self._scene.bands)
        image = np.zeros((bands, *window.shape), dtype=self.dtype)
        labels = np.full(window.shape, IGNORED, dtype=np.uint8)
        valid = np.zeros(window.shape, dtype=np.bool_)
        scene_window = self.georef.window
        allowed = scene_window if within is None else scene_window.intersect(within)
        inside = None if allowed is None else window.intersect(allowed)
        for block in () if inside is None else _blocks_under(inside, scene_window):
            chip = self._block(block)
            part = block.intersect(inside) if inside else None
            if part is not None:
                there, here = part.slices_in(block), part.slices_in(window)
                image[:, *here] = chip.image[:, *there]
                labels[here] = chip.labels[there]
                valid[here] = chip.valid[there]
        return Chip(image=image, labels=labels, valid=valid)

    def _block(self, window: Window) -> Chip:
        key = (self._number, window.row, window.col)
        block = self._cache.get(key)
        if block is None:
            patch = self._scene.read(window)
            labels = np.where(patch.valid, self._labels.read(window), np.uint8(IGNORED))
            block = Chip(image=patch.image, labels=labels, valid=patch.valid)
            self._cache.put(key, block)
        return block


def open_labelled_scenes(
    pairs: Sequence[ScenePair], *, classes: ClassMap, cache_bytes: int
) -> tuple[LabelledScene, ...]:
    """Open scenes with their labels; they share one cache and must be read from one thread.

    Raises:
        SceneError: if a file cannot be opened or lacks a band.
        LabelError: if labels do not fit their scene or the legend.
    """
    if not pairs:
        raise LabelError("no labelled scene to learn from: give at least one")
    cache = BlockCache(cache_bytes)
    with ExitStack() as opened_so_far:
        opened = [
            opened_so_far.enter_context(_open_pair(pair, classes, cache, number)) for number, pair in enumerate(pairs)
        ]
        opened_so_far.pop_all()
    return tuple(opened)


def _open_pair(pair: ScenePair, classes: ClassMap, cache: BlockCache, number: int) -> LabelledScene:
    scene = open_scene(pair.scene, bands=pair.bands)
    try:
        labels = LabelRaster(pair.labels, scene=scene.georef, classes=classes, label_map=pair.label_map)
    except GeosegError:
        scene.close()
        raise
    return LabelledScene(scene, labels, cache=cache, number=number)


def _blocks_under(window: Window, scene: Window) -> Iterator[Window]:
    """Squares of the scene with pixels of a window, row by row."""
    for row in range(window.row // _BLOCK * _BLOCK, window.bottom, _BLOCK):
        for col in range(window.col // _BLOCK * _BLOCK, window.right, _BLOCK):
            yield Window.between(row, min(row + _BLOCK, scene.bottom), col, min(col + _BLOCK, scene.right))


def _bytes(block: Chip) -> int:
    return block.image.nbytes + block.labels.nbytes + block.valid.nbytes
