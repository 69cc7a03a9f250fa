"""From a raster on disk to the layers of its map, with a real network."""

from __future__ import annotations

import logging

import numpy as np
import pyogrio
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

from geoseg.predict import predict_scene

RANDOM = np.random.default_rng(11)
SIZE = (96, 130)
RGB = RANDOM.integers(1, 256, (3, *SIZE), dtype=np.uint8)
PER_METRE_OF_LATITUDE = 1 / 111_320


@pytest.fixture
def predict(tiny_model, tmp_path):
    """Map a scene without polygons; gives class ids, confidence and the prediction."""

    def run(scene, folder="out", **options):
        made = predict_scene(scene, tmp_path / folder, **({"model": str(tiny_model), "vector": False} | options))
        with rasterio.open(made.class_raster) as ids, rasterio.open(made.confidence) as confidence:
            assert ids.transform == confidence.transform == made.grid.transform
            return ids.read(1), confidence.read(1), made

    return run


def footprint():
    rows, cols = np.mgrid[: SIZE[0], : SIZE[1]]
    return (rows + 2 * cols > 70) & ~((rows > 40) & (rows < 45))


def colour(path, *colours):
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = colours
    return path


def with_nodata(write_scene):
    return write_scene(RGB * footprint(), nodata=0)


def with_alpha(write_scene):
    path = write_scene(np.concatenate([RGB, footprint()[np.newaxis] * np.uint8(255)]))
    return colour(path, ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)


def with_mask(write_scene, *, inside):
    path = write_scene(RGB)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(footprint())
    return path


def with_nan(write_scene):
    return write_scene(np.where(footprint(), RGB / np.float32(255), np.float32(np.nan)).astype(np.float32))


FOOTPRINTS = {
    "nodata": with_nodata,
    "alpha": with_alpha,
    "internal mask": lambda write: with_mask(write, inside=True),
    "mask beside": lambda write: with_mask(write, inside=False),
    "NaN": with_nan,
}


@pytest.mark.parametrize("kind", FOOTPRINTS)
def test_the_map_has_the_footprint_of_the_scene_to_the_pixel(predict, write_scene, kind):
    ids, confidence, _ = predict(FOOTPRINTS[kind](write_scene))
    assert np.array_equal(ids == 255, ~footprint())
    assert np.array_equal(confidence == 255, ~footprint())
    assert set(np.unique(ids).tolist()) <= {0, 3, 7, 255}


def test_zeros_in_one_band_are_mapped(predict, write_scene):
    image = RGB.copy()
    image[2, 20:60] = 0
    assert (predict(write_scene(image, nodata=0))[0] != 255).all()


def test_near_infrared_tagged_as_alpha_punches_no_holes(predict, write_scene, caplog):
    infrared = RANDOM.integers(0, 200, (1, *SIZE), dtype=np.uint8)
    path = write_scene(np.concatenate([RGB, infrared]))
    colour(path, ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    with caplog.at_level(logging.WARNING):
        assert (predict(path)[0] != 255).all()
    assert "tagged as alpha but holds imagery" in caplog.text


def test_the_bytes_do_not_depend_on_the_blocks(predict, write_scene):
    scene = write_scene(RANDOM.integers(0, 256, (3, 160, 200), dtype=np.uint8), nodata=0)
    whole = predict(scene, "whole")
    assert len(np.unique(whole[0])) > 1
    for rows in (64, 1000):
        parts = predict(scene, f"rows {rows}", block_rows=rows, batch_size=3)
        assert np.array_equal(parts[0], whole[0])
        assert np.array_equal(parts[1], whole[1])
        assert parts[2].class_raster.read_bytes() == whole[2].class_raster.read_bytes()
        assert parts[2].confidence.read_bytes() == whole[2].confidence.read_bytes()


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_workers(predict, write_scene):
    scene = write_scene(RANDOM.integers(0, 256, (3, 160, 200), dtype=np.uint8), nodata=0)
    here = predict(scene, "here")[2]
    there = predict(scene, "there", workers=2, block_rows=64)[2]
    assert there.class_raster.read_bytes() == here.class_raster.read_bytes()
    assert there.confidence.read_bytes() == here.confidence.read_bytes()


def test_one_more_column_changes_no_label_farther_than_a_tile(predict, write_scene):
    image = RANDOM.integers(0, 256, (3, 100, 193), dtype=np.uint8)
    narrow = predict(write_scene(image[:, :, :192], "narrow.tif"), "narrow")[0]
    wide = predict(write_scene(image, "wide.tif"), "wide")[0]
    assert np.array_equal(wide[:, : 192 - 64], narrow[:, : 192 - 64])


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_other_dtypes_are_mapped(predict, write_scene, dtype):
    image = (RGB * (1 / 255 if dtype == "float32" else 39)).astype(dtype)
    assert (predict(write_scene(image, photometric="minisblack"))[0] != 255).all()


def test_a_palette_is_mapped_as_its_colours(predict, write_scene):
    values = RANDOM.integers(0, 4, (1, *SIZE), dtype=np.uint8)
    indexed = write_scene(values, "indexed.tif", photometric="palette")
    colours = {0: (9, 8, 7, 255), 1: (200, 10, 10, 255), 2: (10, 200, 10, 255), 3: (10, 10, 200, 255)}
    with rasterio.open(indexed, "r+") as dataset:
        dataset.write_colormap(1, colours)
    table = np.array([colours[value][:3] for value in range(4)], dtype=np.uint8)
    plain = write_scene(np.moveaxis(table[values[0]], -1, 0), "plain.tif")
    assert np.array_equal(predict(indexed, "indexed")[0], predict(plain, "plain")[0])


GRIDS = {
    "geographic": {
        "crs": "EPSG:4326",
        "transform": Affine(PER_METRE_OF_LATITUDE, 0, 8.0, 0, -PER_METRE_OF_LATITUDE, 0.1),
    },
    "over the dateline": {
        "crs": "EPSG:4326",
        "transform": Affine(PER_METRE_OF_LATITUDE, 0, 179.9995, 0, -PER_METRE_OF_LATITUDE, 0.1),
    },
    "south-up": {"transform": Affine(1, 0, 5e5, 0, 1, 5e6)},
    "rotated": {"transform": Affine.translation(5e5, 5e6) @ Affine.rotation(20) @ Affine.scale(1, -1)},
    "Mars": {"crs": "IAU_2015:49910", "transform": Affine(1, 0, 1000, 0, -1, 2000)},
}


@pytest.mark.parametrize("name", GRIDS)
def test_any_grid_is_kept(predict, write_scene, name):
    ids, _, made = predict(write_scene(RGB, nodata=0, **GRIDS[name]))
    assert ids.shape == SIZE
    with rasterio.open(made.class_raster) as written:
        assert written.transform.almost_equals(GRIDS[name]["transform"])
    assert sum(total.area_m2 for total in made.classes) == pytest.approx(ids.size, rel=0.02)
    for total in made.classes:
        assert total.pixels == np.count_nonzero(ids == total.class_id)


def test_without_crs_the_map_is_made_with_a_warning_and_has_no_areas(predict, write_scene, caplog):
    with caplog.at_level(logging.WARNING):
        ids, _, made = predict(write_scene(RGB, crs=None))
    assert "no CRS" in caplog.text
    assert ids.shape == SIZE
    assert {total.area_m2 for total in made.classes} == {None}


def test_a_finer_scene_is_mapped_at_the_models_pixel_size_from_the_same_origin(predict, write_scene):
    ids, _, made = predict(write_scene(RGB, nodata=0, transform=Affine(0.5, 0, 5e5, 0, -0.5, 5e6)))
    assert ids.shape == (SIZE[0] // 2, SIZE[1] // 2)
    assert made.grid.transform @ (0, 0) == (5e5, 5e6)
    assert made.grid.gsd == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("pixel", [0.4, 1.6])
def test_the_scenes_own_grid_is_given_back_with_its_exact_footprint(predict, write_scene, pixel):
    transform = Affine(pixel, 0, 5e5, 0, -pixel, 5e6)
    scene = write_scene(RGB * footprint(), nodata=0, transform=transform)
    whole, _, made = predict(scene, "whole", grid="scene")
    assert made.grid.transform.almost_equals(transform)
    assert np.array_equal(whole == 255, ~footprint())
    parts = predict(scene, "parts", grid="scene", block_rows=25)[2]
    assert parts.class_raster.read_bytes() == made.class_raster.read_bytes()
    assert parts.confidence.read_bytes() == made.confidence.read_bytes()


@pytest.mark.parametrize("pixel", [0.85, 1.2])
def test_a_scene_of_about_the_models_pixel_size_is_read_as_it_is(predict, write_scene, pixel):
    assert predict(write_scene(RGB, transform=Affine(pixel, 0, 5e5, 0, -pixel, 5e6)))[0].shape == SIZE


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (90, 1), (31, 33)])
def test_a_scene_smaller_than_a_tile_is_mapped_whole(predict, write_scene, shape):
    ids = predict(write_scene(RANDOM.integers(1, 256, (3, *shape), dtype=np.uint8), nodata=0))[0]
    assert ids.shape == shape
    assert (ids != 255).all()


def test_a_scene_of_nodata_gives_a_map_of_nodata(predict, write_scene):
    ids, confidence, made = predict(write_scene(RGB * 0, nodata=0))
    assert (ids == 255).all()
    assert (confidence == 255).all()
    assert {(total.pixels, total.area_m2, total.confidence) for total in made.classes} == {(0, 0.0, None)}


def test_probabilities_are_written_on_demand_and_agree_with_the_classes(predict, write_scene):
    ids, confidence, made = predict(with_nodata(write_scene), probabilities=True)
    with rasterio.open(made.probabilities) as dataset:
        layers = dataset.read()
        assert dataset.descriptions == ("water", "forest", "crop")
    assert np.array_equal(layers.max(axis=0)[footprint()], confidence[footprint()])
    assert np.array_equal((layers == 255).all(axis=0), ids == 255)


def test_totals_agree_with_the_rasters(predict, write_scene):
    ids, confidence, made = predict(with_nodata(write_scene), block_rows=20)
    for total in made.classes:
        there = ids == total.class_id
        assert total.pixels == there.sum()
        if total.pixels:
            assert total.confidence == pytest.approx(confidence[there].mean() / 100)


def test_progress_ends_at_the_whole(predict, write_scene):
    calls = []
    predict(write_scene(RGB), progress=lambda *call: calls.append(call))
    done = [call[1:] for call in calls if call[0] == "predict"]
    assert done == sorted(done)
    assert done[-1] == (SIZE[0], SIZE[0])


def test_by_default_the_layers_stand_in_a_folder_beside_the_scene(tiny_model, write_scene, tmp_path):
    made = predict_scene(write_scene(RGB), model=str(tiny_model), vector=False)
    assert made.class_raster == tmp_path / "scene_geoseg" / "scene.classes.tif"
    assert not [path for path in made.class_raster.parent.iterdir() if path.name.startswith(".")]


def test_a_part_of_a_file_is_mapped_under_a_name_that_can_be_a_file(predict, write_scene):
    ids, _, made = predict(f"GTIFF_DIR:1:{write_scene(RGB)}")
    assert ids.shape == SIZE
    assert made.class_raster.is_file()


@pytest.mark.parametrize("grid", ["model", "scene"])
def test_polygons_summary_and_raster_agree(predict, write_scene, grid):
    scene = write_scene(RGB * footprint(), nodata=0, transform=Affine(0.5, 0, 5e5, 0, -0.5, 5e6))
    ids, _, made = predict(scene, vector=True, grid=grid, block_rows=20)
    polygons = pyogrio.read_dataframe(made.geopackage, layer="landcover")
    summary = pyogrio.read_dataframe(made.geopackage, layer="class_summary").set_index("class_id")
    pixel = abs(made.grid.transform.determinant)
    for total in made.classes:
        ours = polygons[polygons.class_id == total.class_id]
        assert total.pixels == np.count_nonzero(ids == total.class_id)
        assert ours.geometry.area.sum() == pytest.approx(total.pixels * pixel)
        assert ours.area_m2.sum() == pytest.approx(total.area_m2, rel=1e-6)
        assert summary.loc[total.class_id, "area_m2"] == pytest.approx(total.area_m2, rel=1e-6)


def test_polygons_do_not_depend_on_the_blocks(predict, write_scene):
    scene = with_nodata(write_scene)
    whole, parts = (
        pyogrio.read_dataframe(predict(scene, name, vector=True, block_rows=rows)[2].geopackage, layer="landcover")
        for name, rows in (("whole", None), ("parts", 17))
    )
    assert whole.equals(parts)
    assert len(whole) > 3


def test_a_scene_of_nodata_has_a_geopackage_without_polygons(predict, write_scene):
    made = predict(write_scene(RGB * 0, nodata=0), vector=True)[2]
    assert len(pyogrio.read_dataframe(made.geopackage, layer="landcover")) == 0
