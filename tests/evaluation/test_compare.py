from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from geoseg.classes import ClassMap
from geoseg.errors import GeosegError, LabelError, SceneError
from geoseg.evaluation import compare
from geoseg.evaluation.compare import evaluate
from geoseg.georef import GeoRef
from geoseg.raster.writer import class_raster_writer

UTM = "EPSG:32645"
ORIGIN = Affine(2, 0, 500_000, 0, -2, 3_000_000)


def write(path, values, *, crs=UTM, transform=ORIGIN, nodata=255, mask=None):
    bands = values if values.ndim == 3 else values[None]
    profile = {"driver": "GTiff", "count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    with rasterio.open(path, "w", dtype=values.dtype, crs=crs, transform=transform, nodata=nodata, **profile) as file:
        file.write(bands)
        if mask is not None:
            file.write_mask(mask)
    return path


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    labels = rng.integers(1, 4, (40, 60), dtype=np.uint8)
    mapped = np.where(rng.random(labels.shape) < 0.7, labels, rng.integers(1, 4, labels.shape)).astype(np.uint8)
    return mapped, labels


def counts_by_hand(mapped, labels, ids):
    return [[int(((labels == row) & (mapped == col)).sum()) for col in ids] for row in ids]


def test_scores_on_one_grid_are_those_counted_by_hand(tmp_path, maps):
    mapped, labels = maps
    result = evaluate(write(tmp_path / "map.tif", mapped), write(tmp_path / "labels.tif", labels))
    assert result.class_ids == (1, 2, 3)
    assert result.confusion.counts.tolist() == counts_by_hand(mapped, labels, (1, 2, 3))
    assert result.pixel_accuracy == pytest.approx((mapped == labels).mean())
    assert result.unmapped_share == 0


def test_a_perfect_map_scores_one_everywhere(tmp_path, maps):
    path = write(tmp_path / "labels.tif", maps[1])
    result = evaluate(path, path)
    assert (result.mean_iou, result.pixel_accuracy, result.mean_pixel_accuracy) == (1, 1, 1)


@settings(max_examples=25, deadline=None)
@given(
    pair=st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
        lambda shape: st.tuples(*[arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 254, 255]))] * 2)
    )
)
def test_nodata_in_either_counts_in_no_score_and_unmapped_reference_is_told(tmp_path_factory, pair):
    mapped, labels = pair
    folder = tmp_path_factory.mktemp("pair")
    files = write(folder / "map.tif", mapped), write(folder / "labels.tif", labels)
    both = (mapped != 255) & (labels != 255)
    if not both.any():
        with pytest.raises(LabelError):
            evaluate(*files)
        return
    result = evaluate(*files)
    assert result.pixels == both.sum()
    assert result.unmapped_share == pytest.approx((mapped[labels != 255] == 255).mean())
    assert result.confusion.counts.tolist() == counts_by_hand(mapped, labels, result.class_ids)


def test_windows_add_up_to_the_whole(tmp_path, maps, monkeypatch):
    files = [write(tmp_path / name, values) for name, values in zip(("map.tif", "labels.tif"), maps, strict=True)]
    whole = evaluate(*files)
    monkeypatch.setattr(compare, "_WINDOW_COLS", 25)
    monkeypatch.setattr(compare, "_WINDOW_ROWS", 7)
    assert len(list(compare.windows_of((40, 60)))) == 18
    assert evaluate(*files).confusion.counts.tolist() == whole.confusion.counts.tolist()


def test_a_reference_that_covers_more_is_read_where_the_map_lies(tmp_path, maps):
    mapped, labels = maps
    part = write(tmp_path / "map.tif", mapped[10:30, 5:50], transform=ORIGIN @ Affine.translation(5, 10))
    result = evaluate(part, write(tmp_path / "labels.tif", labels))
    expected = counts_by_hand(mapped[10:30, 5:50], labels[10:30, 5:50], (1, 2, 3))
    assert result.confusion.counts.tolist() == expected


@pytest.mark.parametrize("nodata", [255, None])
def test_pixels_outside_the_reference_count_in_no_score(tmp_path, maps, nodata):
    mapped, labels = maps
    part = write(
        tmp_path / "labels.tif",
        labels[10:30, 5:50],
        transform=ORIGIN @ Affine.translation(5, 10),
        nodata=nodata,
    )
    result = evaluate(write(tmp_path / "map.tif", mapped), part)
    assert result.pixels == 20 * 45
    assert result.unmapped_share == 0


def test_a_finer_reference_is_read_by_its_nearest_pixel(tmp_path, maps):
    mapped, labels = maps
    finer = np.repeat(np.repeat(labels, 3, axis=0), 3, axis=1)
    path = write(tmp_path / "labels.tif", finer, transform=ORIGIN @ Affine.scale(1 / 3))
    result = evaluate(write(tmp_path / "map.tif", mapped), path)
    assert result.confusion.counts.tolist() == counts_by_hand(mapped, labels, (1, 2, 3))


def test_a_reference_in_another_crs_is_compared_on_the_ground(tmp_path):
    halves = np.ones((100, 100), dtype=np.uint8)
    halves[:, 50:] = 2
    mapped = write(tmp_path / "map.tif", halves)
    with rasterio.open(mapped) as source:
        warped = rasterio.vrt.WarpedVRT(source, crs="EPSG:4326", nodata=255, dtype="uint8")
        with (
            warped,
            rasterio.open(tmp_path / "labels.tif", "w", **(warped.profile | {"driver": "GTiff"})) as out,
        ):
            out.write(warped.read())
    result = evaluate(mapped, tmp_path / "labels.tif")
    assert result.pixel_accuracy > 0.97
    assert result.pixels > 9_500


def test_a_mask_band_of_the_reference_is_respected(tmp_path, maps):
    mapped, labels = maps
    mask = np.zeros(labels.shape, dtype=np.uint8)
    mask[:20] = 255
    path = write(tmp_path / "labels.tif", labels, nodata=None, mask=mask)
    assert evaluate(write(tmp_path / "map.tif", mapped), path).pixels == 20 * 60


def test_a_mask_band_of_a_reference_on_another_grid_is_respected(tmp_path, maps):
    mapped, labels = maps
    mask = np.zeros(labels.shape, dtype=np.uint8)
    mask[:20] = 255
    path = write(tmp_path / "labels.tif", labels, nodata=None, mask=mask)
    part = write(tmp_path / "map.tif", mapped[10:30], transform=ORIGIN @ Affine.translation(0, 10))
    assert evaluate(part, path).pixels == 10 * 60


def test_wide_integers_with_their_own_nodata_are_class_rasters(tmp_path, maps):
    mapped, labels = maps
    wide = labels.astype(np.int16)
    wide[:10] = -9999
    path = write(tmp_path / "labels.tif", wide, nodata=-9999)
    assert evaluate(write(tmp_path / "map.tif", mapped), path).pixels == 30 * 60


def test_ignored_values_are_no_class(tmp_path, maps):
    mapped, labels = maps
    files = write(tmp_path / "map.tif", mapped), write(tmp_path / "labels.tif", labels)
    assert evaluate(*files, ignore=[2]).pixels == (labels != 2).sum()


def test_a_class_only_in_the_map_is_counted_against_it(tmp_path):
    labels = np.full((4, 4), 1, dtype=np.uint8)
    mapped = labels.copy()
    mapped[0] = 9
    result = evaluate(write(tmp_path / "map.tif", mapped), write(tmp_path / "labels.tif", labels))
    assert result.class_ids == (1, 9)
    assert result.mean_iou == pytest.approx(0.75 / 2)
    assert result.mean_pixel_accuracy == pytest.approx(0.75)


@pytest.fixture
def named_map(tmp_path, maps):
    legend = ClassMap.of([(1, "water", "#0000ff"), (2, "forest", "#00ff00")])
    georef = GeoRef(crs=rasterio.crs.CRS.from_string(UTM).to_wkt(), transform=ORIGIN, height=40, width=60)
    with class_raster_writer(tmp_path / "map.tif", georef, legend) as writer:
        writer.write(georef.window, maps[0])
    return tmp_path / "map.tif"


def test_names_come_from_the_map_and_ids_stand_in_for_missing_ones(tmp_path, maps, named_map):
    result = evaluate(named_map, write(tmp_path / "labels.tif", maps[1]))
    assert result.class_names == ("water", "forest", "3")


def test_a_reference_with_other_values_is_compared_by_class_name(tmp_path, maps, named_map):
    mapped, labels = maps
    others = np.array([99, 40, 0, 7], dtype=np.uint8)[labels]
    result = evaluate(named_map, write(tmp_path / "labels.tif", others), label_map={40: "water", 0: "forest"})
    seen = labels != 3
    assert result.pixels == seen.sum()
    assert result.confusion.counts.tolist() == counts_by_hand(mapped[seen], labels[seen], (1, 2, 3))


def test_a_name_that_the_map_does_not_have_is_one_clear_line(tmp_path, maps, named_map):
    labels = write(tmp_path / "labels.tif", maps[1])
    with pytest.raises(LabelError, match="has no class 'lake': its classes are water, forest"):
        evaluate(named_map, labels, label_map={1: "lake"})
    with pytest.raises(LabelError, match="its classes are not named"):
        evaluate(labels, named_map, label_map={1: "lake"})


def test_rasters_without_crs_compare_pixel_by_pixel(tmp_path, maps):
    mapped, labels = maps
    files = [
        write(tmp_path / name, values, crs=None, transform=Affine.scale(2, -2))
        for name, values in (("map.tif", mapped), ("labels.tif", labels))
    ]
    assert evaluate(*files).pixels == labels.size


def errors(tmp_path, maps):
    mapped = write(tmp_path / "map.tif", maps[0])
    elsewhere = Affine(2, 0, 900_000, 0, -2, 3_000_000)
    empty = np.full((40, 60), 255, dtype=np.uint8)
    left = maps[0].copy()
    left[:, 30:] = 255
    right = maps[1].copy()
    right[:, :30] = 255
    (tmp_path / "text.tif").write_text("no raster")
    return {
        "no such file": (mapped, tmp_path / "absent.tif"),
        "cannot be read as a raster": (tmp_path / "text.tif", mapped),
        "has 3 bands": (write(tmp_path / "rgb.tif", np.ones((3, 40, 60), np.uint8)), mapped),
        "holds float32": (mapped, write(tmp_path / "float.tif", maps[1].astype(np.float32))),
        "holds the value 700": (mapped, write(tmp_path / "wide.tif", np.full((40, 60), 700, np.uint16))),
        "do not overlap": (mapped, write(tmp_path / "far.tif", maps[1], transform=elsewhere)),
        "has no class at any pixel": (mapped, write(tmp_path / "empty.tif", empty)),
        "is nodata at all 1200 pixels": (write(tmp_path / "l.tif", left), write(tmp_path / "r.tif", right)),
        "has no CRS": (mapped, write(tmp_path / "bare.tif", maps[1][:20], crs=None)),
    }


@pytest.mark.parametrize(
    "message",
    [
        "no such file",
        "cannot be read as a raster",
        "has 3 bands",
        "holds float32",
        "holds the value 700",
        "do not overlap",
        "has no class at any pixel",
        "is nodata at all 1200 pixels",
        "has no CRS",
    ],
)
def test_what_cannot_be_compared_is_one_clear_line(tmp_path, maps, message):
    with pytest.raises(LabelError, match=message) as caught:
        evaluate(*errors(tmp_path, maps)[message])
    assert "\n" not in str(caught.value)


def test_a_truncated_map_is_one_clear_line(tmp_path):
    noise = np.random.default_rng(0).integers(0, 200, (600, 600), dtype=np.uint8)
    path = write(tmp_path / "map.tif", noise)
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(GeosegError, match="cannot be read as a raster") as caught:
        evaluate(path, path)
    assert isinstance(caught.value, SceneError | LabelError)
