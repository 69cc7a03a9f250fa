"""The whole of geoseg: COGs of classes and confidence, and polygons where asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.job import Begin, Job, Timed
from benchmarks.peers.networks import teach_one_convolution


def prepare(job: Job) -> Begin:
    from geoseg.predict import predict_scene

    teach_one_convolution()
    options: dict[str, Any] = {
        "model": job.package,
        "tile": job.tile,
        "overlap": job.overlap,
        "engine": job.arm.engine,
        "precision": job.arm.precision,
        "vector": job.arm.way == "polygons",
        "overwrite": True,
    }

    def begin(scene: Path, out: Path) -> Timed:
        return lambda: predict_scene(scene, out.parent / "layers", **options).class_raster

    return begin
