"""From a scene to its map: what `geoseg predict` does.

The public names are loaded when they are first used: planning a prediction needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoseg.predict.scene import Prediction, predict_scene

__all__ = ["Prediction", "predict_scene"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'geoseg.predict' has no attribute {name!r}")
    return getattr(importlib.import_module("geoseg.predict.scene"), name)
