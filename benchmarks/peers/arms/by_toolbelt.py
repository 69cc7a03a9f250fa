"""pytorch-toolbelt: the scene in memory, `ImageSlicer` and `TileMerger` with pyramid weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.peers.job import Begin, Job, Timed
from benchmarks.peers.labels import ids_of, read_whole, write_labels
from benchmarks.peers.predictor import Predictor, in_batches
from geoseg.models.torchvision_shim import declare_missing_operators


def prepare(job: Job) -> Begin:
    declare_missing_operators()
    from pytorch_toolbelt.inference.tiles import ImageSlicer, TileMerger

    predictor = Predictor(job)

    def begin(scene: Path, out: Path) -> Timed:
        def work() -> Path:
            image = np.moveaxis(read_whole(scene), 0, -1)
            slicer = ImageSlicer(image.shape, job.tile, job.stride, weight="pyramid")
            merger = TileMerger(slicer.target_shape, predictor.classes, slicer.weight)
            for group in in_batches(slicer.iter_split(image), job.batch):
                tiles = torch.from_numpy(np.stack([np.moveaxis(tile, -1, 0) for tile, _ in group])).float() / 255
                merger.integrate_batch(predictor(tiles), [coords for _, coords in group])
            indices = slicer.crop_to_orignal_size(merger.merge_().argmax(0).numpy())
            return write_labels(ids_of(torch.from_numpy(indices), predictor.ids), scene, out)

        return work

    return begin
