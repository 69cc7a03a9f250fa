"""geoai: `predict_geotiff` from file to file with spline weights, of which only the one module is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.peers.arms.single_module import load_module, stand_in
from benchmarks.peers.job import Begin, Job, Timed
from benchmarks.peers.labels import ids_of
from benchmarks.peers.predictor import Predictor


def prepare(job: Job) -> Begin:
    stand_in("geoai.utils", get_device=lambda: torch.device("cpu"))
    module = load_module("geoai.inference")
    predictor = Predictor(job)

    def labels_of(blended: np.ndarray) -> np.ndarray:
        return ids_of(torch.from_numpy(blended.argmax(0)), predictor.ids)[None].astype("float32")

    def begin(scene: Path, out: Path) -> Timed:
        def work() -> Path:
            module.predict_geotiff(
                predictor,
                str(scene),
                str(out),
                tile_size=job.tile,
                overlap=job.overlap,
                batch_size=job.batch,
                num_classes=predictor.classes,
                blend_mode="spline",
                device="cpu",
                verbose=False,
                preprocess_fn=lambda tile: tile.astype("float32") / 255,
                postprocess_fn=labels_of,
                output_dtype="uint8",
                output_nodata=255,
                compress="deflate",
            )
            return out

        return work

    return begin
