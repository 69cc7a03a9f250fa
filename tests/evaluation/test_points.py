from __future__ import annotations

import logging

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine

from geoseg.config.sample import SampleSettings
from geoseg.errors import LabelError
from geoseg.evaluation.class_raster import open_class_raster
from geoseg.evaluation.estimate import estimate_accuracy
from geoseg.evaluation.points import _counted, assess_points
from geoseg.evaluation.sample import draw_points, draw_sample
from geoseg.evaluation.strata import strata_of

UTM = "EPSG:32633"
ORIGIN = Affine(2, 0, 500_000, 0, -2, 5_000_000)


def write(path, values, *, crs=UTM, transform=ORIGIN):
    profile = {"driver": "GTiff", "count": 1, "height": values.shape[0], "width": values.shape[1], "nodata": 255}
    with rasterio.open(path, "w", dtype=values.dtype, crs=crs, transform=transform, **profile) as file:
        file.write(values, 1)
        file.update_tags(1, CLASS_1="water", CLASS_2="forest", CLASS_7="road", CLASS_9="rock")
    return path


@pytest.fixture
def truth():
    rng = np.random.default_rng(1)
    return rng.choice(np.array([1, 2, 7], np.uint8), (90, 110), p=[0.6, 0.3, 0.1])


@pytest.fixture
def mapped(truth):
    rng = np.random.default_rng(2)
    wrong = rng.choice(np.array([1, 2, 7], np.uint8), truth.shape)
    ids = np.where(rng.random(truth.shape) < 0.8, truth, wrong).astype(np.uint8)
    ids[:3] = 255
    return ids


@pytest.fixture
def raster(tmp_path, mapped):
    return write(tmp_path / "map.tif", mapped)


def frame(pixels, labels, *, crs=UTM, column="reference_class"):
    """Points at the centres of (row, column) pixels."""
    rows, cols = np.array(pixels).T
    xs, ys = ORIGIN @ (cols + 0.5, rows + 0.5)
    return geopandas.GeoDataFrame({column: labels}, geometry=geopandas.points_from_xy(xs, ys), crs=crs)


def every_pixel(truth, mapped):
    pixels = np.argwhere(mapped != 255)
    return frame(pixels, truth[mapped != 255].astype("int16"))


def save(points, path, layer="sample"):
    points.to_file(path, layer=layer, engine="pyogrio") if path.suffix == ".gpkg" else points.to_file(path)
    return path


def label(path, truth):
    """Label a drawn sample as an analyst does, keeping the file's other tables."""
    points = geopandas.read_file(path, layer="sample")
    cols, rows = (np.floor(each).astype(int) for each in ~ORIGIN @ (points.geometry.x, points.geometry.y))
    points["reference_class"] = pd.array(truth[rows, cols], dtype="Int16")
    pyogrio.write_dataframe(points, path, layer="sample", driver="GPKG")
    return path


@pytest.fixture
def labelled(tmp_path, raster, truth):
    return label(draw_sample(raster, tmp_path / "points.gpkg", SampleSettings(per_class=200)).path, truth)


def test_labelling_every_pixel_gives_the_truth(tmp_path, raster, truth, mapped):
    found = assess_points(save(every_pixel(truth, mapped), tmp_path / "all.gpkg"), raster)
    on_map = mapped != 255
    assert found.class_ids == (1, 2, 7)
    assert found.class_names == ("water", "forest", "road")
    by_hand = [[int(((mapped == i) & (truth == j) & on_map).sum()) for j in (1, 2, 7)] for i in (1, 2, 7)]
    assert found.counts.tolist() == by_hand
    assert found.overall_accuracy.value == pytest.approx((truth == mapped)[on_map].mean(), rel=1e-4)
    true_areas = [4 * int((truth[on_map] == id_).sum()) for id_ in (1, 2, 7)]
    assert found.areas.value == pytest.approx(true_areas, rel=2e-3)


def test_a_drawn_and_labelled_sample_finds_the_truth_within_its_margins(labelled, raster, truth, mapped):
    found = assess_points(labelled, raster, confidence_level=0.999)
    on_map = mapped != 255
    assert found.points == 600
    assert abs(found.overall_accuracy.value - (truth == mapped)[on_map].mean()) < found.overall_accuracy.margin
    shares = [np.mean(truth[on_map] == id_) for id_ in (1, 2, 7)]
    assert (np.abs(found.shares.value - shares) < found.shares.margin).all()


def test_estimates_of_many_samples_centre_on_the_truth_where_shares_of_the_sample_do_not(raster, truth, mapped):
    target = np.mean(truth[mapped != 255] == 7)
    estimates, raw = [], []
    with open_class_raster(raster) as opened:
        strata = strata_of(opened)
        for seed in range(100):
            points = draw_points(opened, strata, np.array([60, 60, 60, 0]), seed=seed)
            labels = truth[points.rows, points.cols].astype(int)
            found = estimate_accuracy(_counted(strata, points.class_ids, labels, unlabelled=0))
            estimates.append(found.shares.value[2])
            raw.append(np.mean(labels == 7))
    assert abs(np.mean(estimates) - target) < 3 * np.std(estimates) / 10
    assert np.mean(raw) > 2 * target


@pytest.mark.parametrize("name", ["points.geojson", "points.gpkg", "points.shp"])
def test_points_in_another_crs_and_format_are_the_same_points(tmp_path, raster, truth, mapped, name):
    points = every_pixel(truth, mapped).sample(400, random_state=0)
    points = points.rename(columns={"reference_class": "ref"})
    here = assess_points(save(points, tmp_path / "here.gpkg"), raster, attribute="ref")
    there = assess_points(save(points.to_crs("EPSG:4326"), tmp_path / name), raster, attribute="ref")
    assert there.counts.tolist() == here.counts.tolist()


def test_classes_may_be_given_by_name_or_number_in_text(tmp_path, raster, mapped):
    pixels = [tuple(np.argwhere(mapped == id_)[place]) for id_ in (1, 2, 7) for place in (0, 1)]
    names = save(frame(pixels, ["water", " water ", "2", "forest", "road", "rock"]), tmp_path / "names.gpkg")
    found = assess_points(names, raster)
    assert found.class_names == ("water", "forest", "road", "rock")
    assert found.counts.tolist() == [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]]
    assert found.areas.value[3] > 0


def test_points_without_label_or_map_are_counted_and_left_out(tmp_path, raster, mapped):
    pixels = [tuple(np.argwhere(mapped == id_)[place]) for id_ in (1, 2, 7) for place in (0, 1)]
    points = frame([*pixels, (0, 0), (500, 500), (20, 20)], pd.array([1, 1, 2, 2, 7, 7, 1, 1, None], dtype="Int16"))
    found = assess_points(save(points, tmp_path / "some.gpkg"), raster)
    assert (found.points, found.unmapped, found.unlabelled) == (6, 2, 1)
    assert found.as_json()["unmapped_points"] == 2


def test_a_class_weighs_by_its_ground_where_pixels_are_in_degrees(tmp_path):
    ids = np.repeat(np.array([[1], [2]], np.uint8), 40, axis=0).repeat(10, axis=1)
    transform = Affine(0.25, 0, 10, 0, -0.25, 70)
    raster = write(tmp_path / "degrees.tif", ids, crs="EPSG:4326", transform=transform)
    rows, cols = np.array([3, 30, 50, 70]), np.array([2, 3, 4, 5])
    xs, ys = transform @ (cols + 0.5, rows + 0.5)
    points = geopandas.GeoDataFrame({"reference_class": [1, 1, 2, 1]}, geometry=geopandas.points_from_xy(xs, ys))
    found = assess_points(save(points.set_crs("EPSG:4326"), tmp_path / "p.gpkg"), raster)
    assert found.mapped_areas[0] < 0.8 * found.mapped_areas[1]
    assert found.overall_accuracy.value == pytest.approx(1 - found.mapped_areas[1] / 2 / found.mapped_areas.sum())


def test_without_crs_the_area_is_in_pixels(tmp_path, mapped, truth):
    raster = write(tmp_path / "bare.tif", mapped, crs=None)
    sample = draw_sample(raster, tmp_path / "points.gpkg", SampleSettings(per_class=30))
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        label(sample.path, truth)
    found = assess_points(sample.path, raster)
    assert found.area_unit == "px"
    assert found.areas.value.sum() == pytest.approx((mapped != 255).sum())


def test_a_sample_of_another_map_is_refused(tmp_path, labelled, mapped):
    other = mapped.copy()
    other[50, 50] = 1 if other[50, 50] != 1 else 2
    with pytest.raises(LabelError, match="drawn from another map"):
        assess_points(labelled, write(tmp_path / "other.tif", other))


def test_points_that_went_missing_are_noticed(labelled, raster, caplog):
    points = geopandas.read_file(labelled, layer="sample").iloc[5:]
    pyogrio.write_dataframe(points, labelled, layer="sample", driver="GPKG")
    with caplog.at_level(logging.WARNING, logger="geoseg"):
        assert assess_points(labelled, raster).points == 595
    assert "holds 595 points of 600 that were drawn" in caplog.text


def test_a_multipoint_of_one_point_is_a_point(tmp_path, raster, truth, mapped):
    points = every_pixel(truth, mapped).sample(300, random_state=0)
    several = points.set_geometry([shapely.MultiPoint([point]) for point in points.geometry], crs=UTM)
    found = assess_points(save(several, tmp_path / "multi.gpkg"), raster)
    assert found.points == len(points)


def two_layers(folder, good):
    path = save(good, folder / "two.gpkg", layer="first")
    pyogrio.write_dataframe(good, path, layer="second", driver="GPKG", append=True)
    return path


def no_geopackage(folder, _):
    (folder / "text.gpkg").write_text("no points")
    return folder / "text.gpkg"


def without_crs(folder, good):
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        return save(good.set_crs(None, allow_override=True), folder / "bare.gpkg")


def labelled_as(labels):
    return lambda folder, good: save(good.assign(reference_class=labels), folder / "labels.gpkg")


WRONG = {
    "no such file": lambda folder, _: folder / "absent.gpkg",
    "cannot be read: its contents": no_geopackage,
    "no layer 'sample' among first, second": two_layers,
    "has no column 'reference_class': it has label": lambda folder, good: save(
        good.rename(columns={"reference_class": "label"}), folder / "label.gpkg"
    ),
    "no point has a 'reference_class'": labelled_as(pd.array([None] * 6, dtype="Int16")),
    "is 'lake': classes are 1 water, 2 forest": labelled_as(["water"] * 5 + ["lake"]),
    "is 4.5: classes are": labelled_as([1, 1, 2, 2, 7, 4.5]),
    "holds a Polygon": lambda folder, good: save(good.set_geometry(good.buffer(1)), folder / "areas.gpkg"),
    "has no CRS and the map has one": without_crs,
    "no labelled point lies on a class": lambda folder, _: save(frame([(900, 900)], [1]), folder / "far.gpkg"),
    "'road' covers": lambda folder, good: save(good.iloc[:4], folder / "part.gpkg"),
}


@pytest.mark.parametrize("message", list(WRONG))
def test_points_that_cannot_be_assessed_are_one_clear_line(tmp_path, raster, mapped, message):
    pixels = [tuple(np.argwhere(mapped == id_)[place]) for id_ in (1, 2, 7) for place in (0, 1)]
    points = WRONG[message](tmp_path, frame(pixels, [1, 1, 2, 2, 7, 7]))
    with pytest.raises(LabelError, match=message) as caught:
        assess_points(points, raster)
    assert "\n" not in str(caught.value)
