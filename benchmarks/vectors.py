"""Polygons of a large class raster beside peers, in one run.

Each arm makes polygons of the same raster in a process of its own; arms take turns, the tables give medians and the
memory over what the imports need. Peers that are not there are left out: gdal_polygonize.py is Debian's gdal-bin.

    python -m benchmarks.vectors [--side 8192] [--repeats 3]
    python -m benchmarks.vectors --memory [--side 32768]     the same ground in growing rasters, geoseg alone
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np

CLASSES = 7
_PATCH = 4096
_SMALLEST = 16
_GROUPS = (
    ("raster in memory to shapely", ("shapes", "geoseg 1 thread", "geoseg 2 threads", "geoseg strict")),
    ("raster to file", ("gdal_polygonize", "geoseg gpkg", "geoseg gpkg, certainty", "geoseg parquet")),
    ("simplify polygons in memory by 1 px", ("coverage_simplify", "geoseg simplify", "geoseg simplify vw")),
)


def make_raster(path: Path, side: int) -> None:
    """Regions of seven classes of at least 16 px: one piece of ground, repeated where the raster is larger."""
    import rasterio
    from affine import Affine
    from rasterio.features import sieve
    from scipy import ndimage

    rng = np.random.default_rng(0)
    patch = min(side, _PATCH)
    scores = [
        ndimage.uniform_filter(
            ndimage.uniform_filter(rng.random((patch, patch), dtype=np.float32), 23, mode="wrap"), 15
        )
        for _ in range(CLASSES)
    ]
    ground = sieve(np.argmax(scores, axis=0).astype(np.uint8), _SMALLEST)
    place = Affine(1, 0, 500_000, 0, -1, 5_400_000)
    tiled = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "ZSTD", "bigtiff": "IF_SAFER"}
    options = {"driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": "uint8", "nodata": 255, **tiled}
    confidence = path.with_name(f"confidence_{path.name}")
    with (
        rasterio.open(path, "w", crs="EPSG:32633", transform=place, **options) as classes,
        rasterio.open(confidence, "w", crs="EPSG:32633", transform=place, **options) as sure,
    ):
        across = -(-side // patch)
        for top in range(0, side, 512):
            rows = np.take(ground, range(top, min(top + 512, side)), axis=0, mode="wrap")
            window = ((top, top + len(rows)), (0, side))
            wide = np.tile(rows, (1, across))[:, :side]
            classes.write(wide, 1, window=window)
            sure.write((wide * 13 + np.arange(side) % 40).astype(np.uint8) % 101, 1, window=window)


def shapes(raster: Path, _out: Path) -> dict[str, float]:
    from rasterio.features import shapes as outlines
    from shapely.geometry import shape

    class_ids = _read(raster)
    return timed(lambda: len([shape(geometry) for geometry, _ in outlines(class_ids)]))


def in_memory(workers: int, *, strict: bool = False) -> Callable[[Path, Path], dict[str, float]]:
    def arm(raster: Path, _out: Path) -> dict[str, float]:
        from geoseg.vector.polygonize import polygons_of

        class_ids = _read(raster)
        polygons_of(class_ids[:256, :256], strict=strict)  # compiled code is loaded, as the others' is
        return timed(lambda: len(polygons_of(class_ids, workers=workers, strict=strict)[1]))

    return arm


def gdal_polygonize(raster: Path, out: Path) -> dict[str, float]:
    command = shutil.which("gdal_polygonize.py")
    if command is None:
        return {}
    target = out / "gdal.gpkg"
    return timed(lambda: subprocess.run([command, "-q", str(raster), str(target)], check=True) and 0, children=True)


def to_file(name: str, *, certain: bool = False) -> Callable[[Path, Path], dict[str, float]]:
    def arm(raster: Path, out: Path) -> dict[str, float]:
        small = raster.with_name("small.tif")
        vectorized(small, out / "small.gpkg", certain=False)
        return timed(lambda: vectorized(raster, out / name, certain=certain))

    return arm


def vectorized(raster: Path, out: Path, *, certain: bool) -> int:
    from geoseg.classes import ClassMap
    from geoseg.vector.columns import Provenance
    from geoseg.vector.options import VectorOptions
    from geoseg.vector.run_table import RunRecord
    from geoseg.vector.vectorize import ClassRasters, vectorize

    confidence = raster.with_name(f"confidence_{raster.name}") if certain else None
    summary = vectorize(
        ClassRasters(class_raster=raster, confidence=confidence),
        out,
        classes=ClassMap.of([(number, f"class {number}", f"#{number * 30:02x}8040") for number in range(CLASSES)]),
        options=VectorOptions(),
        record=RunRecord(provenance=Provenance(run_id="benchmark")),
    )
    return summary.polygons


def coverage_simplify(raster: Path, _out: Path) -> dict[str, float]:
    import shapely

    from geoseg.vector.polygonize import polygons_of

    _, polygons = polygons_of(_read(raster))
    return timed(lambda: int(shapely.get_num_coordinates(shapely.coverage_simplify(polygons, 1.0)).sum()))


def simplified(method: str) -> Callable[[Path, Path], dict[str, float]]:
    """Arcs are simplified before they are polygons: what that takes beyond making them."""

    def arm(raster: Path, _out: Path) -> dict[str, float]:
        from geoseg.vector.arcs import trace_arcs
        from geoseg.vector.regions import RegionBlock, find_regions
        from geoseg.vector.simplify import Seams, simplify_arcs
        from geoseg.window import Window

        class_ids = _read(raster)
        height, width = class_ids.shape
        windows = [Window.between(top, min(top + 512, height), 0, width) for top in range(0, height, 512)]
        blocks = [RegionBlock(window=window, class_ids=class_ids[window.row : window.bottom]) for window in windows]
        regions = find_regions(blocks, areas=None, with_borders=False, workers=2)
        traced = [
            (window, trace_arcs(regions.block_ids(at, blocks[at].class_ids), first_row=window.row, height=height))
            for at, window in enumerate(windows)
        ]

        def simplify() -> int:
            points = 0
            for window, arcs in traced:
                seams = Seams(first_row=window.row, last_row=window.bottom, height=height)
                points += len(simplify_arcs(arcs, 1.0, method, seams).points)
            return points

        small = Seams(first_row=0, last_row=512, height=512)
        simplify_arcs(traced[0][1], 1.0, method, small)
        return timed(simplify)

    return arm


ARMS: dict[str, Callable[[Path, Path], dict[str, float]]] = {
    "shapes": shapes,
    "geoseg 1 thread": in_memory(1),
    "geoseg 2 threads": in_memory(2),
    "geoseg strict": in_memory(2, strict=True),
    "gdal_polygonize": gdal_polygonize,
    "geoseg gpkg": to_file("geoseg.gpkg"),
    "geoseg gpkg, certainty": to_file("certain.gpkg", certain=True),
    "geoseg parquet": to_file("geoseg.parquet"),
    "coverage_simplify": coverage_simplify,
    "geoseg simplify": simplified("dp"),
    "geoseg simplify vw": simplified("vw"),
}


def timed(work: Callable[[], int], *, children: bool = False) -> dict[str, float]:
    """Seconds, growth of the peak of memory, and what the work counted."""
    before = 0 if children else _peak()
    started = time.perf_counter()
    count = work()
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if children else _peak()
    return {"seconds": seconds, "mb": (after - before) / 1024, "count": count}


def _peak() -> int:
    """Most memory that this process has held, KiB; rusage counts that of the process which started it too."""
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1])


def _read(raster: Path) -> np.ndarray:
    import rasterio

    with rasterio.open(raster) as dataset:
        return dataset.read(1)


def _in_process(arm: str, raster: Path, out: Path) -> dict[str, float]:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    command = [sys.executable, "-m", "benchmarks.vectors", "--arm", arm, "--raster", str(raster), "--out", str(out)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(printed.strip().splitlines()[-1])


def compare(side: int, repeats: int, folder: Path) -> None:
    """Every arm in turns."""
    raster = folder / "classes.tif"
    make_raster(raster, side)
    make_raster(folder / "small.tif", 512)
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for _ in range(repeats):
        for arm in ARMS:
            found[arm].append(_in_process(arm, raster, folder / "out"))
    for title, arms in _GROUPS:
        _table(title, arms, found)


def _table(title: str, arms: Sequence[str], found: dict[str, list[dict[str, float]]]) -> None:
    click.echo(f"\n| {title} | s | of the first | MB beyond imports and input | polygons or points |\n|--|--|--|--|--|")
    first: float | None = None
    for arm in arms:
        runs = [run for run in found[arm] if run]
        if not runs:
            click.echo(f"| {arm} | not installed | | | |")
            continue
        seconds, memory = (statistics.median(run[key] for run in runs) for key in ("seconds", "mb"))
        first = first or seconds
        click.echo(f"| {arm} | {seconds:.2f} | {seconds / first:.3f} | {memory:.0f} | {runs[0]['count']:,.0f} |")


def memory(side: int, folder: Path) -> None:
    """geoseg on ever larger rasters of the same ground."""
    click.echo("| side, px | s | ns/px | MB beyond imports | polygons |\n|--|--|--|--|--|")
    make_raster(folder / "small.tif", 512)
    sides = [each for each in (4096, 8192, 16384, 32768, 65536) if each <= side]
    for each in sides:
        raster = folder / f"classes_{each}.tif"
        make_raster(raster, each)
        run = _in_process("geoseg gpkg, certainty", raster, folder / "out")
        shutil.rmtree(folder / "out")
        raster.unlink()
        per_pixel = run["seconds"] / each**2 * 1e9
        click.echo(f"| {each} | {run['seconds']:.1f} | {per_pixel:.0f} | {run['mb']:.0f} | {run['count']:,.0f} |")


@click.command()
@click.option("--side", default=8192)
@click.option("--repeats", default=3)
@click.option("--memory", "only_memory", is_flag=True)
@click.option("--arm", hidden=True)
@click.option("--raster", type=click.Path(path_type=Path), hidden=True)
@click.option("--out", type=click.Path(path_type=Path), hidden=True)
def main(side: int, repeats: int, *, only_memory: bool, arm: str | None, raster: Path | None, out: Path | None) -> None:
    """Polygons beside peers."""
    if arm is not None and raster is not None and out is not None:
        click.echo(json.dumps(ARMS[arm](raster, out)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if only_memory:
            memory(side, Path(folder))
        else:
            compare(side, repeats, Path(folder))


if __name__ == "__main__":
    main()
