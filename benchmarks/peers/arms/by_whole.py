"""The reference: the whole scene in one pass of the network, float32."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.peers.job import Begin, Job, Timed
from benchmarks.peers.labels import ids_of, read_whole, write_labels
from benchmarks.peers.predictor import Predictor

_MULTIPLE = 32


def prepare(job: Job) -> Begin:
    predictor = Predictor(job)

    def begin(scene: Path, out: Path) -> Timed:
        def work() -> Path:
            image = torch.from_numpy(read_whole(scene)).float()[None] / 255
            height, width = image.shape[2:]
            padded = torch.nn.functional.pad(image, (0, -width % _MULTIPLE, 0, -height % _MULTIPLE), mode="replicate")
            indices = predictor(padded)[0, :, :height, :width].argmax(0)
            return write_labels(ids_of(indices, predictor.ids), scene, out)

        return work

    return begin
