"""Polygons of a class raster in memory, beside what rasterio users write for them."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from scipy import ndimage

from geoseg.vector.arcs import trace_arcs
from geoseg.vector.geometries import to_shapely, to_wkb
from geoseg.vector.outlines import Outlines
from geoseg.vector.polygonize import polygons_of
from geoseg.vector.regions import RegionBlock, find_regions
from geoseg.vector.rings import Outliner
from geoseg.window import Window

SIDE = 1024
CLASSES = 7


@pytest.fixture(scope="module")
def class_ids() -> np.ndarray:
    rng = np.random.default_rng(0)
    scores = [ndimage.gaussian_filter(rng.random((SIDE, SIDE), dtype=np.float32), 5) for _ in range(CLASSES)]
    return np.argmax(scores, axis=0).astype(np.uint8)


@pytest.fixture(scope="module")
def ids(class_ids) -> np.ndarray:
    """Region ids (SIDE + 2, SIDE)."""
    block = RegionBlock(window=Window.of_shape(SIDE, SIDE), class_ids=class_ids)
    regions = find_regions([block], areas=None, with_borders=False, workers=1)
    return regions.block_ids(0, class_ids)


@pytest.fixture(scope="module")
def outlines(ids) -> Outlines:
    return _linked(ids)


def _linked(ids: np.ndarray) -> Outlines:
    outliner = Outliner()
    outliner.add(trace_arcs(ids, first_row=0, height=SIDE))
    return outliner.take(np.ones(ids.max() + 1, dtype=np.bool_))


@pytest.fixture(scope="module")
def expected(class_ids) -> int:
    return sum(1 for _ in rasterio.features.shapes(class_ids))


def test_polygonize_by_one_thread(benchmark, class_ids, expected):
    _, polygons = benchmark(polygons_of, class_ids, workers=1, block_rows=256)
    assert len(polygons) == expected


def test_polygonize_by_two_threads(benchmark, class_ids, expected):
    _, polygons = benchmark(polygons_of, class_ids, workers=2, block_rows=256)
    assert len(polygons) == expected


def test_polygonize_with_rasterio(benchmark, class_ids, expected):
    def shapes() -> list[shapely.Polygon]:
        return [shapely.geometry.shape(shape) for shape, _ in rasterio.features.shapes(class_ids)]

    assert len(benchmark(shapes)) == expected


def test_trace_arcs(benchmark, ids):
    assert len(benchmark(trace_arcs, ids, first_row=0, height=SIDE)) > 0


def test_trace_and_link_arcs(benchmark, ids, expected):
    assert len(benchmark(_linked, ids)) == expected


def test_outlines_to_shapely(benchmark, outlines, expected):
    assert len(benchmark(to_shapely, outlines, Affine.identity())) == expected


def test_outlines_to_well_known_binary(benchmark, outlines, expected):
    assert len(benchmark(to_wkb, outlines, Affine.identity())) == expected


def test_outlines_to_well_known_binary_with_shapely(benchmark, outlines, expected):
    def written() -> np.ndarray:
        return shapely.to_wkb(to_shapely(outlines, Affine.identity()), flavor="iso")

    assert len(benchmark(written)) == expected
