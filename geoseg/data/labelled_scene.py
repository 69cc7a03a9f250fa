"""Scenes with labels, read by random windows without decoding a storage block each time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np

from geoseg.data.chips import IGNORED, Chip
from geoseg.data.labels import Labels, LabelSource, open_labels
from geoseg.errors import GeosegError, LabelError
from geoseg.georef import GeoRef
from geoseg.raster.patch import SceneReader
from geoseg.raster.scene import Access, open_scene
from geoseg.window import Window

_BLOCK = 512


_MOST_OPEN = 64
"""Pairs of files that are open at a time, however many scenes there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenePair:
    """A scene and its labels on disk."""

    scene: Path
    """Any raster GDAL opens."""

    labels: LabelSource
    """What is known of it."""

    bands: tuple[str, ...]
    """Names or numbers of the scene's bands to read."""

    access: Access | None = None
    """What of the scene is masked, and what it may reach."""


class OpenScene(SceneReader, Protocol):
    """A scene that can be closed."""

    def close(self) -> None:
        """Close its file; closing twice is fine."""


class OpenPair:
    """An open scene with its open labels."""

    def __init__(self, scene: OpenScene, labels: Labels) -> None:
        self.scene = scene
        self.labels = labels

    def close(self) -> None:
        """Close both."""
        self.labels.close()
        self.scene.close()


class OpenPairs:
    """The pairs that are open, least recently used closed first."""

    def __init__(self, most: int = _MOST_OPEN) -> None:
        self.lock = Lock()
        """Held while any of them is read."""
        self._most = most
        self._open: OrderedDict[int, OpenPair] = OrderedDict()

    def get(self, number: int, opener: Callable[[], OpenPair]) -> OpenPair:
        """The pair of a number, opened if need be; it becomes the most recently used one."""
        pair = self._open.pop(number, None) or opener()
        self._open[number] = pair
        while len(self._open) > self._most:
            self._open.popitem(last=False)[1].close()
        return pair

    def close(self, number: int) -> None:
        """Close the pair of a number, if it is open."""
        pair = self._open.pop(number, None)
        if pair is not None:
            pair.close()


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
    """A scene with its labels. May be read from several threads; they wait for one another."""

    def __init__(
        self, opener: Callable[[], OpenPair], *, pairs: OpenPairs, cache: BlockCache, number: int, name: str = ""
    ) -> None:
        """Open a scene and its labels once, to see what they are.

        Args:
            opener: opens both; called again when they have been closed to make room for others.
            pairs: the open files of all scenes of one reader.
            cache: shared by them too.
            number: of this scene in both.
            name: to call it by in messages.

        Raises:
            GeosegError: if either cannot be opened, or the two do not fit.
        """
        self.opener = opener
        """Opens both files."""
        self._pairs = pairs
        self._cache = cache
        self._number = number
        self.name = name
        """What it is called in messages."""
        scene = pairs.get(number, opener).scene
        self.georef: GeoRef = scene.georef
        """The grid of both."""
        self.dtype: str = scene.dtype
        """Name of the dtype of the image."""
        self._bands = len(scene.bands)

    def close(self) -> None:
        """Close both files; a later read opens them again."""
        with self._pairs.lock:
            self._pairs.close(self._number)

    def read(self, window: Window, *, within: Window | None = None) -> Chip:
        """The chip of a window that may leave the scene.

        Args:
            window: in scene pixels.
            within: what is outside of it counts as outside the scene; None takes the whole scene.
        """
        image = np.zeros((self._bands, *window.shape), dtype=self.dtype)
        labels = np.full(window.shape, IGNORED, dtype=np.uint8)
        valid = np.zeros(window.shape, dtype=np.bool_)
        scene_window = self.georef.window
        allowed = scene_window if within is None else scene_window.intersect(within)
        inside = None if allowed is None else window.intersect(allowed)
        for block in () if inside is None else _blocks_under(inside, scene_window):
            with self._pairs.lock:
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
            pair = self._pairs.get(self._number, self.opener)
            patch = pair.scene.read(window)
            labels = np.where(patch.valid, pair.labels.read(window), np.uint8(IGNORED))
            block = Chip(image=patch.image, labels=labels, valid=patch.valid)
            self._cache.put(key, block)
        return block


def open_labelled_scenes(pairs: Sequence[ScenePair], *, cache_bytes: int) -> tuple[LabelledScene, ...]:
    """Open scenes with their labels; they share one cache.

    Raises:
        SceneError: if a file cannot be opened or lacks a band.
        LabelError: if labels do not fit their scene or their label map.
    """
    if not pairs:
        raise LabelError("no labelled scene to learn from: give at least one")
    cache, open_pairs = BlockCache(cache_bytes), OpenPairs()
    opened: list[LabelledScene] = []
    try:
        for number, pair in enumerate(pairs):
            opener = _opener(pair)
            scene = LabelledScene(opener, pairs=open_pairs, cache=cache, number=number, name=str(pair.scene))
            opened.append(scene)
    except GeosegError:
        for scene in opened:
            scene.close()
        raise
    return tuple(opened)


def reopen_scenes(scenes: Sequence[LabelledScene], *, cache_bytes: int) -> tuple[LabelledScene, ...]:
    """The same scenes with files and a cache of their own, so that reading one does not wait for the other.

    Raises:
        GeosegError: if a file cannot be opened any more.
    """
    cache, open_pairs = BlockCache(cache_bytes), OpenPairs()
    return tuple(
        LabelledScene(scene.opener, pairs=open_pairs, cache=cache, number=number, name=scene.name)
        for number, scene in enumerate(scenes)
    )


def _opener(pair: ScenePair) -> Callable[[], OpenPair]:
    def opened() -> OpenPair:
        scene = open_scene(pair.scene, bands=pair.bands, access=pair.access)
        try:
            return OpenPair(scene, open_labels(pair.labels, scene.georef))
        except GeosegError:
            scene.close()
            raise

    return opened


def _blocks_under(window: Window, scene: Window) -> Iterator[Window]:
    """Squares of the scene with pixels of a window, row by row."""
    for row in range(window.row // _BLOCK * _BLOCK, window.bottom, _BLOCK):
        for col in range(window.col // _BLOCK * _BLOCK, window.right, _BLOCK):
            yield Window.between(row, min(row + _BLOCK, scene.bottom), col, min(col + _BLOCK, scene.right))


def _bytes(block: Chip) -> int:
    return block.image.nbytes + block.labels.nbytes + block.valid.nbytes
