"""An archive of many small scenes, 5 % of them broken in many ways, mapped by one run of `predict_archive`.

    nice -n 10 python -m benchmarks.archive_of_1000 [--scenes 1000] [--workers 2] [--folder DIR]

The scenes are windows of 64 to 200 px of a few landscapes. The job runs in a process of its own without the right to
read what permissions forbid, so that root is refused too. Its memory is looked at twice a second. Then the same command
runs once more, and a sample of the maps is compared with those of single runs.
"""

from __future__ import annotations

import csv
import ctypes
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import psutil
import pystac
import rasterio
from rasterio.windows import Window

from benchmarks.stopped import contents
from geoseg.landscapes.series import training_landscapes
from geoseg.landscapes.write import write_landscape
from geoseg.predict import predict_scene

SIDES = (64, 200)
LAND = 1024
MODEL = "demo-landscape"
OPTIONS = {"model": MODEL, "device": "cpu", "precision": "fp32", "engine": "torch"}
_MEGA = 2**20
_CAPBSET_DROP, _MAY_READ_ALL = 24, (1, 2)
_LOOK_SECONDS = 0.5


def written(path: Path, image: np.ndarray, like: dict[str, object], transform: object) -> Path:
    """Write a scene."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = image.shape
    profile = {"driver": "GTiff", "crs": like["crs"], "nodata": 0, "photometric": "MINISBLACK", "ALPHA": "UNSPECIFIED"}
    size = {"count": count, "height": height, "width": width, "dtype": str(image.dtype), "transform": transform}
    with rasterio.open(path, "w", compress="deflate", **profile, **size) as dataset:
        dataset.write(image)
        dataset.descriptions = ("red", "green", "blue", "nir")[:count]
    return path


def cut(source: rasterio.io.DatasetReader, path: Path, dice: random.Random) -> Path:
    """Write a window of a landscape as a scene."""
    height, width = (dice.randint(*SIDES) for _ in range(2))
    window = Window(dice.randint(0, LAND - width), dice.randint(0, LAND - height), width, height)
    return written(path, source.read(window=window), source.profile, source.window_transform(window))


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _scrambled(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 3 : len(whole) // 2] = os.urandom(len(whole) // 2 - len(whole) // 3)
    path.write_bytes(whole)


def _again(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def rewrite(path: Path) -> None:
        with rasterio.open(path) as dataset:
            image, profile, transform = dataset.read(), dataset.profile, dataset.transform
        path.unlink()
        written(path, change(image), profile, transform)

    return rewrite


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


BREAKAGES: dict[str, Callable[[Path], object]] = {
    "cut in half": _truncated,
    "text named .tif": lambda path: path.write_text("no picture at all\n"),
    "a band too few": _again(lambda image: image[:1]),
    "complex numbers": _again(lambda image: image.astype(np.complex64)),
    "empty file": lambda path: path.write_bytes(b""),
    "no permission": lambda path: path.chmod(0),
    "NaN only": _again(lambda image: np.full(image.shape, np.nan, dtype=np.float32)),
    "missing": Path.unlink,
    "empty folder of that name": _folder,
    "link to nowhere": lambda path: (path.unlink(), path.symlink_to("nowhere.tif")),
}


def made_archive(folder: Path, count: int, seed: int) -> dict[Path, str]:
    """Write the scenes and their list; gives what is wrong with which."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    paths: list[Path] = []
    specs = training_landscapes(4, seed=501, size=LAND, gsd=1.0)
    for place, spec in enumerate(specs):
        land = folder / "land" / f"{place}.tif"
        land.parent.mkdir(exist_ok=True, parents=True)
        write_landscape(spec, land, land.with_name(f"{place}_labels.tif"))
        with rasterio.open(land) as source:
            names = [f"{number % 10}/scene_{number:04}.tif" for number in range(place, count, len(specs))]
            paths += [cut(source, folder / "scenes" / name, dice) for name in names]
    broken = dict(zip(sorted(dice.sample(paths, count // 20)), list(BREAKAGES) * count, strict=False))
    for path, kind in broken.items():
        BREAKAGES[kind](path)
    lines = [str(path.relative_to(folder / "scenes")) for path in sorted(paths)]
    (folder / "scenes" / "scenes.txt").write_text("\n".join(lines) + "\n")
    return broken


def _without_rights() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for right in _MAY_READ_ALL:
        libc.prctl(_CAPBSET_DROP, right, 0, 0, 0)


def ran(folder: Path, workers: int) -> tuple[dict[str, object], dict[str, list[int]]]:
    """Run the job: exit code and seconds; memory of its first process and of workers as time goes by, bytes."""
    command = [sys.executable, "-m", "pipelines.predict_archive", str(folder / "scenes" / "scenes.txt")]
    command += ["-o", str(folder / "maps"), "--workers", str(workers)]
    command += [part for name, value in OPTIONS.items() for part in (f"--{name}", value)]
    memory: dict[str, list[int]] = {"the job": [], "the largest worker": []}
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with (folder / "job.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=_without_rights)  # noqa: PLW1509
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            time.sleep(_LOOK_SECONDS)
            try:
                memory["the job"].append(watched.memory_info().rss)
                below = [each.memory_info().rss for each in watched.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
            memory["the largest worker"].append(max(below, default=0))
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - started
    computed = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    code = process.returncode
    return {"exit code": code, "seconds": round(wall, 1), "seconds of cores": round(computed, 1)}, memory


def checked(folder: Path, broken: dict[Path, str], sample: int, seed: int) -> dict[str, object]:
    """What the report says, and whether maps are those of single runs."""
    with (folder / "maps" / "report.csv").open(newline="") as file:
        rows = {Path(row["scene"]): row for row in csv.DictReader(file)}
    failed = {path for path, row in rows.items() if row["status"] == "failed"}
    good = sorted(set(rows) - failed)
    differing = 0
    for path in random.Random(seed).sample(good, min(sample, len(good))):  # noqa: S311 - no secret
        alone = folder / "alone" / path.stem
        predict_scene(path, alone, **OPTIONS)
        differing += contents(folder / "maps" / path.parent.name / path.stem, path.stem) != contents(alone, path.stem)
    items = list(pystac.Collection.from_file(str(folder / "maps" / "collection.json")).get_items())
    return {
        "scenes": len(rows),
        "mapped": len(good),
        "failed": len(failed),
        "failed as they should": failed == set(broken),
        "reasons": {broken.get(path, "none"): rows[path]["reason"] for path in sorted(failed)},
        "reasons of one line": all(rows[path]["reason"] and "\n" not in rows[path]["reason"] for path in failed),
        "megapixels": sum(float(row["Mpx"] or 0) for row in rows.values()),
        "sample": min(sample, len(good)),
        "not the same": differing,
        "items": len(items),
        "leftovers": sum(1 for path in (folder / "maps").rglob(".*") if path.name.startswith(".")),
    }


@click.command(help=__doc__)
@click.option("--scenes", type=click.IntRange(min=20), default=1000)
@click.option("--workers", type=click.IntRange(min=1), default=2)
@click.option("--sample", type=click.IntRange(min=1), default=20)
@click.option("--seed", type=int, default=0)
@click.option("--folder", type=click.Path(path_type=Path), help="Kept; a temporary one where not given.")
def main(scenes: int, workers: int, sample: int, seed: int, folder: Path | None) -> None:
    """Make, run, check, run again."""
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        broken = made_archive(place, scenes, seed)
        for turn in ("first run", "second run"):
            found, memory = ran(place, workers)
            told = {name: [value // _MEGA for value in _thirds(values)] for name, values in memory.items()}
            click.echo(json.dumps({"run": turn, **found, "MiB by third": told}))
        click.echo(json.dumps({"broken": Counter(broken.values()), **checked(place, broken, sample, seed)}, indent=1))


def _thirds(values: list[int]) -> list[int]:
    """The most in each third of the time."""
    step = max(1, len(values) // 3)
    return [max(values[start : start + step], default=0) for start in (0, step, 2 * step)]


if __name__ == "__main__":
    main()
