"""Which engine runs the network, and the one it names."""

from __future__ import annotations

import functools
import hashlib
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from geoseg.config.predict import EngineName, MapFields, Tta
from geoseg.errors import ConfigError, ModelError
from geoseg.inference.compiled_engine import CompiledEngine
from geoseg.inference.engine import Engine, TorchEngine
from geoseg.inference.onnx_engine import OnnxEngine
from geoseg.inference.openvino_engine import OpenVinoEngine
from geoseg.inference.symmetry import D4Engine
from geoseg.inference.trimming import TrimmingEngine
from geoseg.models.card import ModelCard
from geoseg.models.device import Precision
from geoseg.models.zoo import load_model, read_card
from geoseg.predict.plan import PredictPlan

_MANY = 64_000_000  # pixels of tiles; below, compiling takes longer than what it saves
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

    trim: int = 0
    """Tiles are computed where they hold measurements, in parts of a multiple of this many px; 0 = whole."""

    version: str = ""
    """Digest of the package's card, so that a package that was replaced is loaded anew."""


def choice_of(plan: PredictPlan, settings: MapFields) -> EngineChoice:
    """The engine that settings ask for, on the tiles of a plan; each of several workers has its part of the cores."""
    elsewhere = settings.scheduler is not None or settings.cluster is not None
    return EngineChoice(
        model=plan.model.resolve(),
        dtype=plan.source.dtype,
        device=settings.device,
        precision=settings.precision,
        engine=settings.engine,
        tile=plan.grid.tile,
        threads=0 if elsewhere else max(1, torch.get_num_threads() // settings.workers),
        tta=settings.tta,
        present=plan.present,
        trim=_trim(plan, settings),
        version=_version(plan.card),
    )


def engine_for(choice: EngineChoice) -> Engine:
    """The engine of a choice, built once in a process.

    Raises:
        ModelError: if the package is damaged, does not take such pixels, or the engine gives other classes than torch.
        ConfigError: if the engine is not installed, or is none for the device or precision.
    """
    with _BUILDING:
        return _built(choice)


def new_engine(choice: EngineChoice) -> Engine:
    """As `engine_for`, built anew."""
    _require_same_model(choice)
    engine = _MAKERS[choice.engine](choice)
    engine = D4Engine(engine) if choice.tta == "d4" else engine
    if not choice.trim or engine.device.type != "cpu":
        return engine
    return TrimmingEngine(engine, step=choice.trim, along_both=choice.engine == "torch")


def _trim(plan: PredictPlan, settings: MapFields) -> int:
    """To halves where each shape has to be compiled, and only if there are many tiles."""
    if settings.engine == "torch":
        return plan.tiling.trim
    return plan.tiling.edge_step if plan.tiling.trim and plan.grid.computed_pixels() >= _MANY else 0


def _version(card: ModelCard) -> str:
    return hashlib.sha256(repr(card).encode()).hexdigest()  # as JSON it would tell the time


def _require_same_model(choice: EngineChoice) -> None:
    """Refuse a package that is not the one that the work was planned with: on another machine it may be another.

    Raises:
        ModelError: if it is.
    """
    if choice.version and _version(read_card(choice.model)) != choice.version:
        raise ModelError(
            f"{choice.model}: on {socket.gethostname()} this is not the model that the work began with: put the same "
            "package on all machines, and start again"
        )


@functools.lru_cache(maxsize=2)
def _built(choice: EngineChoice) -> Engine:
    return new_engine(choice)


def _torch(choice: EngineChoice) -> Engine:
    return TorchEngine(
        load_model(choice.model),
        dtype=choice.dtype,
        device=choice.device,
        precision=choice.precision,
        threads=choice.threads,
        present=choice.present,
    )


def _openvino(choice: EngineChoice) -> Engine:
    return _on_cpu(OpenVinoEngine, choice)


def _compiled(choice: EngineChoice) -> Engine:
    return _on_cpu(CompiledEngine, choice)


def _on_cpu(kind: type[OpenVinoEngine | CompiledEngine], choice: EngineChoice) -> Engine:
    if choice.device not in {"auto", "cpu"}:
        raise ConfigError(f"engine {choice.engine!r} runs on a CPU, not on device {choice.device!r}: use --device cpu")
    return kind(
        load_model(choice.model),
        dtype=choice.dtype,
        precision=choice.precision,
        threads=choice.threads,
        present=choice.present,
        tile=choice.tile,
    )


def _onnx(choice: EngineChoice) -> Engine:
    if choice.precision not in {"auto", "fp32"}:
        raise ConfigError(f"engine 'onnx' computes in fp32, not in {choice.precision}: use --precision fp32 or auto")
    return OnnxEngine(
        load_model(choice.model),
        dtype=choice.dtype,
        device=choice.device,
        threads=choice.threads,
        present=choice.present,
        tile=choice.tile,
    )


def _undecided(choice: EngineChoice) -> Engine:
    raise ValueError(f"engine {choice.engine!r} is to be resolved first, see geoseg.predict.fastest")


_MAKERS: Mapping[EngineName, Callable[[EngineChoice], Engine]] = {
    "auto": _undecided,
    "torch": _torch,
    "torch-compile": _compiled,
    "openvino": _openvino,
    "onnx": _onnx,
}
