"""Which engine is the fastest here: measured once on the tiles to come, and remembered."""

from __future__ import annotations

import importlib.metadata
import logging
from dataclasses import replace
from itertools import starmap

import torch

from geoseg.config.predict import EngineName, PredictSettings
from geoseg.errors import ConfigError, ModelError
from geoseg.inference.engine import Engine
from geoseg.inference.timing import TileShape, time_engines
from geoseg.models.device import choose_device
from geoseg.models.zoo import read_card
from geoseg.predict.engines import EngineChoice, choice_of, new_engine
from geoseg.predict.plan import PredictPlan
from geoseg.predict.speeds import SMALL, Circumstances, Timing, machine, remember, remembered

log = logging.getLogger(__name__)

_LARGE = 1_000_000_000  # pixels of tiles from which on a minute of compiling is worth a try
_SECONDS = 1.0  # to time each engine
_SYMMETRIES = 8
_LIBRARIES = ("torch", "openvino", "onnxruntime")
_RUNS_ON: dict[str, tuple[str, ...]] = {"openvino": ("openvino",), "onnx": ("onnxruntime",)}
_NEEDS: dict[EngineName, tuple[str, ...]] = {"openvino": ("openvino",), "onnx": ("onnx", "onnxruntime")}


def with_engine(plan: PredictPlan, settings: PredictSettings) -> PredictSettings:
    """Settings that name the engine, so that every process takes the same one and the record of the run tells it.

    Where other machines compute, `auto` is torch: they may have GPUs, and what is fast here says nothing of them.

    Raises:
        ModelError: if the package is damaged or does not take such pixels.
        ConfigError: if device or precision cannot be.
    """
    if settings.engine != "auto":
        return settings
    elsewhere = settings.scheduler is not None or settings.cluster is not None
    pixels = 0 if elsewhere else plan.grid.computed_pixels()
    return settings.model_copy(update={"engine": resolved_engine(choice_of(plan, settings), pixels=pixels)})


def resolved_engine(choice: EngineChoice, *, pixels: int) -> EngineName:
    """The engine that a choice comes to; to be decided once, before the work is spread.

    A named engine is taken as it is. On a GPU `auto` is torch, and for few pixels too. Else it is what was the fastest
    when it was measured on this machine, for this model and tile; where that was never done it is measured now, for
    some seconds.

    Args:
        choice: engine, model and tiles.
        pixels: of all tiles together.

    Raises:
        ModelError: if the package is damaged or does not take such pixels.
        ConfigError: if device or precision cannot be.
    """
    if choice.engine != "auto":
        return choice.engine
    if pixels < SMALL or choose_device(choice.device).type != "cpu":
        return "torch"
    timing = remembered(circumstances(choice))
    if timing is None:
        timing = measure_speed(choice, pixels=pixels)
    log.info("engine %s: %s", timing.engine, _told(timing))
    return timing.engine


def remembered_speed(choice: EngineChoice) -> float | None:
    """Megapixels of tiles a second as measured before on this machine, of the fastest engine if the choice is auto.

    None where the engine was never timed here with this model and tile.
    """
    timing = remembered(circumstances(choice))
    if timing is None:
        return None
    speed = timing.speeds.get(timing.engine if choice.engine == "auto" else choice.engine)
    return speed if speed is None or choice.tta == "none" else speed / _SYMMETRIES


def measure_speed(choice: EngineChoice, *, pixels: int = 0) -> Timing:
    """Time the engines that run here against one another, for some seconds, and remember it.

    Engines that are not installed, do not run the model, or give other classes than torch float32 are left out.

    Args:
        choice: model and tiles; of a named engine, that one alone is timed, and nothing is remembered.
        pixels: of all tiles that are to be computed; from a gigapixel on, torch-compile takes part
            where OpenVINO is not installed.

    Raises:
        ModelError: if the package is damaged, or the named engine gives other classes.
        ConfigError: if the named engine does not run here.
    """
    plain = replace(choice, tta="none")
    engines: dict[EngineName, Engine]
    engines = _ready(plain, pixels) if choice.engine == "auto" else {choice.engine: new_engine(plain)}
    of = circumstances(choice)
    shape = TileShape(bands=of.bands, side=of.tile, dtype=choice.dtype)
    speeds = time_engines(engines, shape, seconds=_SECONDS)
    timing = Timing(engine=max(speeds, key=speeds.__getitem__), speeds=speeds)
    if choice.engine == "auto":
        remember(of, timing)
    return timing


def circumstances(choice: EngineChoice) -> Circumstances:
    """What the speed of a choice depends on."""
    card = read_card(choice.model)
    return Circumstances(
        machine=machine(),
        threads=choice.threads or torch.get_num_threads(),
        versions={name: _version(name) for name in _LIBRARIES},
        package=choice.version or card.weights_sha256,
        tile=choice.tile or card.tile,
        bands=len(card.bands if choice.present is None else choice.present),
        precision=choice.precision,
    )


def software_of(engine: str) -> dict[str, str]:
    """Versions of the libraries that an engine runs on."""
    libraries = ("torch", *_RUNS_ON.get(engine, ()))
    return {name: _version(name) for name in libraries}


def _ready(choice: EngineChoice, pixels: int) -> dict[EngineName, Engine]:
    """Those that run here, each loaded and checked."""
    engines: dict[EngineName, Engine] = {}
    for name in _candidates(choice, pixels):
        try:
            engines[name] = new_engine(replace(choice, engine=name))
        except (ConfigError, ModelError) as error:
            if name == "torch":
                raise
            log.info("engine %s is left out: %s", name, error)
    return engines


def _candidates(choice: EngineChoice, pixels: int) -> tuple[EngineName, ...]:
    names: list[EngineName] = ["torch"]
    names += [name for name, libraries in _NEEDS.items() if all(map(_version, libraries))]
    if choice.precision not in {"auto", "fp32"} and "onnx" in names:
        names.remove("onnx")
    if pixels >= _LARGE and "openvino" not in names:
        names.append("torch-compile")
    return tuple(names)


def _version(library: str) -> str:
    """Of an installed library; empty where it is not."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _told(timing: Timing) -> str:
    return ", ".join(starmap("{} {:.1f} Mpx/s".format, sorted(timing.speeds.items())))
