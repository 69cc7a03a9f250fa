"""The folder of a training run: settings, environment, metrics, the last state and the best package."""

from __future__ import annotations

import csv
import io
import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
import yaml
from matplotlib.figure import Figure

from geoseg.errors import ModelError, OutputError
from geoseg.training.loop import TrainerState

_STATE_KEYS = TrainerState.__required_keys__
_DPI = 110


class RunDirectory:
    """Where a run keeps what it writes. Files get their names when they are whole."""

    def __init__(self, folder: Path, *, resume: bool) -> None:
        """Make the folder, or take up an old one.

        Raises:
            OutputError: if the folder holds a run and `resume` is off, holds none and it is on, or cannot be made.
        """
        self._folder = folder
        started = self._state.exists() or self._metrics.exists()
        if started and not resume:
            raise OutputError(f"{folder}: holds a training run already: pass --resume or choose another folder")
        if resume and not self._state.exists():
            raise OutputError(f"{folder}: holds no state to resume from: start without --resume")
        try:
            self._state.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error

    @property
    def best(self) -> Path:
        """The package with the best weights so far."""
        return self._folder / "best"

    @property
    def events(self) -> Path:
        """The folder that TensorBoard reads."""
        return self._folder / "tensorboard"

    @property
    def _state(self) -> Path:
        return self._folder / "last" / "state.pt"

    @property
    def _metrics(self) -> Path:
        return self._folder / "metrics.jsonl"

    @property
    def split_layer(self) -> Path:
        """Which ground is for what, as a GeoPackage."""
        return self._folder / "split.gpkg"

    def describe(self, settings: Mapping[str, object], environment: Mapping[str, object]) -> None:
        """Write config.yaml, from which the same run can be started again, and environment.json."""
        text = yaml.safe_dump(_plain(settings), sort_keys=False, allow_unicode=True)
        _write(self._folder / "config.yaml", text.encode())
        _write(self._folder / "environment.json", json.dumps(dict(environment), indent=2).encode())

    def log(self, record: Mapping[str, object]) -> None:
        """Add a line to metrics.jsonl."""
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(record)) + "\n")

    def metrics(self) -> tuple[dict[str, object], ...]:
        """The lines of metrics.jsonl so far, without one that a killed process left half-written."""
        if not self._metrics.exists():
            return ()
        whole, _, _ = self._metrics.read_text(encoding="utf-8").rpartition("\n")
        return tuple(json.loads(line) for line in whole.splitlines())

    def forget_after(self, iteration: int) -> None:
        """Drop the lines of steps that will be done again."""
        kept = [record for record in self.metrics() if cast("int", record["iteration"]) <= iteration]
        _write(self._metrics, "".join(json.dumps(record) + "\n" for record in kept).encode())

    def save_state(self, state: TrainerState) -> None:
        """Replace the last state.

        Raises:
            OutputError: if it cannot be written.
        """
        hidden = self._state.with_suffix(".part")
        try:
            torch.save(state, hidden)
            hidden.replace(self._state)
        except (OSError, RuntimeError) as error:
            raise OutputError(f"{self._state}: cannot be written, is the disk full? {error}") from error

    def load_state(self) -> TrainerState:
        """The last state.

        Raises:
            ModelError: if it is damaged or another version of geoseg wrote it.
        """
        try:
            state = torch.load(self._state, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError, OSError) as error:
            raise ModelError(f"{self._state}: is damaged, start again without --resume: {error}") from error
        absent = sorted(_STATE_KEYS - set(state))
        if absent:
            raise ModelError(f"{self._state}: has no {absent[0]}, another version wrote it: start a new run")
        return cast("TrainerState", state)

    def write_table(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        """Write rows, the first of them the names of the columns, as CSV; None is an empty cell."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        _write(self._folder / name, text.getvalue().encode())

    def draw(self, name: str, figure: Figure) -> None:
        """Write a figure as PNG."""
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=_DPI)
        _write(self._folder / name, image.getvalue())


def _plain(value: object) -> object:
    """Settings as YAML has them; keys stay what they are, as whole numbers and words differ in a label map."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def _write(path: Path, data: bytes) -> None:
    hidden = path.with_name(f".{path.name}.part")
    hidden.write_bytes(data)
    hidden.replace(path)
