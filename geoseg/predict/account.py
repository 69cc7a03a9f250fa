"""What a run has done so far: told as events while it goes on, and summed for the record of the run.

Nothing here decides about a map; blocks and layers are the same whether anybody listens or not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import geoseg
from geoseg.config.predict import Progress
from geoseg.errors import GeosegError, one_line
from geoseg.events import Told, rounded
from geoseg.memory import peak_bytes
from geoseg.predict.layers import FinishedBlock
from geoseg.predict.work import BlockWork
from geoseg.window import Window

Stage = Literal["plan", "map", "cogs", "polygons", "item"]
"""Parts of a run, in their order: see docs/observability.md."""

_MEGA = 1e6


class Account:
    """What happens in one run. A context manager: a run that ends by an error or an interrupt tells that it failed."""

    def __init__(self, scene: str, progress: Progress | None = None) -> None:
        """Begin the account of a run.

        Args:
            scene: what is mapped, as the user calls it.
            progress: told what is being done, how much of it is done, and how much there is.
        """
        self.told = Told(scene=scene)
        self.started = datetime.now(UTC)
        self.seconds: dict[str, float] = {}
        self.blocks: dict[Window, int] = {}
        self.resumed = 0
        self.computed = 0
        self.made_pixels = 0
        self.work = BlockWork()
        self.workers: set[str] = set()
        self._begin = time.monotonic()
        self._progress = progress
        self._is_over = False

    def __enter__(self) -> Self:
        self.told("started", geoseg=geoseg.__version__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not self._is_over:
            self.told(
                "failed",
                reason=_reason(error),
                error=one_line(str(error)) or None,
                blocks_done=self.computed + self.resumed,
                took=round(self.elapsed, 3),
            )

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._begin

    def progress(self, stage: str, done: int, total: int) -> None:
        """Tell how much of something is done."""
        if self._progress is not None:
            self._progress(stage, done, total)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Measure a part of the run."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    def planned(self, blocks: Sequence[Window], there: Mapping[Window, object], **facts: object) -> None:
        """The blocks are known, and which of them an earlier run has left."""
        self.blocks = {block: number for number, block in enumerate(blocks, start=1)}
        self.resumed = len(there)
        self.told("plan", blocks=len(blocks), resumed=len(there), **facts)
        for block in blocks:
            if block in there:
                self._tell_block(block, resumed=True)

    def block(self, block: FinishedBlock, keeping: float) -> None:
        """A block was computed and kept.

        Args:
            block: what was computed.
            keeping: seconds to keep it.
        """
        work, total = block.work, self.work
        seconds = {name: work.seconds[name] for name in ("read", "network") if name in work.seconds}
        seconds["write"] = work.seconds.get("write", 0.0) + keeping
        self.computed += 1
        self.workers.add(work.worker)
        self.work = BlockWork(
            tiles=total.tiles + work.tiles,
            skipped=total.skipped + work.skipped,
            pixels=total.pixels + work.pixels,
            seconds={**total.seconds, **{key: total.seconds.get(key, 0.0) + seconds[key] for key in seconds}},
            peak=max(total.peak, work.peak),
        )
        window = block.window
        self.made_pixels += window.height * window.width
        self._tell_block(
            window,
            resumed=False,
            tiles=work.tiles,
            skipped=work.skipped,
            mpx_per_s=speed_of(window.height * window.width, work.wall + keeping),
            **rounded({"took": work.wall + keeping, **seconds}),
            worker=work.worker,
            peak_bytes=work.peak,
        )

    def finished(self, outputs: Mapping[str, str], **facts: object) -> None:
        """Tell of the layers, which have their names now, and that all went well."""
        for layer, path in outputs.items():
            self.told("layer", layer=layer, file=path, bytes=Path(path).stat().st_size)
        self._is_over = True
        self.told(
            "finished",
            **facts,
            tiles=self.work.tiles,
            skipped=self.work.skipped,
            blocks_computed=self.computed,
            blocks_resumed=self.resumed,
            mpx_per_s=speed_of(self.made_pixels, self.elapsed),
            peak_bytes=peak_bytes(),
            took=round(self.elapsed, 3),
            stages=rounded(self.seconds),
        )

    def _tell_block(self, block: Window, **facts: object) -> None:
        place = {"row": block.row, "col": block.col, "rows": block.height, "cols": block.width}
        self.told("block", block=self.blocks[block], blocks=len(self.blocks), **place, **facts)


def _reason(error: BaseException) -> str:
    """Why a run ended early, in a word."""
    if isinstance(error, GeosegError):
        return "error"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return "defect" if isinstance(error, Exception) else "ended"


def speed_of(pixels: int, seconds: float) -> float:
    """Megapixels a second; 0 where there was nothing to do."""
    return round(pixels / _MEGA / seconds, 3) if seconds > 0 else 0.0
