"""What is told of an engine: in events, and in the record of a run."""

from __future__ import annotations

import torch

from geoseg.models.device import choose_device, choose_precision
from geoseg.predict.engines import EngineChoice
from geoseg.tiling.grid import TileGrid

_ON_CPU = ("openvino", "torch-compile")


def engine_facts(choice: EngineChoice, grid: TileGrid, *, elsewhere: bool) -> dict[str, object]:
    """Engine, device and precision as they are where this process computes, and the tiles.

    Args:
        choice: the engine; not auto.
        grid: the lattice of tiles.
        elsewhere: True where other machines compute: of these only what was asked for is known.
    """
    device, precision = choice.device, str(choice.precision)
    if not elsewhere:
        found = choose_device("cpu" if choice.engine in _ON_CPU else choice.device)
        device = str(found)
        precision = "fp32" if choice.engine == "onnx" else choose_precision(choice.precision, found)
    return {
        "engine": choice.engine,
        "precision": precision,
        "device": device,
        "device_name": torch.cuda.get_device_name(device) if not elsewhere and device.startswith("cuda") else None,
        "threads": choice.threads or None,
        "tta": choice.tta,
        "tile": grid.tile,
        "overlap": grid.overlap,
    }
