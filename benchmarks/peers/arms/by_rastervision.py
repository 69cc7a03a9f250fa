"""Raster Vision: windows of a `RasterioSource` into `SemanticSegmentationSmoothLabels`, saved as labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.peers.job import Begin, Job, Timed
from benchmarks.peers.predictor import Predictor, in_batches


def prepare(job: Job) -> Begin:
    from rastervision.core.data import ClassConfig, RasterioSource
    from rastervision.core.data.label import SemanticSegmentationSmoothLabels

    predictor = Predictor(job)
    names = [f"class {index}" for index in range(predictor.classes)]
    legend = ClassConfig(names=names, null_class=names[0])

    def begin(scene: Path, out: Path) -> Timed:
        def work() -> Path:
            source = RasterioSource(str(scene), allow_streaming=True, channel_order=[0, 1, 2])
            labels = SemanticSegmentationSmoothLabels(source.extent, predictor.classes)
            for windows in in_batches(source.extent.get_windows(job.tile, job.stride), job.batch):
                chips = np.stack([np.moveaxis(source.get_chip(window), -1, 0) for window in windows])
                probabilities = predictor(torch.from_numpy(chips).float() / 255).numpy()
                for window, found in zip(windows, probabilities, strict=True):
                    labels.add_window(window, found)
            folder = out.with_suffix("")
            labels.save(str(folder), source.crs_transformer, legend, smooth_output=False)
            return folder / "labels.tif"

        return work

    return begin
