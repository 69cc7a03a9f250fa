"""From a scene to its map: what `geoseg predict` does."""

from geoseg.predict.scene import Prediction, predict_scene

__all__ = ["Prediction", "predict_scene"]
