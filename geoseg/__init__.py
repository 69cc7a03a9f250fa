"""geoseg turns satellite and aerial scenes into land-cover layers.

The public names are loaded when they are first used, so that `import geoseg` needs neither torch nor GDAL.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoseg.classes import ClassMap, LandCoverClass
    from geoseg.errors import (
        ConfigError,
        GeorefError,
        GeosegError,
        GridError,
        LabelError,
        ModelError,
        OutputError,
        SceneError,
    )
    from geoseg.evaluation.compare import evaluate
    from geoseg.georef import GeoRef
    from geoseg.models.package import ModelPackage, save_package
    from geoseg.models.zoo import load_model
    from geoseg.predict.scene import Prediction, predict_scene
    from geoseg.raster.scene import open_scene
    from geoseg.window import Window

__version__ = "0.1.0"

_HOME = {
    "ClassMap": "geoseg.classes",
    "ConfigError": "geoseg.errors",
    "GeoRef": "geoseg.georef",
    "GeorefError": "geoseg.errors",
    "GeosegError": "geoseg.errors",
    "GridError": "geoseg.errors",
    "LabelError": "geoseg.errors",
    "LandCoverClass": "geoseg.classes",
    "ModelError": "geoseg.errors",
    "ModelPackage": "geoseg.models.package",
    "OutputError": "geoseg.errors",
    "Prediction": "geoseg.predict.scene",
    "SceneError": "geoseg.errors",
    "Window": "geoseg.window",
    "evaluate": "geoseg.evaluation.compare",
    "load_model": "geoseg.models.zoo",
    "open_scene": "geoseg.raster.scene",
    "predict_scene": "geoseg.predict.scene",
    "save_package": "geoseg.models.package",
}

__all__ = [
    "ClassMap",
    "ConfigError",
    "GeoRef",
    "GeorefError",
    "GeosegError",
    "GridError",
    "LabelError",
    "LandCoverClass",
    "ModelError",
    "ModelPackage",
    "OutputError",
    "Prediction",
    "SceneError",
    "Window",
    "evaluate",
    "load_model",
    "open_scene",
    "predict_scene",
    "save_package",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'geoseg' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
