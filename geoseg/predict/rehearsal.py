"""What a prediction needs before its scene has any size: measured once on a few tiles, in a process of its own.

Libraries, network and engine need memory that no formula gives. They are measured with the package, tile and engine
of the run and remembered in the user's cache folder, so that planning needs no torch the next time.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

import geoseg
from geoseg.config.predict import EngineName, PredictSettings
from geoseg.cores import cores
from geoseg.errors import ConfigError
from geoseg.predict.plan import PredictPlan
from geoseg.predict.speeds import SMALL, cache_folder, machine

log = logging.getLogger(__name__)

_LIBRARIES = ("torch", "openvino", "onnxruntime", "numba", "rasterio")
_THREADS = "OMP_NUM_THREADS"
_LARGEST_FILE = 2**16
_KEPT = ("model", "device", "precision", "engine", "tta", "adapt", "batch_size", "probabilities", "thresholds")
"""Settings that change what is measured."""


class Rehearsal(BaseModel):
    """What was measured on a few tiles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: EngineName
    """What ran the network."""

    threads: PositiveInt
    """Tiles computed at a time."""

    height: PositiveInt
    """Of what was mapped, px."""

    width: PositiveInt

    loaded_peak: PositiveInt
    """Most memory of the process until network and engine were ready, bytes."""

    peak: PositiveInt
    """Most from then until the rasters were written."""

    settled: PositiveInt
    """Its memory after that."""

    device_peak: NonNegativeInt
    """Most memory on a GPU, bytes; 0 where there is none."""

    speed: PositiveFloat
    """Megapixels of tiles a second."""

    start_seconds: PositiveFloat
    """Until the first tile is computed."""


class Request(BaseModel):
    """What is to be measured, as it travels to the process that does it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, object]
    """Of the run, without what has to do with its scene."""

    bands: tuple[str, ...]
    """Of the scene."""

    dtype: str
    gsd: float
    tile: int
    overlap: int
    pixels: int
    """Of all tiles of the scene, for the engine `auto`."""


def rehearsal_of(
    plan: PredictPlan, settings: PredictSettings, *, threads: int | None = None, anew: bool = False
) -> Rehearsal:
    """What was measured for a scene's model, tile and engine; measured now where that was never done.

    Args:
        plan: scene and model.
        settings: of the run.
        threads: tiles computed at a time; None leaves it to torch.
        anew: measure in any case.

    Raises:
        ConfigError: if it cannot be measured; says why.
    """
    threads = threads or _few(plan)
    key = _circumstances(plan, settings, threads)
    found = None if anew else _remembered(key)
    if found is None:
        found = _rehearsed(_request(plan, settings), threads)
        _remember(key, found)
    return found


def is_remembered(plan: PredictPlan, settings: PredictSettings) -> bool:
    """True where nothing has to be measured."""
    return _remembered(_circumstances(plan, settings, _few(plan))) is not None


def _few(plan: PredictPlan) -> int | None:
    """Tiles of a scene that has fewer than could be computed at a time; None where it has enough."""
    grid = plan.grid
    tiles = len(grid.row_origins(grid.scene)) * len(grid.col_origins(grid.scene))
    return tiles if tiles < cores() else None


def _request(plan: PredictPlan, settings: PredictSettings) -> Request:
    kept = settings.model_dump(mode="json", include=set(_KEPT), exclude_defaults=True)
    return Request(
        settings=kept | {"model": str(plan.model.resolve()), "vector": False, "probabilities": _with_planes(settings)},
        bands=tuple(plan.card.bands[place] for place in plan.present),
        dtype=plan.source.dtype,
        gsd=plan.card.gsd,
        tile=plan.grid.tile,
        overlap=plan.grid.overlap,
        pixels=plan.grid.computed_pixels(),
    )


def _with_planes(settings: PredictSettings) -> bool:
    return settings.probabilities or settings.needs_probabilities


def _circumstances(plan: PredictPlan, settings: PredictSettings, threads: int | None) -> dict[str, object]:
    """What the measurement depends on, as plain values."""
    request = _request(plan, settings)
    return {
        "request": request.model_dump(mode="json", exclude={"pixels"}),
        "small": settings.engine == "auto" and request.pixels < SMALL,
        "package": plan.card.weights_sha256,
        "machine": machine(),
        "cores": [threads, os.environ.get(_THREADS), cores()],
        "versions": {name: _version(name) for name in _LIBRARIES} | {"geoseg": geoseg.__version__},
    }


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _rehearsed(request: Request, threads: int | None) -> Rehearsal:
    """Measured in a process of its own; again with the engine's name where that had to be found out first."""
    answer = _answer(request, threads)
    if "again_with" in answer:
        named = request.settings | {"engine": answer["again_with"]}
        answer = _answer(request.model_copy(update={"settings": named}), threads)
    return Rehearsal.model_validate(answer)


def _answer(request: Request, threads: int | None) -> dict[str, object]:
    environment = dict(os.environ) | ({_THREADS: str(threads)} if threads else {})
    command = [sys.executable, "-m", "geoseg.predict.rehearsing"]
    done = subprocess.run(  # noqa: S603 - our own module
        command, input=request.model_dump_json(), env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return answer
    said = done.stderr.strip().splitlines() or [f"its process ended with code {done.returncode}"]
    raise ConfigError(f"what the model needs cannot be measured: {said[-1]}")


def _remembered(key: Mapping[str, object]) -> Rehearsal | None:
    try:
        path = _path(key)
        if path.stat().st_size > _LARGEST_FILE:
            return None
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Rehearsal.model_validate(kept["found"]) if kept["of"] == key else None
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, RecursionError, ValidationError) as error:
        log.debug("no rehearsal is remembered: %s", error)
        return None


def _remember(key: Mapping[str, object], found: Rehearsal) -> None:
    """Keep it for the next plan; where that cannot be, the next one measures again."""
    try:
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=".rehearsal-", suffix=".json", encoding="utf-8", delete=False
        ) as beside:
            beside.write(json.dumps({"of": key, "found": found.model_dump(mode="json")}, indent=1, sort_keys=True))
        Path(beside.name).replace(path)
    except (OSError, RuntimeError) as error:
        log.info("what was measured cannot be kept: %s", error)


def _path(key: Mapping[str, object]) -> Path:
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return cache_folder() / "rehearsals" / f"{digest[:32]}.json"
