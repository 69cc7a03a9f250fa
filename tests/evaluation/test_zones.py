from __future__ import annotations

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import ConfigError
from geoseg.evaluation import compare
from geoseg.evaluation.compare import evaluate
from geoseg.evaluation.zones import ELSEWHERE

ORIGIN = Affine(2, 0, 500_000, 0, -2, 3_000_000)


def write(path, values, crs="EPSG:32645"):
    profile = {"driver": "GTiff", "count": 1, "height": values.shape[0], "width": values.shape[1], "nodata": 255}
    with rasterio.open(path, "w", dtype="uint8", crs=crs, transform=ORIGIN, **profile) as file:
        file.write(values, 1)
    return path


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(1)
    labels = rng.choice(np.array([1, 2, 3, 255], dtype=np.uint8), (40, 60))
    mapped = np.where(rng.random(labels.shape) < 0.7, labels, 2).astype(np.uint8)
    confidence = rng.integers(0, 101, labels.shape, dtype=np.uint8)
    made = {"map": mapped, "labels": labels, "confidence": confidence}
    return {name: write(tmp_path / f"{name}.tif", values) for name, values in made.items()} | {"arrays": made}


@pytest.fixture
def districts(tmp_path):
    boxes = [shapely.box(500_000, 2_999_960, 500_050, 3_000_000), shapely.box(500_050, 2_999_900, 500_060, 3_000_000)]
    names = ["north", "strip"]
    table = geopandas.GeoDataFrame({"district": names}, geometry=boxes, crs="EPSG:32645")
    table.to_file(tmp_path / "districts.gpkg")
    return tmp_path / "districts.gpkg"


@given(size=st.floats(2, 200))
def test_blocks_add_up_to_the_whole_and_the_worst_is_first(files, size):
    result = evaluate(files["map"], files["labels"], by="block", block_size=size)
    assert np.array_equal(sum(each.confusion.counts for each in result.zones), result.confusion.counts)
    accuracies = [each.confusion.pixel_accuracy for each in result.zones]
    assert accuracies == sorted(accuracies)


def test_the_outline_of_a_block_holds_the_pixels_that_it_scores(files):
    result = evaluate(files["map"], files["labels"], by="block", block_size=16)
    mapped, labels = files["arrays"]["map"], files["arrays"]["labels"]
    for each in result.zones:
        left, bottom, right, top = each.zone.outline.bounds
        (col, row), (end_col, end_row) = ~ORIGIN @ (left, top), ~ORIGIN @ (right, bottom)
        block = slice(round(row), round(end_row)), slice(round(col), round(end_col))
        both = (mapped[block] != 255) & (labels[block] != 255)
        assert each.confusion.pixels == both.sum()
        assert each.confusion.pixel_accuracy == pytest.approx((mapped[block] == labels[block])[both].mean())
        assert max(both.shape) <= 8


def test_polygons_are_scored_by_their_attribute_and_the_rest_is_told(files, districts):
    result = evaluate(files["map"], files["labels"], by="district", zones=str(districts))
    by_name = {each.zone.name: each.confusion for each in result.zones}
    known = files["arrays"]["labels"] != 255
    assert set(by_name) == {"north", "strip", ELSEWHERE}
    assert by_name["north"].pixels == known[:20, :25].sum()
    assert by_name["strip"].pixels == known[:, 25:30].sum()
    assert sum(each.pixels for each in by_name.values()) == result.pixels


def test_every_count_is_the_same_for_any_windows(files, districts, monkeypatch):
    def everything():
        options = {"by": "district", "zones": str(districts), "boundary_tolerance": 5.0}
        return evaluate(files["map"], files["labels"], confidence=files["confidence"], **options)

    whole = everything()
    monkeypatch.setattr(compare, "_WINDOW_COLS", 11)
    monkeypatch.setattr(compare, "_WINDOW_ROWS", 7)
    assert everything().as_json() == whole.as_json()


def test_without_a_crs_blocks_and_tolerance_are_in_pixels(tmp_path, files):
    mapped = write(tmp_path / "bare.tif", files["arrays"]["map"], crs=None)
    labels = write(tmp_path / "bare_labels.tif", files["arrays"]["labels"], crs=None)
    result = evaluate(mapped, labels, by="block", block_size=20)
    assert len(result.zones) == 6
    assert (result.boundary.tolerance, result.boundary.unit) == (2.0, "px")


def test_the_tolerance_is_two_pixels_of_ground_where_none_is_given(files):
    boundary = evaluate(files["map"], files["labels"]).boundary
    assert boundary.tolerance == pytest.approx(4, rel=1e-2)
    assert boundary.unit == "m"
    with pytest.raises(ConfigError, match=r"boundary_tolerance 9999 m is \d+ pixels of the map: give at most 512"):
        evaluate(files["map"], files["labels"], boundary_tolerance=9999)
