"""Footprints of 400 buildings of known shape, beside a peer, in one run.

Turned rectangles and L shapes give area fractions, which are blurred and get noise; where they are over one half is
the raw class map. Each arm turns its raw polygons into outlines, the peer with three tolerances, the first of which is
its default. It is left out where it is not installed (pip install buildingregulariser==0.2.5).

    python -m benchmarks.regularize [--blur 1.0] [--noise 0.05] [--seed 0]
"""

from __future__ import annotations

import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import click
import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.vector.footprints.coverage import coverage
from geoseg.vector.regularize import regularize
from geoseg.window import Window

ROWS, CELL, REPEATS = 20, 40, 3
"""Buildings in a column of the town; pixels from one to the next; times that an arm runs."""

Outliner = Callable[[], list[shapely.Polygon]]


@dataclass(frozen=True)
class Town:
    truth: list[shapely.Polygon]
    probabilities: NDArray[np.float64]
    raw: list[shapely.Polygon]

    def probability(self, window: Window) -> NDArray[np.float64]:
        scene = Window.of_shape(*self.probabilities.shape)
        found = np.zeros(window.shape)
        inside = window.intersect(scene)
        if inside is not None:
            found[inside.slices_in(window)] = self.probabilities[inside.slices_in(scene)]
        return found


def building(rng: np.random.Generator, col: float, row: float) -> shapely.Polygon:
    """A rectangle of 9 to 22 px a side, half of the time without one of its corners, in any direction."""
    width, height = rng.uniform(9, 22, 2)
    shape = shapely.box(-width / 2, -height / 2, width / 2, height / 2)
    if rng.random() < 0.5:
        right, bottom = (rng.uniform(0.3, 0.6, 2) - 0.5) * (width, height)
        shape -= shapely.box(-width, -height, right, bottom)
    angle = rng.uniform(0, np.pi / 2)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = np.array([col, row]) + rng.uniform(-2, 2, 2)
    return shapely.orient_polygons(shapely.transform(shape, lambda points: points @ turn + centre), exterior_cw=False)


def town(blur: float, noise: float, seed: int) -> Town:
    """Buildings, what a network might say of them, and the polygons of that."""
    from rasterio.features import shapes
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    places = [(col * CELL + CELL / 2, row * CELL + CELL / 2) for row in range(ROWS) for col in range(ROWS)]
    truth = [building(rng, col, row) for col, row in places]
    _, points, (rings, _) = shapely.to_ragged_array(truth)
    fractions = coverage(points, rings.astype(np.int64), ROWS * CELL, ROWS * CELL)
    waves = ndimage.gaussian_filter(rng.normal(size=fractions.shape), 1.0)
    probabilities = ndimage.gaussian_filter(fractions, blur) + waves * noise / waves.std()
    over = (probabilities > 0.5).astype(np.uint8)
    polygons = [shapely.geometry.shape(outline) for outline, value in shapes(over, connectivity=4) if value]
    return Town(truth, np.clip(probabilities, 0, 1), [each for each in polygons if each.area > 20])


def peer(raw: Sequence[shapely.Polygon], *, tolerance: float) -> list[shapely.Polygon]:
    import geopandas
    from buildingregulariser import regularize_geodataframe

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = geopandas.GeoDataFrame(geometry=list(raw), crs="EPSG:32633")
        return list(regularize_geodataframe(frame, num_cores=1, simplify_tolerance=tolerance).geometry)


def row(name: str, found: list[shapely.Polygon], seconds: float, truth: list[shapely.Polygon]) -> str:
    overlaps = [each.intersection(truth[i]).area / each.union(truth[i]).area for i, each in matched(found, truth)]
    corners = len(shapely.get_coordinates(found)) - sum(1 + len(each.interiors) for each in found)
    return (
        f"| {name} | {statistics.mean(overlaps):.4f} | {corners} | {100 * right_angles(found):.1f} % "
        f"| {overlapping(found)} | {sum(not each.is_valid for each in found)} | {1000 * seconds / len(found):.2f} |"
    )


def matched(found: list[shapely.Polygon], truth: list[shapely.Polygon]) -> list[tuple[int, shapely.Polygon]]:
    nearest = shapely.STRtree(truth).nearest([each.centroid for each in found])
    return list(zip(nearest.tolist(), found, strict=True))


def right_angles(polygons: Sequence[shapely.Polygon]) -> float:
    """Share of corners within one degree of 90 or 270."""
    cosines = []
    for ring in (ring for each in polygons for ring in (each.exterior, *each.interiors)):
        sides = np.diff(shapely.get_coordinates(ring), axis=0)
        sides /= np.hypot(*sides.T)[:, None]
        cosines.append(np.sum(sides * np.roll(sides, 1, axis=0), axis=1))
    return float(np.mean(np.abs(np.concatenate(cosines)) <= np.sin(np.radians(1))))


def overlapping(polygons: list[shapely.Polygon]) -> int:
    """Pairs that share ground."""
    array = np.array(polygons)
    one, other = shapely.STRtree(array).query(array, predicate="intersects")
    both = one < other
    return int(np.sum(shapely.area(shapely.intersection(array[one[both]], array[other[both]])) > 1e-9))


@click.command()
@click.option("--blur", default=1.0, show_default=True, help="Of the probabilities, px.")
@click.option("--noise", default=0.05, show_default=True, help="Standard deviation of the probabilities' noise.")
@click.option("--seed", default=0, show_default=True)
def main(blur: float, noise: float, seed: int) -> None:
    scene = town(blur, noise, seed)
    arms: dict[str, Outliner] = {
        "raw": lambda: list(scene.raw),
        "geoseg": lambda: regularize(scene.raw, scene.probability),
        "geoseg, polygons only": lambda: regularize(scene.raw),
    }
    if importlib.util.find_spec("buildingregulariser"):
        for tolerance in (0.5, 1.0, 2.0):
            arms[f"buildingregulariser, {tolerance} px"] = partial(peer, scene.raw, tolerance=tolerance)
    click.echo(f"{len(scene.raw)} polygons of {len(scene.truth)} buildings, blur {blur} px, noise {noise}")
    click.echo("| outlines | IoU with the truth | corners | right angles | overlapping pairs | invalid | ms each |")
    click.echo("|---|---|---|---|---|---|---|")
    for name, outlines in arms.items():
        outlines()
        times = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            found = outlines()
            times.append(time.perf_counter() - started)
        click.echo(row(name, found, statistics.median(times), scene.truth))


if __name__ == "__main__":
    main()
