"""The journal of a run: finished blocks in a hidden folder beside the outputs, so that a run goes on where it ended.

A block is there when its record is: files and record get their names when they are whole, the record last. What
decides whether a block still holds is its contents, never the order of times: see `geoseg.predict.resume`.
"""

from __future__ import annotations

import errno
import logging
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, ValidationError

from geoseg.errors import OutputError
from geoseg.predict.identity import Identity, digest_of
from geoseg.predict.layers import FinishedBlock
from geoseg.predict.lock import FolderLock
from geoseg.raster.staging import make_folders, remove_empty
from geoseg.window import Window

log = logging.getLogger(__name__)

_RUN = "run.json"
_COMMITTING = "committing"
_BLOCKS = "blocks"
_STAGED = "staged"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_Place = tuple[NonNegativeInt, NonNegativeInt, PositiveInt, PositiveInt]


class LayerRecord(BaseModel):
    """One layer of a block."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file_crc: int


class BlockRecord(BaseModel):
    """What is known of a finished block, without its pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    """Digest of the identity of the run."""

    place: _Place
    """Row, column, height and width."""

    layers: dict[str, LayerRecord]
    tally: dict[str, tuple[int, int, float]]

    seen: tuple[_Place, ...]
    """The pixels of the scene that it was made from."""

    digest: str
    """Of them."""

    stamp: str | None
    """What the file system said of the scene then."""

    lost: tuple[_Place, ...]
    """Pixels of the scene that could not be read."""

    @property
    def window(self) -> Window:
        """Where the block lies."""
        return window_at(self.place)


class _RunFacts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: dict[str, str]
    block_rows: PositiveInt


class Journal:
    """The finished blocks of one map. A context manager that holds the lock on the map."""

    def __init__(self, folder: Path, stem: str, *, keep: bool = False) -> None:
        """Name the journal; touches nothing on disk yet.

        Args:
            folder: where the layers of the map end up.
            stem: what their names begin with.
            keep: whether the blocks stay when the map is made.
        """
        self.output, self.stem, self._keep = folder, stem, keep
        self._folder = folder / f".{stem}.geoseg-run"
        self._kept: dict[Window, BlockRecord] = {}
        self._run = ""
        self._made: list[Path] = []
        self._complete = False

    @property
    def blocks(self) -> Path:
        """Where the files of blocks lie."""
        return self._folder / _BLOCKS

    @property
    def staged(self) -> Path:
        """Where outputs grow."""
        return self._folder / _STAGED

    @property
    def kept(self) -> Mapping[Window, BlockRecord]:
        """The blocks that are there, by where they lie."""
        return self._kept

    @property
    def was_committing(self) -> bool:
        """True where an earlier run was killed while it gave the outputs their names: those there are its own."""
        return (self._folder / _COMMITTING).exists()

    def __enter__(self) -> Self:
        """Take the lock, and clear away what an earlier run left half-made.

        Raises:
            OutputError: if another process makes this map, or the folder cannot be written.
        """
        try:
            self._made = make_folders(self.output)
            self._lock = FolderLock(self._folder)
            shutil.rmtree(self.staged, ignore_errors=True)
            self.staged.mkdir()
            self.blocks.mkdir(exist_ok=True)
        except OSError as error:
            remove_empty(self._made)
            raise OutputError(
                f"{self.output}: cannot be written: {error.strerror}; choose another output folder"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep the blocks of a run that ended early, or of one that is to keep them."""
        shutil.rmtree(self.staged, ignore_errors=True)
        stays = bool(self._kept) and (self._keep or not self._complete)
        if not stays:
            shutil.rmtree(self.blocks, ignore_errors=True)
            (self._folder / _RUN).unlink(missing_ok=True)
        if self._complete:
            (self._folder / _COMMITTING).unlink(missing_ok=True)
        self._lock.release()
        if not stays:
            remove_empty([self._folder])
        remove_empty(self._made)
        if error is not None and self._kept:
            log.info("%s: %d blocks are kept: the same command goes on from there", self._folder, len(self._kept))

    def begin(self, identity: Identity, *, block_rows: int, may_vary: bool, restart: bool) -> int:
        """Take up the blocks of an earlier run where they are of the same map, else clear them away and say so.

        Args:
            identity: of the map.
            block_rows: rows of blocks.
            may_vary: whether those of the earlier run do as well.
            restart: take up nothing.

        Returns:
            Rows of blocks to use.

        Raises:
            OutputError: if the folder cannot be written.
        """
        before = self._facts_before()
        if before is not None and may_vary and before.identity == dict(identity):
            block_rows = before.block_rows
        facts = _RunFacts(identity=dict(identity), block_rows=block_rows)
        self._run = digest_of(identity)
        if before == facts and not restart:
            self._kept = {record.window: record for record in self._records()}
            return block_rows
        if before is not None and not restart:
            log.info("%s: an earlier run had another %s: starting anew", self._folder, _difference(before, facts))
        shutil.rmtree(self.blocks, ignore_errors=True)
        self.blocks.mkdir(exist_ok=True)
        self._write(self._folder / _RUN, facts.model_dump_json().encode())
        return block_rows

    def keep(self, block: FinishedBlock, stamp: str | None) -> None:
        """Write a finished block.

        Args:
            block: what was computed.
            stamp: of the scene, from before it was read.

        Raises:
            OutputError: if the disk is full or cannot be written.
        """
        for layer, encoded in block.layers.items():
            self._write(self.file_of(block.window, layer), encoded.data)
        record = BlockRecord(
            run=self._run,
            place=_place(block.window),
            layers={layer: LayerRecord(file_crc=encoded.file_crc) for layer, encoded in block.layers.items()},
            tally=dict(block.tally),
            seen=tuple(map(_place, block.seen)),
            digest=block.digest,
            stamp=stamp,
            lost=tuple(map(_place, block.lost)),
        )
        self.record(record)

    def record(self, record: BlockRecord) -> None:
        """Write the record of a block whose files are there."""
        self._write(self.blocks / f"{_name(record.window)}.json", record.model_dump_json().encode())
        self._kept[record.window] = record

    def drop(self, window: Window) -> None:
        """Forget a block: it is to be computed again."""
        del self._kept[window]
        (self.blocks / f"{_name(window)}.json").unlink(missing_ok=True)

    def file_of(self, window: Window, layer: str) -> Path:
        """Where a layer of a block lies."""
        return self.blocks / f"{_name(window)}.{layer}.tif"

    def committing(self) -> None:
        """From now on outputs get their names."""
        self._write(self._folder / _COMMITTING, b"")

    def complete(self) -> None:
        """The map is made."""
        self._complete = True

    def _facts_before(self) -> _RunFacts | None:
        """Of the run that the folder is of; None where there is none that can be read."""
        try:
            return _RunFacts.model_validate_json((self._folder / _RUN).read_bytes())
        except (OSError, ValidationError):
            return None

    def _records(self) -> list[BlockRecord]:
        """All that are of this run and whose files hold what was written."""
        found = []
        for path in sorted(self.blocks.glob("*.json")):
            try:
                record = BlockRecord.model_validate_json(path.read_bytes())
            except (OSError, ValidationError):
                continue
            if record.run == self._run and path.stem == _name(record.window) and self._is_whole(record):
                found.append(record)
        return found

    def _is_whole(self, record: BlockRecord) -> bool:
        try:
            return all(
                zlib.crc32(self.file_of(record.window, layer).read_bytes()) == facts.file_crc
                for layer, facts in record.layers.items()
            )
        except OSError:
            return False

    def _write(self, path: Path, data: bytes) -> None:
        beside = path.with_name(f"{path.name}.part")
        try:
            beside.write_bytes(data)
            beside.replace(path)
        except OSError as error:
            reason = "the disk is full" if error.errno in _FULL else f"cannot be written: {error.strerror}"
            raise OutputError(
                f"{self.output}: {reason}: free some space or choose another output folder; {len(self._kept)} blocks "
                "are kept, the same command goes on from there"
            ) from error


def _difference(before: _RunFacts, now: _RunFacts) -> str:
    names = {*before.identity, *now.identity}
    changed = sorted(name for name in names if before.identity.get(name) != now.identity.get(name))
    return ", ".join(changed) or "--block-rows"


def window_at(place: _Place) -> Window:
    """A window from its row, column, height and width."""
    row, col, height, width = place
    return Window(row=row, col=col, height=height, width=width)


def _place(window: Window) -> _Place:
    return window.row, window.col, window.height, window.width


def _name(window: Window) -> str:
    return f"{window.row}_{window.col}_{window.height}_{window.width}"
