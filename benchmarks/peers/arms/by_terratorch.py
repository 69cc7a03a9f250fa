"""terratorch: the scene in memory, `tiled_inference`, of which only the one module is there."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.peers.arms.single_module import load_module, stand_in
from benchmarks.peers.job import Begin, Job, Timed
from benchmarks.peers.labels import ids_of, read_whole, write_labels
from benchmarks.peers.predictor import Predictor

_CROPPED = 8


def prepare(job: Job) -> Begin:
    stand_in("terratorch.models.utils", pad_images=lambda images, size, padding: images)  # noqa: ARG005 - as called
    module = load_module("terratorch.tasks.tiled_inference")
    predictor = Predictor(job)

    def begin(scene: Path, out: Path) -> Timed:
        def work() -> Path:
            image = torch.from_numpy(read_whole(scene))[None].float() / 255
            blended = module.tiled_inference(
                predictor, image, crop=job.tile, stride=job.stride, delta=_CROPPED, batch_size=job.batch
            )
            return write_labels(ids_of(blended[0].argmax(0), predictor.ids), scene, out)

        return work

    return begin
