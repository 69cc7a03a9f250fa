"""Chooses blocks and threads so that a run keeps within a bound of memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from geoseg.config.predict import PredictSettings
from geoseg.errors import ConfigError
from geoseg.predict.estimate import Estimate, Shape, block_bytes, estimate
from geoseg.predict.plan import PredictPlan
from geoseg.predict.rehearsal import Rehearsal, rehearsal_of
from geoseg.raster.storage import storage_cols
from geoseg.tiling.blocks import MAX_BLOCK_WIDTH, column_cuts, default_block_rows, split_into_blocks
from geoseg.window import Window

log = logging.getLogger(__name__)

_USUAL_BYTES = 384 * 2**20
_NARROWEST = 8192  # columns of a block where nobody asks for less memory: more is done twice in narrower ones
_WIDEST = 32_768  # of a scene that stores rows whole: each block would decode all of them
_BLOCK_PIXELS = 4 * 2**20  # of a block that this process computes: a few seconds
_STORED = 512
_ALIGNED = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """How a scene is cut into blocks, and how many tiles are computed at a time."""

    rows: int
    """Of a block, px."""

    cuts: tuple[int, ...]
    """Columns before which blocks end, on the grid of the outputs."""

    threads: int | None = None
    """Tiles computed at a time; None = as many as torch would."""

    def blocks(self, output: Window) -> tuple[Window, ...]:
        """The blocks."""
        return tuple(split_into_blocks(output, rows=self.rows, cuts=self.cuts))


def sizing_of(plan: PredictPlan, settings: PredictSettings) -> Sizing:
    """How the blocks of a run lie.

    Where `--max-memory` is given: as wide as it allows, and as many tiles at a time.

    Raises:
        ConfigError: if not even the smallest blocks and one tile at a time keep within the bound.
        SceneError: if the scene cannot be read.
    """
    if settings.max_memory is None:
        return _of_width(plan, settings, usual_width(Shape.of(plan, settings)))
    least = None
    for sizing, needs in _by_size(plan, settings):
        if needs.memory <= settings.max_memory:
            return sizing
        least = needs.memory if least is None else min(least, needs.memory)
    raise ConfigError(
        f"{plan.source.path}: does not fit into --max-memory {shown_bytes(settings.max_memory)}: it needs at least "
        f"{shown_bytes(least or 0)}; give that much, or a smaller --tile{' or --no-vector' if settings.vector else ''}"
    )


def estimate_of(plan: PredictPlan, settings: PredictSettings, *, anew: bool = False) -> tuple[Estimate, Rehearsal]:
    """What a run will need, with blocks as it cuts them; measures what was never measured.

    Args:
        plan: scene and model.
        settings: of the run.
        anew: measure again in any case.

    Raises:
        ConfigError: if `--max-memory` cannot be kept, or nothing can be measured.
        SceneError: if the scene cannot be read.
    """
    rehearsal = rehearsal_of(plan, settings, anew=anew)
    sizing = sizing_of(plan, settings)
    if sizing.threads is not None:
        rehearsal = rehearsal_of(plan, settings, threads=sizing.threads)
    return estimate(plan, settings, rehearsal, sizing.blocks(plan.output.window)), rehearsal


def usual_width(shape: Shape) -> int:
    """Columns of a block where nobody asks: so many that they need a few hundred megabytes, 8192 to 11264."""
    per_column = (block_bytes(shape, 2 * _NARROWEST) - block_bytes(shape, _NARROWEST)) / _NARROWEST
    wide = int(_USUAL_BYTES / max(per_column, 1))
    return min(max(wide, _NARROWEST), MAX_BLOCK_WIDTH)


def shown_bytes(count: int) -> str:
    """A size for people: 1.5 GB."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{-(-count // 10**6)} MB"  # noqa: PLR2004 - a gigabyte


def _by_size(plan: PredictPlan, settings: PredictSettings) -> Iterator[tuple[Sizing, Estimate]]:
    """What may be chosen, from the quickest to the smallest."""
    rehearsal: Rehearsal | None = None
    while rehearsal is None or rehearsal.threads > 1:
        threads = None if rehearsal is None else rehearsal.threads // 2
        rehearsal = rehearsal_of(plan, settings, threads=threads)
        width, before = min(MAX_BLOCK_WIDTH, plan.output.width), None
        while width >= 2 * plan.grid.tile or before is None:
            sizing = _of_width(plan, settings, width, threads)
            if sizing.cuts != before:
                yield sizing, estimate(plan, settings, rehearsal, sizing.blocks(plan.output.window))
            before, width = sizing.cuts, width // 2


def _of_width(plan: PredictPlan, settings: PredictSettings, most: int, threads: int | None = None) -> Sizing:
    cuts = _cuts(plan, most)
    widest = max(right - left for left, right in zip((0, *cuts), (*cuts, plan.output.width), strict=True))
    here = max(1, _BLOCK_PIXELS // (widest * _STORED)) * _STORED
    rows = settings.block_rows or (here if settings.computes_here else default_block_rows(plan.grid))
    return Sizing(rows=rows, cuts=cuts, threads=threads)


def _cuts(plan: PredictPlan, most: int) -> tuple[int, ...]:
    """On the grid of the outputs. Where that is not the model's, cuts are evenly spaced."""
    down, across = plan.corner
    width = plan.output.width
    if width <= most:
        return ()
    if plan.regrids:
        count = -(-width // most)
        return tuple(width * number // count // _ALIGNED * _ALIGNED for number in range(1, count))
    stored = max(1, round(storage_cols(plan.source) / plan.factor))
    if stored >= plan.grid.width and width <= _WIDEST and most >= _NARROWEST:
        return ()
    placed = Window(row=down, col=across, height=plan.output.height, width=width)
    return tuple(cut - across for cut in column_cuts(plan.grid, placed, storage_cols=stored, most=most))
