"""Which ground is learnt from and which is held out: squares of a scene with a buffer between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geoseg.data.stratify import stratified_splits
from geoseg.errors import LabelError
from geoseg.georef import GeoRef
from geoseg.window import Window

Split = Literal["train", "val", "test"]
"""Learnt from, chosen by, or only scored."""

SPLITS: tuple[Split, ...] = ("train", "val", "test")

CountLabels = Callable[[Window], NDArray[np.int64]]
"""Pixels of each label code in a window, shape (codes,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitWindow:
    """A rectangle of a scene and what it is for."""

    window: Window
    """In scene pixels."""

    split: Split
    """What its pixels are for."""


def split_by_blocks(
    georef: GeoRef,
    *,
    block_metres: float,
    buffer_metres: float,
    shares: tuple[float, float],
    seed: int,
    count: CountLabels | None = None,
) -> tuple[SplitWindow, ...]:
    """Split one scene into squares; near pixels look alike, so squares are kept apart by a buffer.

    Held-out squares lose half the buffer on each side that meets another square, and so do the others: any two pixels
    of different splits are at least the buffer apart.

    Args:
        georef: the scene's grid, with a CRS.
        block_metres: side of a square on the ground.
        buffer_metres: least distance on the ground between pixels of two squares.
        shares: for validation and for test; at least one square each where above 0.
        seed: of the draw.
        count: counts the labels of a square. With it the shares are those of the labelled pixels of every code, as
            near as squares allow, and a square without labels is never held out; without it squares are drawn at
            random, and the shares are those of their number.

    Raises:
        LabelError: without a CRS, if the buffer leaves nothing of a square, or there are too few squares.
    """
    windows = _squares(georef, block_metres, buffer_metres)
    counts = None if count is None else np.array([count(window) for window in windows])
    labelled = np.arange(len(windows)) if counts is None else np.flatnonzero(counts.any(axis=1))
    held_out = [max(1, round(share * len(labelled))) if share > 0 else 0 for share in shares]
    if sum(held_out) >= max(1, len(labelled)):
        kind = "blocks" if counts is None else "blocks with labels"
        raise LabelError(
            f"{len(labelled)} {kind} of {block_metres:g} m are too few for {sum(held_out)} held out and one to learn "
            "from: make the blocks smaller"
        )
    rng = np.random.default_rng(seed)
    places = np.zeros(len(windows), dtype=np.intp)
    if counts is None:
        places[rng.permutation(len(windows))[: sum(held_out)]] = np.repeat([1, 2], held_out)
    else:
        places[labelled] = stratified_splits(counts[labelled], (1 - sum(shares), *shares), rng)
    return tuple(
        SplitWindow(window=window, split=SPLITS[place]) for window, place in zip(windows, places.tolist(), strict=True)
    )


def _squares(georef: GeoRef, block_metres: float, buffer_metres: float) -> list[Window]:
    """The squares of a scene without their buffers, row by row."""
    gsd = georef.gsd
    if gsd is None:
        raise LabelError("a scene without a CRS has no distances to split by: assign a CRS or split by scene")
    side, half_buffer = max(1, round(block_metres / gsd)), math.ceil(buffer_metres / gsd / 2)
    if side <= 2 * half_buffer:
        raise LabelError(
            f"blocks of {block_metres:g} m leave nothing inside a buffer of {buffer_metres:g} m: enlarge them"
        )
    scene = georef.window
    rows = [(top, min(top + side, scene.bottom)) for top in range(0, scene.bottom, side)]
    cols = [(left, min(left + side, scene.right)) for left in range(0, scene.right, side)]
    shrunk = [
        (
            top + half_buffer * (top > 0),
            bottom - half_buffer * (bottom < scene.bottom),
            left + half_buffer * (left > 0),
            right - half_buffer * (right < scene.right),
        )
        for top, bottom in rows
        for left, right in cols
    ]
    return [Window.between(*edges) for edges in shrunk if edges[0] < edges[1] and edges[2] < edges[3]]
