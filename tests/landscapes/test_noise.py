import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.landscapes.noise import Grid, Points, hashed, key_of, unit


def grid_at(x: float, y: float, gsd: float = 1.0, size: int = 40) -> Grid:
    return Grid(x + np.arange(size) * gsd, y - np.arange(size + 3) * gsd, gsd)


@settings(max_examples=25, deadline=None)
@given(x=st.floats(-1e5, 1e6), y=st.floats(-1e5, 6e6), period=st.floats(2.5, 900), seed=st.integers(0, 2**40))
def test_noise_of_a_grid_is_the_noise_of_its_points(x, y, period, seed):
    grid = grid_at(x, y)
    columns, rows = np.meshgrid(grid.xs, grid.ys)
    points = Points(columns.ravel(), rows.ravel())
    key = key_of(seed, "stream")
    np.testing.assert_allclose(grid.noise(key, period).ravel(), points.noise(key, period), atol=2e-4)


def test_noise_has_about_mean_zero_and_variance_one():
    values = grid_at(0, 0, gsd=40.0, size=400).noise(key_of(3, "any"), 90.0)
    assert abs(values.mean()) < 0.05
    assert 0.8 < values.std() < 1.2


def test_noise_fades_out_on_grids_too_coarse_to_show_it():
    key = key_of(3, "any")
    assert grid_at(0, 0, gsd=1.0).noise(key, 1.5).std() < 0.8 * grid_at(0, 0, gsd=0.5).noise(key, 1.5).std()
    assert not grid_at(0, 0, gsd=2.0).noise(key, 1.5).any()


def test_streams_of_one_world_and_worlds_of_one_stream_are_unrelated():
    i, j = (index.ravel() for index in np.meshgrid(np.arange(-50, 50), np.arange(-50, 50)))
    keys = [key_of(1, "a"), key_of(1, "b"), key_of(2, "a")]
    numbers = np.stack([unit(hashed(key, i, j), part) for key in keys for part in range(4)])
    correlation = np.corrcoef(numbers) - np.eye(len(numbers))
    assert np.abs(correlation).max() < 0.05


def test_hashes_are_uniform_over_a_lattice_with_negative_indices():
    i, j = (index.ravel() for index in np.meshgrid(np.arange(-100, 100), np.arange(-100, 100)))
    counts, _ = np.histogram(unit(hashed(key_of(9, "a"), i, j)), bins=20, range=(0, 1))
    assert np.abs(counts - 2000).max() < 250
