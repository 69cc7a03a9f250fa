"""Bad input is one clear line, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pytest

from geoseg.errors import ConfigError, GridError, ModelError, OutputError, SceneError
from geoseg.predict import predict_scene

RGB = np.random.default_rng(12).integers(1, 256, (3, 70, 80), dtype=np.uint8)


@pytest.fixture
def fails(tiny_model, tmp_path):
    """Predict into a folder that is not there yet; expect one line and no trace."""

    def run(error, match, scene, **options):
        folder = tmp_path / "maps" / "out"
        with pytest.raises(error, match=match) as raised:
            predict_scene(scene, folder, **({"model": str(tiny_model), "vector": False} | options))
        assert "\n" not in str(raised.value)
        assert not folder.parent.exists()

    return run


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


def test_a_missing_scene(fails, tmp_path):
    fails(SceneError, r"none\.tif: no such file", tmp_path / "none.tif")


def test_a_missing_scene_makes_no_folder_even_beside_itself(tiny_model, tmp_path):
    with pytest.raises(SceneError, match="no such file"):
        predict_scene(tmp_path / "nowhere" / "none.tif", model=str(tiny_model))
    assert not (tmp_path / "nowhere").exists()


def test_a_scene_that_is_no_raster(fails, tmp_path):
    (tmp_path / "scene.tif").write_text("hello")
    fails(SceneError, "cannot be read as a raster", tmp_path / "scene.tif")


def test_a_truncated_scene(fails, write_scene):
    fails(SceneError, "cannot be read as a raster", truncated(write_scene(RGB, compress="none")), block_rows=20)


def test_too_few_bands(fails, write_scene):
    fails(SceneError, "too few bands", write_scene(RGB[:1]))


def test_a_wrong_band_name(fails, write_scene):
    fails(SceneError, "no band is called 'nir'", write_scene(RGB), bands="nir,green,blue")


def test_a_wrong_number_of_bands(fails, write_scene):
    fails(SceneError, r"--bands names 2 band\(s\), model tiny takes 3", write_scene(RGB), bands="1,2")


def test_an_unknown_model(fails, write_scene):
    fails(ModelError, "no-such-model", write_scene(RGB), model="no-such-model")


@pytest.mark.parametrize("damage", ["no zip", "weights", "card", "no card"])
def test_a_broken_package(fails, write_scene, tiny_model, tmp_path, damage):
    package = tmp_path / "broken"
    with zipfile.ZipFile(tiny_model) as archive:
        archive.extractall(package)
    if damage == "no zip":
        shutil.rmtree(package)
        package = tmp_path / "broken.zip"
        package.write_bytes(tiny_model.read_bytes()[:1000])
    elif damage == "weights":
        truncated(package / "weights.safetensors")
    elif damage == "card":
        (package / "model.json").write_text(json.dumps({"type": "Feature"}))
    else:
        (package / "model.json").unlink()
    fails(ModelError, "broken", write_scene(RGB), model=str(package))


def test_a_model_without_a_scale_for_the_dtype(write_scene, tiny_model, tmp_path):
    package = tmp_path / "bytes only"
    with zipfile.ZipFile(tiny_model) as archive:
        archive.extractall(package)
    text = (package / "model.json").read_text()
    (package / "model.json").write_text(text.replace('"uint16"', '"uint32"'))
    with pytest.raises(ModelError, match="uint"):
        predict_scene(write_scene(RGB.astype(np.uint16)), tmp_path / "out", model=str(package), vector=False)
    assert not (tmp_path / "out").exists()


def test_an_impossible_lattice(fails, write_scene):
    fails((GridError, ConfigError), "overlap", write_scene(RGB), overlap=64)


def test_an_option_that_cannot_be(fails, write_scene):
    fails(ConfigError, "block_rows", write_scene(RGB), block_rows=0)


def test_a_device_that_is_not_there(fails, write_scene):
    fails(ConfigError, "cuda:7", write_scene(RGB), device="cuda:7")


def test_a_scene_far_too_coarse_for_the_model(fails, write_scene):
    fails(ModelError, "its pixels are", write_scene(RGB, transform=[1000, 0, 5e5, 0, -1000, 5e6]))


def test_a_scene_too_wide_for_any_memory(fails, tmp_path):
    (tmp_path / "wide.vrt").write_text(
        '<VRTDataset rasterXSize="2147483647" rasterYSize="1"><SRS>EPSG:32633</SRS>'
        '<GeoTransform>5e5, 1e-4, 0, 5e6, 0, -1e-4</GeoTransform><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
    )
    fails(SceneError, "2147483647 px wide", tmp_path / "wide.vrt", bands="1,1,1")


def test_a_folder_that_cannot_be(tiny_model, write_scene, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="file"):
        predict_scene(write_scene(RGB), tmp_path / "file", model=str(tiny_model), vector=False)
    assert (tmp_path / "file").read_text() == "mine"


def old_outputs(folder):
    folder.mkdir()
    for name in ("scene.classes.tif", "scene.confidence.tif"):
        (folder / name).write_text("old")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_existing_outputs_are_refused(tiny_model, write_scene, tmp_path):
    before = old_outputs(tmp_path / "out")
    with pytest.raises(OutputError, match="exists already: pass --overwrite"):
        predict_scene(write_scene(RGB), tmp_path / "out", model=str(tiny_model), vector=False)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_old_outputs_stay_as_they_are_where_replacing_them_fails(tiny_model, write_scene, tmp_path):
    before = old_outputs(tmp_path / "out")
    scene = truncated(write_scene(RGB, compress="none"))
    with pytest.raises(SceneError):
        predict_scene(scene, tmp_path / "out", model=str(tiny_model), vector=False, overwrite=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_an_interrupt_leaves_no_output_but_what_is_needed_to_go_on(tiny_model, write_scene, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_scene(
            write_scene(RGB),
            tmp_path / "out",
            model=str(tiny_model),
            vector=False,
            block_rows=20,
            progress=interrupt,
        )
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".scene.geoseg-run"]


def test_a_replaced_package_is_used_at_once(tiny_model, write_scene, tmp_path):
    package, scene = tmp_path / "model.zip", write_scene(RGB)
    shutil.copy(tiny_model, package)
    first = predict_scene(scene, tmp_path / "first", model=str(package), vector=False)
    with zipfile.ZipFile(tiny_model) as archive, zipfile.ZipFile(package, "w") as changed:
        for name in archive.namelist():
            data = archive.read(name)
            changed.writestr(name, data.replace(b'"uint8": 0.00392', b'"uint8": 0.03921') if "json" in name else data)
    second = predict_scene(scene, tmp_path / "second", model=str(package), vector=False)
    assert first.confidence.read_bytes() != second.confidence.read_bytes()
