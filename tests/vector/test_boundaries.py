"""Every side of a pixel between two classes is in one line, with the class to its left and the one to its right."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import shapely
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyproj import CRS, Geod

RASTERS = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from([0, 4, 9, 255])
)
FIXTURE = [HealthCheck.function_scoped_fixture]  # it holds nothing
NAMES = {0: "water", 4: "forest", 9: "crops & fields"}


def lines_of(small_map, class_ids, **options):
    """Points, left and right class of each line."""
    table = pa.Table.from_batches(
        small_map(class_ids, crs=None, transform=Affine.scale(1.0, -1.0), **options).boundaries
    )
    lines = shapely.from_wkb(table["geom"].to_numpy())
    points = [(shapely.get_coordinates(line) * (1, -1)).astype(int) for line in lines]
    return list(zip(points, table["left_class"].to_pylist(), table["right_class"].to_pylist(), strict=True))


def cracks_of_lines(lines):
    """(col, row, across) of each unit side and the classes at its left and right, going east or south."""
    found = []
    for points, left, right in lines:
        for begin, end in pairwise(points):
            step = np.sign(end - begin)
            backwards = step.sum() < 0
            sides = (right, left) if backwards else (left, right)
            for at in range(abs(end - begin).sum()):
                corner = begin + step * at + np.minimum(step, 0)
                found.append((*corner.tolist(), bool(step[0]), *sides))
    return sorted(found)


def cracks_of_raster(class_ids):
    found = []
    for (row, col), value in np.ndenumerate(class_ids):
        if row and class_ids[row - 1, col] != value:
            found.append((col, row, True, int(class_ids[row - 1, col]), int(value)))
        if col and class_ids[row, col - 1] != value:
            found.append((col, row, False, int(value), int(class_ids[row, col - 1])))
    return sorted(crack for crack in found if 255 not in crack[3:])


@settings(max_examples=150, deadline=None, suppress_health_check=FIXTURE)
@given(class_ids=RASTERS, block_rows=st.integers(1, 9))
def test_lines_are_the_sides_between_classes_each_once(small_map, class_ids, block_rows):
    from_lines = cracks_of_lines(lines_of(small_map, class_ids, block_rows=block_rows))
    assert from_lines == cracks_of_raster(class_ids)


@settings(max_examples=100, deadline=None, suppress_health_check=FIXTURE)
@given(class_ids=RASTERS, block_rows=st.integers(1, 9))
def test_seams_cut_no_line(small_map, class_ids, block_rows):
    def ends(rows):
        points = [points for points, _, _ in lines_of(small_map, class_ids, block_rows=rows)]
        return sorted(
            sorted(map(tuple, (line[0].tolist(), line[-1].tolist()))) for line in points if (line[0] != line[-1]).any()
        ), len(points)

    assert ends(block_rows) == ends(9)


def test_names_and_lengths_are_those_on_the_ground(small_map):
    class_ids = np.full((30, 20), 4, np.uint8)
    class_ids[:, 10:] = 9
    made = small_map(
        class_ids, block_rows=7, crs=CRS.from_epsg(4326).to_wkt(), transform=Affine(1e-4, 0, 15.0, 0, -1e-4, 60.0)
    )
    (row,) = pa.Table.from_batches(made.boundaries).to_pylist()
    assert NAMES[row["left_class"]] == row["left_class_name"]
    assert {row["left_class_name"], row["right_class_name"]} == {"forest", "crops & fields"}
    line = shapely.from_wkb(row["geom"])
    assert shapely.get_num_coordinates(line) == 2
    assert row["length_m"] == pytest.approx(Geod(ellps="WGS84").geometry_length(line), rel=1e-6)


@pytest.mark.parametrize("down", [-1.0, 1.0])
def test_left_is_left_on_the_map(small_map, down):
    class_ids = np.array([[4, 9]], np.uint8)
    made = small_map(class_ids, transform=Affine(1.0, 0.0, 0.0, 0.0, down, 0.0), crs=None)
    (row,) = pa.Table.from_batches(made.boundaries).to_pylist()
    (_, y0), (_, y1) = shapely.get_coordinates(shapely.from_wkb(row["geom"]))
    northwards = y1 > y0
    assert row["left_class"] == (4 if northwards else 9)
