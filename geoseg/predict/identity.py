"""What the pixels of a map depend on besides the scene: by it blocks of an earlier run are known to be the same."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import rasterio

import geoseg
from geoseg.models.device import choose_device, choose_precision
from geoseg.predict.engines import EngineChoice
from geoseg.predict.task import BlockTask

Identity = Mapping[str, str]
"""By what a user knows it by: a value as text."""

_PARTS = ("compiled.py", "classes.py", "georef.py", "window.py", "inference", "models", "predict", "raster", "tiling")
_LIBRARIES = ("numpy", "scipy", "numba", "torch", "segmentation-models-pytorch", "timm", "openvino", "onnxruntime")
_DIGITS = 16


def identity_of(task: BlockTask, *, elsewhere: bool) -> Identity:
    """What decides about the pixels of a task's blocks, besides those of the scene.

    Args:
        task: the work.
        elsewhere: True where other machines compute, so that it is not known here what `auto` is there.
    """
    engine = task.engine
    grid = task.output
    facts = {
        "model": engine.version,
        "bands": [task.source.bands, engine.present],
        "tiles": asdict(task.grid),
        "tta": engine.tta,
        "parts of tiles": engine.trim,
        "engine": [engine.engine, *_arithmetic(engine, elsewhere=elsewhere)],
        "batch size": None if engine.device == "cpu" else task.batch_size,
        "thresholds": task.rule.thresholds,
        "layers": task.rule.with_probabilities,
        "grid": [grid.crs, list(grid.transform)[:6], grid.height, grid.width, task.factor, task.regrids, task.corner],
        "area": None if task.area is None else hashlib.sha256(repr(task.area).encode()).hexdigest(),
        "version of geoseg": code_digest(),
    }
    return {name: json.dumps(value, sort_keys=True) for name, value in facts.items()}


def digest_of(identity: Identity) -> str:
    """An identity as 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()[:_DIGITS]


@functools.cache
def code_digest() -> str:
    """Of all source files that pixels pass through, and the versions of the libraries below them.

    A number to be raised by hand would be forgotten once; a remark that changes costs one run anew.
    """
    root = Path(geoseg.__file__).parent
    digest = hashlib.sha256(geoseg.__version__.encode())
    for part in _PARTS:
        files = [root / part] if part.endswith(".py") else sorted((root / part).rglob("*.py"))
        for file in files:
            digest.update(str(file.relative_to(root)).encode())
            digest.update(file.read_bytes() if file.is_file() else b"")
    versions = [f"{name} {_version(name)}" for name in _LIBRARIES]
    digest.update(" ".join([*versions, f"gdal {rasterio.__gdal_version__}"]).encode())
    return digest.hexdigest()[:_DIGITS]


def _arithmetic(engine: EngineChoice, *, elsewhere: bool) -> tuple[str, str]:
    """Kind of device and precision."""
    if elsewhere and engine.device == "auto":
        return "auto", engine.precision
    device = choose_device(engine.device)
    if engine.engine != "torch":
        return device.type, engine.precision
    return device.type, choose_precision(engine.precision, device)


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "none"
