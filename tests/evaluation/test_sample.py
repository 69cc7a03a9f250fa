from __future__ import annotations

import contextlib
import logging
import sqlite3
import xml.etree.ElementTree as ET

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from geoseg.config.sample import SampleSettings
from geoseg.errors import ConfigError, LabelError, OutputError
from geoseg.evaluation import strata as strata_module
from geoseg.evaluation.class_raster import open_class_raster
from geoseg.evaluation.sample import allocate, draw_points, draw_sample
from geoseg.evaluation.sample_file import read_sample_source
from geoseg.evaluation.strata import strata_of

UTM = "EPSG:32633"
ORIGIN = Affine(2, 0, 500_000, 0, -2, 5_000_000)


def write(path, values, *, crs=UTM, transform=ORIGIN, names=None, colours=None, **options):
    profile = {"driver": "GTiff", "count": 1, "height": values.shape[0], "width": values.shape[1], "nodata": 255}
    with rasterio.open(path, "w", dtype=values.dtype, crs=crs, transform=transform, **profile | options) as file:
        file.write(values, 1)
        file.update_tags(1, **{f"CLASS_{id_}": name for id_, name in (names or {}).items()})
        if colours:
            file.write_colormap(1, colours)
    return path


@pytest.fixture
def ids():
    rng = np.random.default_rng(1)
    return rng.choice(np.array([1, 2, 7, 255], np.uint8), (60, 80), p=[0.7, 0.2, 0.05, 0.05])


@pytest.fixture
def raster(tmp_path, ids):
    colours = {1: (0, 0, 255), 2: (0, 128, 0), 7: (200, 10, 10)}
    return write(tmp_path / "map.tif", ids, names={1: "water", 2: "forest", 7: "road", 9: "rock"}, colours=colours)


def drawn(path, counts, *, seed=0):
    with open_class_raster(path) as opened:
        strata = strata_of(opened)
        return draw_points(opened, strata, np.array(counts), seed=seed)


def rows_of(path, layer="sample"):
    meta, _, geometry, columns = pyogrio.raw.read(path, layer=layer)
    points = None if geometry is None else shapely.get_coordinates(shapely.from_wkb(geometry))
    return points, dict(zip(meta["fields"], columns, strict=True))


def test_each_class_gets_its_points_on_pixels_of_it_and_none_twice(raster, ids):
    points = drawn(raster, [100, 50, 30, 0])
    assert np.array_equal(ids[points.rows, points.cols], points.class_ids)
    assert np.bincount(points.class_ids)[[1, 2, 7]].tolist() == [100, 50, 30]
    assert len({*zip(points.rows.tolist(), points.cols.tolist(), strict=True)}) == 180


def test_every_pixel_of_a_class_can_be_asked_for(raster, ids):
    counts = [int((ids == id_).sum()) for id_ in (1, 2, 7)]
    points = drawn(raster, [*counts, 0])
    seen = np.zeros(ids.shape, dtype=bool)
    seen[points.rows, points.cols] = True
    assert np.array_equal(seen, ids != 255)


def test_the_same_seed_draws_the_same_points_whatever_the_blocks(raster, monkeypatch):
    whole = drawn(raster, [40, 30, 20, 0], seed=5)
    monkeypatch.setattr(strata_module, "_STORAGE_ROWS", 7)
    monkeypatch.setattr(strata_module, "_BLOCK_PIXELS", 80 * 7)
    monkeypatch.setattr(strata_module, "_PIECE_PIXELS", 80 * 3)
    blocks = drawn(raster, [40, 30, 20, 0], seed=5)
    for name in ("rows", "cols", "class_ids"):
        assert np.array_equal(getattr(whole, name), getattr(blocks, name))
    assert not np.array_equal(whole.rows, drawn(raster, [40, 30, 20, 0], seed=6).rows)


def test_every_pixel_of_a_class_is_as_likely_as_any_other(tmp_path):
    ids = np.array([[1, 2, 1, 1, 2], [1, 1, 255, 2, 1]], dtype=np.uint8)
    path = write(tmp_path / "small.tif", ids)
    hits = np.zeros(ids.shape)
    with open_class_raster(path) as opened:
        strata = strata_of(opened)
        for seed in range(600):
            points = draw_points(opened, strata, np.array([2, 1]), seed=seed)
            hits[points.rows, points.cols] += 1
    for id_, count in ((1, 1200), (2, 600)):
        assert hits[ids == id_].sum() == count
        assert stats.chisquare(hits[ids == id_]).pvalue > 0.01


def test_the_order_of_the_points_tells_nothing_of_their_class(raster):
    first = sum(drawn(raster, [30, 30, 30, 0], seed=seed).class_ids[0] == 1 for seed in range(40))
    assert 4 < first < 23
    order = drawn(raster, [30, 30, 30, 0]).class_ids
    assert np.count_nonzero(np.diff(order)) > 40


def test_a_number_for_each_class_never_asks_for_more_than_there_is():
    settings = SampleSettings(per_class=50)
    assert allocate(np.array([1000, 20, 0]), settings).tolist() == [50, 20, 0]


def test_a_total_is_shared_by_pixels_with_a_floor_for_rare_classes():
    settings = SampleSettings(total=640, at_least=75)
    assert allocate(np.array([200_000, 150_000, 3_200_000, 6_450_000]), settings).tolist() == [75, 75, 162, 328]


@given(
    pixels=st.lists(st.integers(0, 5000), min_size=1, max_size=8).filter(any),
    total=st.integers(2, 3000),
    at_least=st.integers(2, 60),
)
def test_a_total_is_met_exactly_within_the_pixels_and_above_the_floor(pixels, total, at_least):
    pixels = np.array(pixels)
    settings = SampleSettings(total=total, at_least=at_least)
    least = np.minimum(pixels, at_least)
    if total < least.sum():
        with pytest.raises(ConfigError, match="too small"):
            allocate(pixels, settings)
        return
    counts = allocate(pixels, settings)
    assert counts.sum() == min(total, pixels.sum())
    assert (counts <= pixels).all()
    assert (counts >= least).all()
    above = counts > least + 1
    shares = counts[above] / pixels[above]
    assert shares.size == 0 or np.ptp(shares * pixels[above].min()) <= 2


def test_the_number_of_points_has_to_be_said_once(raster, tmp_path):
    with pytest.raises(ConfigError, match="--per-class"):
        draw_sample(raster, tmp_path / "points.gpkg", SampleSettings())
    with pytest.raises(ValueError, match="choose one"):
        SampleSettings(total=100, per_class=10)


def test_points_lie_at_pixel_centres_and_wait_for_their_label(raster, ids, tmp_path):
    sample = draw_sample(raster, tmp_path / "points.gpkg", SampleSettings(per_class=30))
    xy, columns = rows_of(sample.path)
    cols, rows = ~ORIGIN @ (xy[:, 0], xy[:, 1])
    assert np.allclose(rows % 1, 0.5)
    assert np.allclose(cols % 1, 0.5)
    assert np.bincount(ids[rows.astype(int), cols.astype(int)], minlength=8)[[1, 2, 7]].tolist() == [30, 30, 30]
    assert list(columns) == ["point_id", "reference_class", "comment"]
    assert columns["point_id"].tolist() == list(range(1, 91))
    assert np.isnan(columns["reference_class"]).all()
    assert pyogrio.read_info(sample.path, layer="sample")["crs"] == UTM
    assert pyogrio.list_layers(sample.path)[:, 0].tolist() == ["sample", "strata", "sample_source", "layer_styles"]


def test_the_class_of_the_map_is_in_the_file_only_on_request(raster, ids, tmp_path):
    sample = draw_sample(raster, tmp_path / "points.gpkg", SampleSettings(per_class=5, blind=False))
    xy, columns = rows_of(sample.path)
    cols, rows = (np.floor(each).astype(int) for each in ~ORIGIN @ (xy[:, 0], xy[:, 1]))
    assert np.array_equal(columns["map_class"], ids[rows, cols])
    assert set(columns["map_class_name"]) == {"water", "forest", "road"}


def test_the_strata_and_the_map_that_they_are_of_are_kept(raster, ids, tmp_path):
    sample = draw_sample(raster, tmp_path / "points.gpkg", SampleSettings(per_class=30))
    _, strata = rows_of(sample.path, "strata")
    assert strata["class_name"].tolist() == ["water", "forest", "road", "rock"]
    assert strata["pixels"].tolist() == [int((ids == id_).sum()) for id_ in (1, 2, 7, 9)]
    assert strata["area_m2"][:3] / strata["pixels"][:3] == pytest.approx([4, 4, 4], rel=2e-3)
    assert strata["points"].tolist() == [30, 30, 30, 0]
    source = read_sample_source(sample.path)
    assert (source.sha256, source.points) == (sample.strata.sha256, 90)


def style_of(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        (text,) = database.execute("SELECT styleQML FROM layer_styles WHERE useAsDefault").fetchone()
    return ET.fromstring(text)  # noqa: S314 - our own text


def test_the_form_offers_every_class_by_name_and_the_legend_shows_what_is_left(raster, tmp_path):
    style = style_of(draw_sample(raster, tmp_path / "points.gpkg", SampleSettings(per_class=5)).path)
    field = style.find("fieldConfiguration/field[@name='reference_class']/editWidget")
    assert field.get("type") == "ValueMap"
    choices = [(choice.get("name"), choice.get("value")) for choice in field.findall("config/Option/Option/Option/*")]
    assert choices == [("water", "1"), ("forest", "2"), ("road", "7"), ("rock", "9")]
    legend = [category.get("label") for category in style.iter("category")]
    assert legend == ["water", "forest", "road", "rock", "to label"]
    sizes = {option.get("value") for option in style.iter("Option") if option.get("name") == "size"}
    assert sizes == {"3", "2.0"}


def test_one_map_has_one_identity_however_it_is_stored_and_another_map_has_another(tmp_path, ids):
    def identity(name, values, **options):
        with open_class_raster(write(tmp_path / name, values, **options)) as opened:
            return strata_of(opened).sha256

    plain = identity("plain.tif", ids)
    assert identity("tiled.tif", ids, tiled=True, blockxsize=16, blockysize=16, compress="deflate") == plain
    swapped = ids.copy()
    swapped[0, 0], swapped[0, 1] = 1, 2
    other = swapped.copy()
    other[0, 0], other[0, 1] = 2, 1
    assert identity("swapped.tif", swapped) != identity("other.tif", other)
    assert identity("moved.tif", ids, transform=ORIGIN @ Affine.translation(1, 0)) != plain


def test_areas_follow_the_latitude_of_pixels_in_degrees(tmp_path):
    ids = np.repeat(np.array([[1], [2]], np.uint8), 40, axis=0).repeat(10, axis=1)
    path = write(tmp_path / "degrees.tif", ids, crs="EPSG:4326", transform=Affine(0.25, 0, 10, 0, -0.25, 70))
    with open_class_raster(path) as opened:
        strata = strata_of(opened)
    assert strata.area_unit == "m2"
    assert strata.pixels.tolist() == [400, 400]
    by_hand = [strip_area(60, 70) * 2.5 / 360, strip_area(50, 60) * 2.5 / 360]
    assert strata.areas == pytest.approx(by_hand, rel=1e-3)


def strip_area(south, north):
    """Area of the WGS 84 ellipsoid between two parallels, m²: the closed form."""
    axis, square = 6_378_137.0, 0.00669437999014
    e = square**0.5

    def below(latitude):
        sine = np.sin(np.radians(latitude))
        return sine / (1 - square * sine**2) + np.log((1 + e * sine) / (1 - e * sine)) / (2 * e)

    return np.pi * axis**2 * (1 - square) * (below(north) - below(south))


def test_a_map_without_crs_counts_in_pixels(tmp_path, ids):
    path = write(tmp_path / "bare.tif", ids, crs=None, transform=Affine.scale(2, -2))
    sample = draw_sample(path, tmp_path / "points.gpkg", SampleSettings(per_class=5))
    assert sample.strata.area_unit == "px"
    assert sample.strata.areas.tolist() == sample.strata.pixels.tolist()
    assert rows_of(sample.path, "strata")[1]["area_m2"].tolist() == pytest.approx([np.nan] * 3, nan_ok=True)


def test_a_class_with_few_pixels_is_named(tmp_path, raster, ids, caplog):
    with caplog.at_level(logging.WARNING, logger="geoseg"):
        draw_sample(raster, tmp_path / "points.gpkg", SampleSettings(per_class=500))
    assert f"fewer than 500 pixels, so all of them are drawn: road ({(ids == 7).sum()})" in caplog.text


def test_a_file_that_is_there_is_replaced_only_on_request(raster, tmp_path):
    output = tmp_path / "points.gpkg"
    output.write_text("labels of a week")
    with pytest.raises(OutputError, match="--overwrite"):
        draw_sample(raster, output, SampleSettings(per_class=5))
    assert output.read_text() == "labels of a week"
    draw_sample(raster, output, SampleSettings(per_class=5, overwrite=True))
    assert len(rows_of(output)[0]) == 15


@pytest.mark.parametrize("failing", ["nowhere", "empty", "few"])
def test_a_sample_that_cannot_be_drawn_leaves_nothing_behind(tmp_path, raster, failing):
    empty = write(tmp_path / "empty.tif", np.full((4, 4), 255, np.uint8))
    path = {"nowhere": tmp_path / "absent.tif", "empty": empty, "few": raster}[failing]
    before = sorted(tmp_path.iterdir())
    with pytest.raises((LabelError, ConfigError)) as caught:
        draw_sample(path, tmp_path / "points.gpkg", SampleSettings(total=100))
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_a_sample_is_a_geopackage(raster, tmp_path):
    with pytest.raises(OutputError, match=r"ends in \.gpkg"):
        draw_sample(raster, tmp_path / "points.shp", SampleSettings(per_class=5))
