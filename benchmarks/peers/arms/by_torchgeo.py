"""torchgeo: `GridGeoSampler` and a `DataLoader`; it has no writer, so the middles of tiles are put together here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import from_bounds

from benchmarks.peers.job import Begin, Job, Timed
from benchmarks.peers.labels import ids_of, write_labels
from benchmarks.peers.predictor import Predictor
from geoseg.models.torchvision_shim import declare_missing_operators


def prepare(job: Job) -> Begin:
    declare_missing_operators()
    from torch.utils.data import DataLoader
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import GridGeoSampler

    predictor = Predictor(job)

    def begin(scene: Path, out: Path) -> Timed:
        def work() -> Path:
            dataset = RasterDataset([str(scene)])
            sampler = GridGeoSampler(dataset, size=job.tile, stride=job.stride)
            with rasterio.open(scene) as opened:
                transform, labels = opened.transform, np.full(opened.shape, 255, dtype=np.uint8)
            for samples in DataLoader(dataset, job.batch, sampler=sampler, collate_fn=stack_samples):
                found = predictor(samples["image"] / 255).argmax(1)
                for (x, y, *_), indices in zip(samples["bounds"], found, strict=True):
                    place = from_bounds(x.start, y.start, x.stop, y.stop, transform)
                    _put(labels, ids_of(indices, predictor.ids), round(place.row_off), round(place.col_off), job)
            return write_labels(labels, scene, out)

        return work

    return begin


def _put(labels: np.ndarray, tile: np.ndarray, row: int, col: int, job: Job) -> None:
    """Put the middle of a tile into the labels, and its rim where no neighbour reaches."""
    rows, cols = (_kept(first, size, job) for first, size in zip((row, col), labels.shape, strict=True))
    labels[rows, cols] = tile[rows.start - row : rows.stop - row, cols.start - col : cols.stop - col]


def _kept(first: int, size: int, job: Job) -> slice:
    rim = job.overlap // 2
    return slice(
        0 if first <= 0 else first + rim, size if first + job.tile >= size else first + job.tile - job.overlap + rim
    )
