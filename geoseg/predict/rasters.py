"""From the blocks of a scene to its raster layers: compute those that are not there, put all of them together."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from geoseg.config.predict import PredictSettings
from geoseg.inference.decide import Decision, DecisionRule
from geoseg.memory import give_back
from geoseg.predict.account import Account
from geoseg.predict.engine_facts import engine_facts
from geoseg.predict.engines import choice_of
from geoseg.predict.identity import identity_of
from geoseg.predict.journal import Journal, window_at
from geoseg.predict.layers import BlockMaker, FinishedBlock, layouts_of, rows_of
from geoseg.predict.memory_bound import Sizing
from geoseg.predict.plan import PredictPlan
from geoseg.predict.resume import SceneState, drop_changed
from geoseg.predict.tally import ClassTotal, totals_of
from geoseg.predict.task import BlockTask
from geoseg.predict.work import Meter
from geoseg.raster.cog import BlockFile, make_cog
from geoseg.raster.layout import RasterLayout
from geoseg.schedule import run_blocks, stream_blocks
from geoseg.tiling.blocks import split_into_blocks
from geoseg.window import Window

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeRasters:
    """What became of a scene."""

    totals: tuple[ClassTotal, ...]
    """What each class covers, in the order of the legend."""

    lost: int
    """Pixels of the scene that could not be read and are nodata."""

    digest: str
    """Of the pixels that the blocks were made from; the same for the same pixels and blocks."""

    tiles: int
    """Of the lattice, that touch the map."""


def write_rasters(
    plan: PredictPlan,
    settings: PredictSettings,
    sizing: Sizing,
    paths: Mapping[str, Path],
    journal: Journal,
    account: Account,
) -> MadeRasters:
    """Make the raster layers of a scene; blocks of an earlier run that still hold are not computed again.

    Args:
        plan: scene and model.
        settings: of the prediction.
        sizing: of its blocks.
        paths: where to write `classes`, `confidence` and, where wanted, `probabilities`.
        journal: takes every block as it is finished.
        account: told what is done.

    Raises:
        SceneError: if the scene cannot be read, or is changed meanwhile.
        OutputError: if the layers cannot be written.
        ConfigError: if a cluster cannot be made or is lost.
    """
    task = task_of(plan, settings)
    state = SceneState.now(plan.source)
    blocks = _taken_up(journal, task, settings, sizing, state)
    missing = [block for block in blocks if block not in journal.kept]
    tiles = task.tiles_under(task.output.window)
    account.planned(blocks, journal.kept, **_told(task, settings), tiles=tiles)
    done = _Rows(sum(block.height for block in blocks), account)
    done(sum(block.height for block in blocks if block in journal.kept))

    def keep(block: FinishedBlock) -> None:
        started = time.perf_counter()
        journal.keep(block, state.stamp)
        account.block(block, time.perf_counter() - started)

    with account.stage("map"):
        _compute(task, settings, missing, keep, done)
    state.refuse_change(plan.source)
    give_back()
    with account.stage("cogs"):
        _join(plan, journal, paths)
    return MadeRasters(
        totals=totals_of((record.tally for record in journal.kept.values()), plan.card.classes, plan.output),
        lost=_lost_pixels(journal),
        digest=_digest(journal),
        tiles=tiles,
    )


def _compute(
    task: BlockTask,
    settings: PredictSettings,
    missing: Sequence[Window],
    keep: Callable[[FinishedBlock], None],
    done: _Rows,
) -> None:
    """Compute blocks here or elsewhere; each is kept and its rows are done."""
    if settings.computes_here:
        with ExitStack() as stack:
            stream = _Stream(task, missing, keep, done, stack)
            stream_blocks(stream.parts, stream.take, stream.runs)
    elif missing:

        def keep_and_tell(block: FinishedBlock) -> None:
            keep(block)
            done(block.window.height)

        run_blocks(
            task,
            keep_and_tell,
            missing,
            workers=settings.workers,
            scheduler=settings.scheduler,
            cluster=settings.cluster,
        )


def _told(task: BlockTask, settings: PredictSettings) -> dict[str, object]:
    """What an event says of how blocks are made."""
    elsewhere = settings.scheduler is not None or settings.cluster is not None
    size = {"height": task.output.height, "width": task.output.width}
    return size | engine_facts(task.engine, task.grid, elsewhere=elsewhere)


def task_of(plan: PredictPlan, settings: PredictSettings) -> BlockTask:
    """How the blocks of a map are made.

    Args:
        plan: scene and model.
        settings: of the prediction; they name the engine.
    """
    return BlockTask(
        source=plan.source,
        engine=choice_of(plan, settings),
        rule=DecisionRule(
            classes=plan.card.classes,
            with_probabilities=settings.probabilities or settings.needs_probabilities,
            thresholds=plan.thresholds,
        ),
        grid=plan.grid,
        output=plan.output,
        factor=plan.factor,
        regrids=plan.regrids,
        batch_size=settings.batch_size,
        tolerant=settings.on_error == "nodata",
        area=plan.area,
        corner=plan.corner,
    )


def _taken_up(
    journal: Journal, task: BlockTask, settings: PredictSettings, sizing: Sizing, state: SceneState
) -> list[Window]:
    """All blocks of a map, after the journal has dropped what does not hold."""
    elsewhere = settings.scheduler is not None or settings.cluster is not None
    rows = journal.begin(
        identity_of(task, elsewhere=elsewhere),
        block_rows=sizing.rows,
        may_vary=settings.block_rows is None,
        restart=settings.restart,
    )
    blocks = list(split_into_blocks(task.output.window, rows=rows, cuts=sizing.cuts))
    for window in set(journal.kept) - set(blocks):
        journal.drop(window)
    changed = drop_changed(journal, task, state)
    if journal.kept or changed:
        other = f", {changed} others are of pixels that have changed" if changed else ""
        log.info("%s: resumed: %d of %d blocks were there%s", task.source.path, len(journal.kept), len(blocks), other)
    return blocks


class _Rows:
    """Counts the rows that are done."""

    def __init__(self, total: int, account: Account) -> None:
        self._total, self._account, self._done = total, account, 0

    def __call__(self, rows: int) -> None:
        self._done += rows
        if rows:
            self._account.progress("predict", self._done, self._total)


class _Stream:
    """Blocks computed here: those on top of each other in one go, so that no tile is computed twice."""

    def __init__(
        self,
        task: BlockTask,
        blocks: Sequence[Window],
        keep: Callable[[FinishedBlock], None],
        done: Callable[[int], None],
        stack: ExitStack,
    ) -> None:
        self._task, self._keep, self._done, self._stack = task, keep, done, stack
        self._coming = deque(sorted(blocks, key=lambda block: (block.col, block.row)))
        self._meters: dict[Window, Meter] = {}
        self.runs = list(_on_top_of_each_other(self._coming))
        self._maker: BlockMaker | None = None

    def parts(self, run: Window) -> Iterator[Decision]:
        """Compute blocks on top of each other."""
        self._meters[run] = Meter()
        yield from self._task.parts(run, self._meters[run])

    def take(self, part: Decision) -> None:
        """Give the rows of a part to their blocks."""
        top = part.window.row
        while top < part.window.bottom:
            block = self._coming[0]
            if self._maker is None:
                self._maker = self._stack.enter_context(self._task.maker(block))
            bottom = min(block.bottom, part.window.bottom)
            run = next(run for run in list(self._meters) if block.intersect(run) == block)
            with self._meters[run].spent("write"):
                self._maker.add(rows_of(part, top, bottom))
            if bottom == block.bottom:
                self._finish(self._coming.popleft(), run, self._maker)
            self._done(bottom - top)
            top = bottom

    def _finish(self, block: Window, run: Window, maker: BlockMaker) -> None:
        self._keep(self._task.finished(maker, block, self._meters[run]))
        self._stack.pop_all().close()
        self._maker = None
        if block.bottom == run.bottom:
            del self._meters[run]
        else:
            below = replace(block, row=block.bottom, height=1)
            self._meters[run].watch.forget(min(window.row for window in self._task.seen(below)))


def _on_top_of_each_other(blocks: Sequence[Window]) -> Iterator[Window]:
    """Windows of blocks that continue one another, of those that are sorted by columns."""
    run: Window | None = None
    for block in blocks:
        if run is not None and (block.row, block.col) == (run.bottom, run.col):
            run = Window.between(run.row, block.bottom, run.col, run.right)
            continue
        if run is not None:
            yield run
        run = block
    if run is not None:
        yield run


def _join(plan: PredictPlan, journal: Journal, paths: Mapping[str, Path]) -> None:
    """Make the COGs of all layers side by side.

    Raises:
        OutputError: if one cannot be written.
    """
    layouts = layouts_of(plan.card.classes, with_probabilities="probabilities" in paths)

    def make(layer: str, layout: RasterLayout) -> None:
        files = {
            window: BlockFile(path=journal.file_of(window, layer), crc=record.layers[layer].file_crc)
            for window, record in journal.kept.items()
        }
        make_cog(paths[layer], plan.output, layout, files)

    with ThreadPoolExecutor(len(layouts), thread_name_prefix="geoseg-cog") as pool:
        for making in [pool.submit(make, layer, layout) for layer, layout in layouts.items()]:
            making.result()


def _digest(journal: Journal) -> str:
    """Of what all blocks were made from."""
    parts = sorted((record.place, record.digest) for record in journal.kept.values())
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _lost_pixels(journal: Journal) -> int:
    lost = {place for record in journal.kept.values() for place in record.lost}
    return sum(window_at(place).height * window_at(place).width for place in lost)
