import tracemalloc
from dataclasses import replace

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.features import rasterize

from geoseg.errors import ConfigError, OutputError
from geoseg.landscapes import write as module
from geoseg.landscapes.render import CELL, render
from geoseg.landscapes.spec import LANDSCAPE_CLASSES, LandscapeSpec
from geoseg.landscapes.write import write_label_polygons, write_landscape

SPEC = LandscapeSpec(seed=8, height=300, width=280, gsd=2.0, nodata_border=12)


def test_files_hold_what_was_rendered_and_say_what_it_is(tmp_path):
    scene_path, labels_path = tmp_path / "scene.tif", tmp_path / "labels.tif"
    write_landscape(SPEC, scene_path, labels_path, block_rows=97)
    drawn = render(SPEC, SPEC.georef.window)
    with rasterio.open(scene_path) as scene, rasterio.open(labels_path) as labels:
        assert np.array_equal(scene.read(), drawn.image)
        assert np.array_equal(labels.read(1), drawn.class_ids)
        assert scene.descriptions == ("red", "green", "blue", "nir")
        assert scene.colorinterp == (
            ColorInterp.red,
            ColorInterp.green,
            ColorInterp.blue,
            ColorInterp.nir,
        )
        assert (scene.nodata, labels.nodata) == (0, 255)
        assert scene.crs.to_epsg() == labels.crs.to_epsg() == 32633
        assert tuple(scene.transform) == tuple(labels.transform) == tuple(SPEC.georef.transform)
        assert scene.profile["tiled"]
        assert scene.profile["compress"] == labels.profile["compress"] == "deflate"
        colours = labels.colormap(1)
        assert [colours[entry.id][:3] for entry in LANDSCAPE_CLASSES.classes] == [
            entry.rgb for entry in LANDSCAPE_CLASSES.classes
        ]
        assert labels.tags()["CLASS_1"] == "water"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.tif", "scene.tif"]


def test_files_do_not_depend_on_the_block_and_replace_older_ones(tmp_path):
    scene, labels = tmp_path / "scene.tif", tmp_path / "labels.tif"
    scene.write_text("old")
    spec = replace(SPEC, dtype="uint16")
    pixels = []
    for rows in (300, 64):
        write_landscape(spec, scene, labels, block_rows=rows)
        with rasterio.open(scene) as opened:
            pixels.append(opened.read())
    assert pixels[0].dtype == np.uint16
    assert np.array_equal(*pixels)


def test_a_failure_half_way_leaves_no_file_and_no_scrap(tmp_path, monkeypatch):
    calls = []

    def failing(spec, window):
        calls.append(window)
        if len(calls) > 1:
            raise OSError("disk full")
        return render(spec, window)

    monkeypatch.setattr(module, "render", failing)
    with pytest.raises(OutputError, match="disk full"):
        write_landscape(SPEC, tmp_path / "scene.tif", tmp_path / "labels.tif", block_rows=128)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_said(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        write_landscape(SPEC, tmp_path / "no" / "scene.tif", tmp_path / "no" / "labels.tif")


def test_no_rows_at_a_time_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="block rows is 0"):
        write_landscape(SPEC, tmp_path / "a.tif", tmp_path / "b.tif", block_rows=0)


def test_memory_follows_the_block_and_not_the_height(tmp_path):
    def peak(height):
        spec = LandscapeSpec(seed=8, height=height, width=64, gsd=1.0)
        tracemalloc.start()
        write_landscape(spec, tmp_path / "scene.tif", tmp_path / "labels.tif", block_rows=256)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(256)
    assert peak(3 * CELL) < 1.3 * peak(CELL)


def test_polygons_in_degrees_burnt_on_the_grid_are_the_labels_again(tmp_path):
    labels, polygons = tmp_path / "labels.tif", tmp_path / "labels.gpkg"
    write_landscape(SPEC, tmp_path / "scene.tif", labels)
    write_label_polygons(labels, polygons)
    table = geopandas.read_file(polygons)
    assert table.crs == "EPSG:4326"
    assert set(table["class"]) <= {entry.name for entry in LANDSCAPE_CLASSES.classes}
    with rasterio.open(labels) as opened:
        class_ids = opened.read(1)
        on_grid = table.to_crs(opened.crs)
        values = [LANDSCAPE_CLASSES.ids[LANDSCAPE_CLASSES.names.index(name)] for name in table["class"]]
        outlines = list(zip(on_grid.geometry, values, strict=True))
        burnt = rasterize(outlines, opened.shape, fill=255, transform=opened.transform, dtype="uint8")
    assert np.array_equal(burnt, class_ids)
    assert len(np.unique(class_ids)) > 3


def test_polygons_of_no_labels_are_refused_in_one_line(tmp_path):
    with pytest.raises(OutputError, match="cannot be read"):
        write_label_polygons(tmp_path / "absent.tif", tmp_path / "labels.gpkg")
    assert list(tmp_path.iterdir()) == []
