"""One command a table: python -m benchmarks.peers overhead|networks|memory|seams|decoded."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.peers.edges import decoded_table, seam_table
from benchmarks.peers.job import Arm, Job
from benchmarks.peers.networks import ONE_CONVOLUTION, find_package
from benchmarks.peers.scenes import landscape, real_ground, repeated, write_scene
from benchmarks.peers.sizes import Sizes, memory_table
from benchmarks.peers.speed import Contest, contest, network_arms, overhead_arms

_SMALL = 640
Command = Callable[..., None]


@click.group()
def main() -> None:
    """geoseg beside other libraries on the same scene, network, tiles and overlap."""


def shared(command: Command) -> Command:
    """Options of every table."""
    options = [
        click.option("--only", default="", help="Arms, by name or label, separated by commas."),
        click.option("--tile", default=512, help="Side of a tile, px."),
        click.option("--overlap", default=128, help="Pixels that neighbouring tiles share."),
        click.option("--work", default="runs/peers/work", type=click.Path(path_type=Path), help="Scenes and maps."),
    ]
    return functools.reduce(lambda made, option: option(made), reversed(options), command)


@main.command()
@click.option("--side", default=4096, help="Of the scene, px.")
@click.option("--repeats", default=5, help="Turns.")
@shared
def overhead(side: int, repeats: int, only: str, **where: object) -> None:
    """One convolution on one core: everything but the network."""
    template, scenes = _template(ONE_CONVOLUTION, threads=1, **where)
    title = f"One convolution, {side} x {side} px, deflate, one core, tiles of {template.tile} px"
    scene = repeated(scenes / f"scene_{side}.tif", side)
    contest(Contest(
        table="overhead", title=title, arms=overhead_arms(), template=template, scene=scene, side=side,
        repeats=repeats, only=_names(only),
    ))  # fmt: skip


@main.command()
@click.option("--network", "network", default="unet-resnet18", help="unet-resnet18 or a packaged model.")
@click.option("--side", default=1664, help="Of the scene, px: a multiple of the stride plus the overlap.")
@click.option("--repeats", default=5, help="Turns.")
@click.option("--threads", default=0, help="0 takes every core.")
@shared
def networks(network: str, side: int, repeats: int, threads: int, only: str, **where: object) -> None:
    """A real network on all cores, with the same engine and as peers are used."""
    threads = threads or len(os.sched_getaffinity(0))
    template, scenes = _template(network, threads=threads, **where)
    title = (
        f"{network}, {side} x {side} px, {threads} threads, tiles of {template.tile} px, overlap {template.overlap} px"
    )
    scene = repeated(scenes / f"scene_{side}.tif", side)
    contest(Contest(
        table="networks", title=title, arms=network_arms(), template=template, scene=scene, side=side,
        repeats=repeats, only=_names(only),
    ))  # fmt: skip


@main.command()
@click.option("--small", default="2048,4096", help="Sides that every arm maps, px.")
@click.option("--large", default="8192,24576", help="Sides that geoseg maps, px.")
@click.option("--limited", default=32768, help="Side of the scene under the limit, px.")
@click.option("--limit-gb", default=1.5, help="The limit, GB.")
@click.option("--threads", default=0, help="0 takes every core.")
@shared
def memory(small: str, large: str, limited: int, limit_gb: float, threads: int, only: str, **where: object) -> None:
    """Memory beyond imports, its growth, and a large scene under a limit."""
    template, scenes = _template(ONE_CONVOLUTION, threads=threads or len(os.sched_getaffinity(0)), **where)
    sizes = Sizes(small=_sides(small), large=_sides(large), limited=limited, limit_gb=limit_gb)
    memory_table(template, scenes, sizes, _names(only))


@main.command()
@click.option("--network", default="landcover-rgb", help="A packaged model.")
@click.option("--side", default=1664, help="Of the drawn landscape where GEOSEG_DATA has no scene, px.")
@shared
def seams(network: str, side: int, only: str, **where: object) -> None:
    """Joints of tiles, against one pass over the whole scene."""
    template, scenes = _template(network, threads=len(os.sched_getaffinity(0)), **where)
    real = real_ground()
    ground = landscape(side) if real is None else real
    name = f"drawn_{side}.tif" if real is None else "banepa.tif"
    seam_table(template, write_scene(scenes / name, ground.shape[1], ground), _names(only))


@main.command()
@click.option("--side", default=4096, help="Of the scene, px.")
@shared
def decoded(side: int, only: str, **where: object) -> None:
    """Bytes decoded for each byte of pixels."""
    template, scenes = _template(ONE_CONVOLUTION, threads=len(os.sched_getaffinity(0)), **where)
    decoded_table(template, repeated(scenes / f"scene_{side}.tif", side), _names(only))


def _template(network: str, *, threads: int, tile: int, overlap: int, work: Path) -> tuple[Job, Path]:
    """A job without an arm, and the folder of the scenes."""
    work = work.resolve()
    scenes = work / "scenes"
    package = find_package(network, work / "packages", tile=tile, overlap=overlap)
    small = repeated(scenes / f"scene_{_SMALL}.tif", _SMALL)
    folder = work / "maps"
    job = Job(
        arm=Arm(by="none"), package=str(package), small=str(small), folder=str(folder), tile=tile, overlap=overlap,
        threads=threads,
    )  # fmt: skip
    return job, scenes


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _sides(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part.strip())
