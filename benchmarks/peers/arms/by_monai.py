"""MONAI: the scene in memory, `sliding_window_inference` with gaussian weights."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.peers.job import Begin, Job, Timed
from benchmarks.peers.labels import ids_of, read_whole, write_labels
from benchmarks.peers.predictor import Predictor


def prepare(job: Job) -> Begin:
    from monai.inferers import sliding_window_inference

    predictor = Predictor(job)

    def begin(scene: Path, out: Path) -> Timed:
        def work() -> Path:
            image = torch.from_numpy(read_whole(scene))[None].float() / 255
            with torch.inference_mode():
                blended = sliding_window_inference(
                    image,
                    (job.tile, job.tile),
                    job.batch,
                    predictor,
                    overlap=job.overlap / job.tile,
                    mode="gaussian",
                    sigma_scale=0.125,
                    padding_mode="reflect",
                )
            return write_labels(ids_of(blended[0].argmax(0), predictor.ids), scene, out)

        return work

    return begin
