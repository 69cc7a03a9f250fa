"""The physical limit: network and softmax on geoseg's tiles of the scene, prepared before; nothing read or written."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import torch

from benchmarks.peers.job import Begin, Job, Timed
from benchmarks.peers.labels import read_whole
from benchmarks.peers.predictor import Predictor


def prepare(job: Job) -> Begin:
    predictor = Predictor(job)
    compute = _alone(predictor, job) if job.arm.way == "tiles" and job.arm.engine == "torch" else _together(predictor)

    def begin(scene: Path, out: Path) -> Timed:  # noqa: ARG001 - nothing is written
        inputs = _inputs(job, predictor, scene)
        return lambda: compute(inputs)

    return begin


def _alone(predictor: Predictor, job: Job) -> Callable[[list[torch.Tensor]], None]:
    """Each tile one call on one thread."""
    pool = ThreadPoolExecutor(job.threads, initializer=torch.set_num_threads, initargs=(1,))

    def compute(inputs: list[torch.Tensor]) -> None:
        tiles = [batch[place : place + 1] for batch in inputs for place in range(len(batch))]
        for _ in pool.map(predictor.network_alone, tiles):
            pass

    return compute


def _together(predictor: Predictor) -> Callable[[list[torch.Tensor]], None]:
    """Batch by batch, on all threads."""

    def compute(inputs: list[torch.Tensor]) -> None:
        for batch in inputs:
            predictor.network_alone(batch)

    return compute


def _inputs(job: Job, predictor: Predictor, scene: Path) -> list[torch.Tensor]:
    """What the network takes of the tiles, in batches of one shape."""
    from geoseg.config.predict import PredictSettings
    from geoseg.predict.plan import plan_prediction

    grid = plan_prediction(scene, PredictSettings(model=job.package, tile=job.tile, overlap=job.overlap)).grid
    image = torch.from_numpy(read_whole(scene)).float() / 255
    batches = []
    for shape, windows in groupby(grid.windows(), key=lambda window: window.shape):
        tiles = []
        for window in windows:
            tile = torch.zeros((3, *shape))
            part = image[:, window.row : window.bottom, window.col : window.right]
            tile[:, : part.shape[1], : part.shape[2]] = part
            tiles.append(tile)
        for at in range(0, len(tiles), job.batch):
            prepared = predictor.whole.prepared(torch.stack(tiles[at : at + job.batch]))
            channels_last = predictor.half and predictor.compiled is None
            batches.append(prepared.contiguous(memory_format=torch.channels_last) if channels_last else prepared)
    return batches
