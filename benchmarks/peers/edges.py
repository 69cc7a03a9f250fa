"""The tables of joints and of reading: how far a map is from that of the whole scene, and what was decoded for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import rasterio

from benchmarks.peers.decoded import decoded_ratio, noted_reads, storage_blocks
from benchmarks.peers.figures import announce, failure, keep, markdown
from benchmarks.peers.job import PEERS, Arm, Job
from benchmarks.peers.maps import agreements, labels_of, percent
from benchmarks.peers.seams import Joints, joints_of, joints_of_grid, seam_ratio
from benchmarks.peers.speed import WHOLE
from benchmarks.peers.workers import Found, Worker, in_turns, jobs_of

OWN = Arm(by="geoseg")


def seam_table(template: Job, scene: Path, only: tuple[str, ...]) -> None:
    """Map once with every arm and once in one pass; print, keep."""
    announce("Joints of tiles: changes of class across them / elsewhere, float32")
    jobs = jobs_of([OWN, *(Arm(by=name) for name in PEERS)], template, only=only) | jobs_of([WHOLE], template)
    answers = in_turns(jobs, scene, repeats=1)
    whole, agreed = labels_of(answers[WHOLE.label]), agreements(answers, WHOLE.label, rim=template.overlap)
    rows: list[list[object]] = []
    for label, job in jobs.items():
        labels = labels_of(answers[label])
        if job.arm == WHOLE or labels is None or whole is None:
            rows += [] if job.arm == WHOLE else [[label, failure(answers[label]), None, None, None]]
            continue
        joints = _joints(job, scene)
        own, best = (seam_ratio(found, joints, rim=template.overlap) for found in (labels, whole))
        rows.append([label, percent(1 - agreed[label]), f"{own:.3f}", f"{best:.3f}", f"{own / best:.3f}"])
    headers = ["arm", "unlike the whole pass", "seam ratio", "of the whole pass there", "quotient"]
    click.echo(markdown(headers, rows))
    click.echo(f"\n{keep('seams', jobs, answers, scene=scene.name)}")


def _joints(job: Job, scene: Path) -> Joints:
    if job.arm.by == "geoseg":
        from geoseg.config.predict import PredictSettings
        from geoseg.predict.plan import plan_prediction

        settings = PredictSettings(model=job.package, tile=job.tile, overlap=job.overlap)
        return joints_of_grid(plan_prediction(scene, settings).grid)
    with rasterio.open(scene) as dataset:
        return joints_of(job, dataset.width)


def decoded_table(template: Job, scene: Path, only: tuple[str, ...]) -> None:
    """Count with every arm that reads by windows, with GDAL's cache small and as it is by default; print, keep."""
    announce("Bytes of pixels decoded / bytes of pixels, counted by the bytes read of each storage block")
    arms = [OWN, *(Arm(by=name) for name in ("geoai", "rastervision", "torchgeo"))]
    jobs = jobs_of(arms, replace(template, counted=str(scene)), only=only)
    blocks = storage_blocks(scene)
    answers: dict[str, list[Found]] = {label: [] for label in jobs}
    for label, job in jobs.items():
        for cache in (16, None):
            with Worker(replace(job, cache_mb=cache)) as worker:
                found = worker.ready() | worker.map(scene) | {"cache_mb": cache}
            lines = (Path(job.folder) / "reads.log").read_text().splitlines()
            found["decoded_ratio"] = decoded_ratio(blocks, noted_reads(lines))
            click.echo(f"  {label}, cache {cache or 'default'}: {_decoded(found)}", err=True)
            answers[label].append(found)
    rows = [[label, *(_decoded(found) for found in answers[label])] for label in jobs]
    click.echo(markdown(["arm", "GDAL_CACHEMAX 16 MB", "default"], rows))
    click.echo(f"\n{keep('decoded', jobs, answers, scene=scene.name)}")


def _decoded(found: Found) -> str:
    return str(found["failed"]) if "failed" in found else f"{found['decoded_ratio']:.3f}"
