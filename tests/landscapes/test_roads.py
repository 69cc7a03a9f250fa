import numpy as np
import pytest

from geoseg.landscapes.noise import Grid, Points
from geoseg.landscapes.roads import COUNTRY_ROAD, country_roads_near, distance_to, road_distances
from geoseg.landscapes.spec import Mix, World

WORLD = World(4, Mix())


def grid_around(x: float, y: float, *, gsd: float = 0.5, size: int = 160) -> Grid:
    offsets = (np.arange(size) - (size - 1) / 2) * gsd
    return Grid(x + offsets, y - offsets, gsd)


@pytest.fixture(scope="module")
def road():
    """A country road's piece in the open: long, and far from every street."""
    segments = country_roads_near(World(4, Mix(villages=0)), Points(np.array([4e5]), np.array([5.3e6])))
    middles = (segments[:, :2] + segments[:, 2:]) / 2
    others = [
        np.sort(np.hypot(*(middles - middle).T))[3] for middle in middles
    ]  # the third next piece is another road or further along this one
    return segments[int(np.argmax(others))]


def test_distances_of_pixels_are_those_of_points(road):
    grid = grid_around((road[0] + road[2]) / 2, (road[1] + road[3]) / 2, gsd=0.7, size=60)
    world = World(4, Mix(villages=0))
    kerb = road_distances(world, grid, np.empty((0, 4))).kerb
    columns, rows = np.meshgrid(grid.xs, grid.ys)
    oracle = distance_to(country_roads_near(world, grid), Points(columns.ravel(), rows.ravel()))
    near = oracle < 10
    np.testing.assert_allclose(kerb.ravel()[near], oracle[near] - COUNTRY_ROAD / 2, atol=1e-2)


def test_a_country_road_is_as_wide_as_it_says_in_metres_at_any_resolution(road):
    x0, y0, x1, y1 = road
    length = np.hypot(x1 - x0, y1 - y0)
    along = np.array([x1 - x0, y1 - y0]) / length
    for gsd in (0.25, 0.5):
        grid = grid_around((x0 + x1) / 2, (y0 + y1) / 2, gsd=gsd, size=int(60 / gsd))
        kerb = road_distances(World(4, Mix(villages=0)), grid, np.empty((0, 4))).kerb
        columns, rows = np.meshgrid(grid.xs - (x0 + x1) / 2, grid.ys - (y0 + y1) / 2)
        stretch = np.abs(columns * along[0] + rows * along[1]) < 5
        across = np.abs(columns * along[1] - rows * along[0]) < 12
        width = (stretch & across & (kerb < 0)).sum() * gsd**2 / 10
        assert width == pytest.approx(COUNTRY_ROAD, abs=0.35)


def test_without_segments_every_road_is_infinitely_far():
    assert np.isinf(distance_to(np.empty((0, 4)), Points(np.zeros(2), np.zeros(2)))).all()
