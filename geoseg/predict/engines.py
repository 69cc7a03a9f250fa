"""Which engine runs the network, and the one it names."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from pathlib import Path

from geoseg.config.predict import EngineName, Tta
from geoseg.errors import ConfigError
from geoseg.inference.engine import Engine, TorchEngine
from geoseg.inference.openvino_engine import OpenVinoEngine
from geoseg.inference.symmetry import D4Engine
from geoseg.models.device import Precision
from geoseg.models.zoo import load_model

_BUILDING = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """Which engine to use; each process builds it once."""

    model: Path
    """The model package."""

    dtype: str
    """Of the scene's pixels."""

    device: str
    """A torch device, or auto."""

    precision: Precision
    """Of the convolutions, or auto."""

    threads: int
    """Cores to use on a CPU; 0 takes as many as torch would where it runs."""

    engine: EngineName = "torch"
    """What runs the network."""

    tile: int | None = None
    """Side of the tiles to come, px; None = the model's."""

    tta: Tta = "none"
    """d4 averages over the eight turns and mirrorings of each tile."""

    present: tuple[int, ...] | None = None
    """Positions among the model's bands of those that the scene has; None = all."""

    version: str = ""
    """Digest of the package's card, so that a package that was replaced is loaded anew."""


def engine_for(choice: EngineChoice) -> tuple[Engine, int]:
    """The engine of a choice, built once in a process, and how many tiles it computes at a time on a CPU."""
    with _BUILDING:
        return _built(choice)


@functools.lru_cache(maxsize=2)
def _built(choice: EngineChoice) -> tuple[Engine, int]:
    engine = _openvino(choice) if choice.engine == "openvino" else _torch(choice)
    return D4Engine(engine) if choice.tta == "d4" else engine, engine.threads


def _torch(choice: EngineChoice) -> TorchEngine:
    return TorchEngine(
        load_model(choice.model),
        dtype=choice.dtype,
        device=choice.device,
        precision=choice.precision,
        threads=choice.threads,
        present=choice.present,
    )


def _openvino(choice: EngineChoice) -> OpenVinoEngine:
    if choice.device not in {"auto", "cpu"}:
        raise ConfigError(f"engine 'openvino' runs on a CPU, not on device {choice.device!r}: use --device cpu")
    return OpenVinoEngine(
        load_model(choice.model),
        dtype=choice.dtype,
        precision=choice.precision,
        threads=choice.threads,
        present=choice.present,
        tile=choice.tile,
    )
