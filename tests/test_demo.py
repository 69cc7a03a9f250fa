from __future__ import annotations

import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from geoseg import demo
from geoseg.cli.app import run
from geoseg.demo import run_demo, write_quicklook
from geoseg.errors import OutputError
from geoseg.landscapes.spec import LANDSCAPE_CLASSES


@pytest.fixture
def asked(monkeypatch):
    """A small landscape, mapped without a mistake by a fake."""
    monkeypatch.setattr(demo, "_SIDE", 96)
    made = []

    def predict_scene(scene, output, *, progress, **options):
        made.append((scene, options))
        shutil.copy(output / "landscape.labels.tif", output / "landscape.classes.tif")
        (output / "landscape.gpkg").write_text("")
        if progress is not None:
            progress("predict", 1, 1)

    monkeypatch.setattr(demo, "predict_scene", predict_scene)
    return made


def test_the_demo_maps_its_landscape_with_the_demo_model_and_evaluates_it(asked, tmp_path):
    made = run_demo(tmp_path / "new" / "demo")
    assert asked == [(made.scene, {"model": "demo-landscape", "overwrite": True})]
    assert made.evaluation.mean_iou == 1
    assert made.evaluation.pixels == 96 * 96
    assert set(made.evaluation.class_names) <= set(LANDSCAPE_CLASSES.names)
    assert {path.name for path in made.outputs} == {
        "landscape.tif",
        "landscape.labels.tif",
        "landscape.classes.tif",
        "landscape.gpkg",
        "landscape.quicklook.png",
    }


@pytest.mark.usefixtures("asked")
def test_a_second_demo_replaces_its_own_files_and_no_others(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    first = run_demo(tmp_path)
    first.quicklook.write_text("old")
    second = run_demo(tmp_path)
    with Image.open(second.quicklook) as picture:
        assert picture.format == "PNG"
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("asked")
def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot be made: .*; choose another folder with -o"):
        run_demo(tmp_path / "file" / "demo")


@pytest.mark.usefixtures("asked")
def test_the_command_names_every_file_and_the_score(tmp_path, capsys):
    assert run(["demo", "-o", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert f"{tmp_path}/landscape.gpkg\n" in shown.out
    assert f"{tmp_path}/landscape.quicklook.png" in shown.out
    assert "mean IoU 1.000" in shown.out
    assert shown.err == "demo: predict 100 %\n"


def write_pair(folder, image, ids):
    profile = {"driver": "GTiff", "height": ids.shape[0], "width": ids.shape[1], "crs": "EPSG:32633"}
    profile |= {"transform": Affine(1, 0, 5e5, 0, -1, 5e6), "dtype": "uint8"}
    with rasterio.open(folder / "scene.tif", "w", count=len(image), nodata=0, **profile) as out:
        out.write(image)
    with rasterio.open(folder / "map.tif", "w", count=1, nodata=255, **profile) as out:
        out.write(ids, 1)
    return folder / "scene.tif", folder / "map.tif"


def test_the_picture_shows_the_legends_colours_and_nothing_where_there_is_no_data(tmp_path):
    ids = np.full((40, 60), 1, dtype=np.uint8)
    ids[:, 30:] = 255
    image = np.full((3, 40, 60), 120, dtype=np.uint8)
    image[:, :, 30:] = 0
    scene, class_raster = write_pair(tmp_path, image, ids)
    coloured = demo._coloured(class_raster, LANDSCAPE_CLASSES)
    assert (coloured[:, :30] == (*LANDSCAPE_CLASSES.classes[0].rgb, 255)).all()
    assert (coloured[:, 30:, 3] == 0).all()
    seen = demo._true_colour(scene)
    assert (seen[:, :30, 3] == 1).all()
    assert (seen[:, 30:, 3] == 0).all()


def test_the_picture_of_an_empty_or_large_scene_is_still_a_picture(tmp_path):
    empty = write_pair(tmp_path, np.zeros((3, 30, 2100), np.uint8), np.full((30, 2100), 255, np.uint8))
    write_quicklook(*empty, LANDSCAPE_CLASSES, tmp_path / "look.png")
    with Image.open(tmp_path / "look.png") as picture:
        assert picture.size[0] > picture.size[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["look.png", "map.tif", "scene.tif"]
    assert demo._true_colour(empty[0]).shape == (15, 1024, 4)


def test_a_picture_that_cannot_be_written_is_one_clear_line(tmp_path):
    pair = write_pair(tmp_path, np.ones((3, 8, 8), np.uint8), np.ones((8, 8), np.uint8))
    with pytest.raises(OutputError, match=r"look\.png: cannot be written"):
        write_quicklook(*pair, LANDSCAPE_CLASSES, tmp_path / "absent" / "look.png")
