"""Candidates on disk as they come, so that memory stays bounded and an interrupted run goes on."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from geoseg.adaptation.candidate import Candidate
from geoseg.errors import ModelError, OutputError
from geoseg.raster.curves import BandCurve

log = logging.getLogger(__name__)

_DIGEST = "digest.txt"
_DONE = "done.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A candidate without its weights, which lie in a file."""

    adapter: str
    """As in `Candidate`."""

    label: str
    """As in `Candidate`."""

    curves: tuple[BandCurve, ...]
    """As in `Candidate`."""

    parameters: Mapping[str, float | int | str | bool]
    """As in `Candidate`."""

    seconds: float
    """As in `Candidate`."""

    file: Path
    """Its weights and buffers."""

    def load(self) -> Candidate:
        """The candidate with its weights.

        Raises:
            ModelError: if the file is gone or damaged.
        """
        try:
            state = load_file(self.file)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{self.file}: cannot be read any more: {error}") from error
        return Candidate(
            adapter=self.adapter,
            label=self.label,
            state=state,
            curves=self.curves,
            parameters=self.parameters,
            seconds=self.seconds,
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """What is left of an adapter that is through."""

    candidates: tuple[Stored, ...]
    """In the order they came."""

    error: str | None
    """Why it ended before its last one; None where it did not."""


class CandidateStore:
    """Candidates of one task, adapter by adapter.

    Leaving the `with` block without an error removes them; an error or Ctrl-C keeps those of the adapters that are
    through, and the same task takes them up.
    """

    def __init__(self, output: Path, *, digest: str) -> None:
        """Name the place, a hidden folder beside the output; touches nothing on disk yet.

        Args:
            output: where the result will be.
            digest: of everything that the candidates depend on.
        """
        self._folder = output.parent / f".{output.name}.adapting"
        self._digest = digest

    def __enter__(self) -> Self:
        """Take up what the same task left, or begin.

        Raises:
            OutputError: if the folder cannot be written.
        """
        note = self._folder / _DIGEST
        try:
            if not (note.is_file() and note.read_text(encoding="utf-8") == self._digest):
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder.mkdir(parents=True)
                note.write_text(self._digest, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{self._folder}: cannot be written: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what nobody needs any more."""
        done = len(list(self._folder.glob(f"*/{_DONE}")))
        if kind is None or not done:
            shutil.rmtree(self._folder, ignore_errors=True)
        elif issubclass(kind, KeyboardInterrupt):
            log.warning("stopped after %d adapters: the same command goes on from there", done)

    def ended(self, name: str) -> Ended | None:
        """What an adapter gave in an earlier run of the same task; None where it did not come through."""
        done = self._folder / name / _DONE
        if not done.is_file():
            return None
        found = json.loads(done.read_text(encoding="utf-8"))
        return Ended(tuple(self._stored(name, entry) for entry in found["candidates"]), found["error"])

    def keep(self, name: str, make: Callable[[], Iterator[Candidate]]) -> Iterator[Stored]:
        """Candidates of an adapter as they come, those of an earlier run of the same task where it came through.

        Whoever stops asking before the last one leaves an adapter that is not through.

        Args:
            name: of the adapter's run, unique.
            make: begins it.

        Raises:
            ModelError: of the adapter; it is then through.
            OutputError: if they cannot be written.
        """
        earlier = self.ended(name)
        if earlier is not None:
            yield from earlier.candidates
            if earlier.error is not None:
                raise ModelError(earlier.error)
            return
        shutil.rmtree(self._folder / name, ignore_errors=True)
        (self._folder / name).mkdir()
        entries: list[dict[str, object]] = []
        try:
            for candidate in make():
                entries.append(self._write(name, candidate))
                yield self._stored(name, entries[-1])
        except ModelError as error:
            self._close(name, entries, str(error))
            raise
        self._close(name, entries, None)

    def _write(self, name: str, candidate: Candidate) -> dict[str, object]:
        state = {key: tensor.contiguous() for key, tensor in candidate.state.items()}
        file = self._folder / name / f"{candidate.label}.safetensors"
        try:
            save_file(state, file)
        except (OSError, SafetensorError) as error:
            raise OutputError(f"{file}: cannot be written, is the disk full? {error}") from error
        return {
            "adapter": candidate.adapter,
            "label": candidate.label,
            "curves": [asdict(curve) for curve in candidate.curves],
            "parameters": dict(candidate.parameters),
            "seconds": candidate.seconds,
        }

    def _stored(self, name: str, entry: Mapping[str, object]) -> Stored:
        curves = tuple(
            BandCurve(knots=tuple(curve["knots"]), values=tuple(curve["values"]))
            for curve in entry["curves"]  # type: ignore[attr-defined]
        )
        file = self._folder / name / f"{entry['label']}.safetensors"
        return Stored(**{**entry, "curves": curves, "file": file})  # type: ignore[arg-type]

    def _close(self, name: str, entries: list[dict[str, object]], error: str | None) -> None:
        done = self._folder / name / _DONE
        hidden = done.with_suffix(".part")
        hidden.write_text(json.dumps({"candidates": entries, "error": error}), encoding="utf-8")
        hidden.replace(done)
