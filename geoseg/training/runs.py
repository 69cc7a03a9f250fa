"""The folder of a training run: settings, environment, metrics, the last state and the best package."""

from __future__ import annotations

import json
import os
import pickle
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

import torch
import yaml
from matplotlib.figure import Figure

from geoseg.errors import ModelError, OutputError
from geoseg.training.loop import TrainerState

_PACKAGES = ("geoseg", "torch", "segmentation-models-pytorch", "timm", "numpy", "rasterio")


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
    def _state(self) -> Path:
        return self._folder / "last" / "state.pt"

    @property
    def _metrics(self) -> Path:
        return self._folder / "metrics.jsonl"

    def describe(self, settings: Mapping[str, object], environment: Mapping[str, object]) -> None:
        """Write config.yaml and environment.json."""
        text = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)
        _write(self._folder / "config.yaml", text.encode())
        _write(self._folder / "environment.json", json.dumps(dict(environment), indent=2).encode())

    def log(self, record: Mapping[str, object]) -> None:
        """Add a line to metrics.jsonl."""
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(record)) + "\n")

    def metrics(self) -> tuple[dict[str, object], ...]:
        """The lines of metrics.jsonl so far."""
        if not self._metrics.exists():
            return ()
        return tuple(json.loads(line) for line in self._metrics.read_text(encoding="utf-8").splitlines())

    def forget_after(self, iteration: int) -> None:
        """Drop the lines of steps that will be done again."""
        kept = [record for record in self.metrics() if cast("int", record["iteration"]) <= iteration]
        _write(self._metrics, "".join(json.dumps(record) + "\n" for record in kept).encode())

    def save_state(self, state: TrainerState) -> None:
        """Replace the last state."""
        hidden = self._state.with_suffix(".part")
        torch.save(state, hidden)
        hidden.replace(self._state)

    def load_state(self) -> TrainerState:
        """The last state.

        Raises:
            ModelError: if it is damaged.
        """
        try:
            return cast("TrainerState", torch.load(self._state, map_location="cpu", weights_only=True))
        except (RuntimeError, EOFError, pickle.UnpicklingError, OSError) as error:
            raise ModelError(f"{self._state}: is damaged, start again without --resume: {error}") from error

    def draw_curve(self) -> None:
        """Write curve.png: loss and mean IoU by iteration."""
        records = self.metrics()
        figure = Figure(figsize=(7, 4), layout="constrained")
        left = figure.add_subplot()
        right = left.twinx()
        left.plot(*_series(records, "loss"), color="#7f7f7f", linewidth=0.8)
        right.plot(*_series(records, "val_mean_iou"), color="#1b7837", marker="o", markersize=3)
        left.set(xlabel="iteration", ylabel="training loss")
        right.set(ylabel="validation mean IoU", ylim=(0, 1))
        figure.savefig(self._folder / "curve.png", dpi=110)


def describe_environment(device: torch.device, *, bf16: bool) -> dict[str, object]:
    """Versions and hardware that a result depends on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "bf16": bf16,
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _series(records: Sequence[Mapping[str, object]], key: str) -> tuple[list[float], list[float]]:
    found = [(record["iteration"], record[key]) for record in records if record.get(key) is not None]
    return [float(cast("int", at)) for at, _ in found], [float(cast("float", value)) for _, value in found]


def _write(path: Path, data: bytes) -> None:
    hidden = path.with_name(f".{path.name}.part")
    hidden.write_bytes(data)
    hidden.replace(path)
