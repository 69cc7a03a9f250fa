import numpy as np
import pyogrio
import pytest
import rasterio
from click.testing import CliRunner

from geoseg.errors import ConfigError
from geoseg.landscapes.series import training_landscapes
from geoseg.landscapes.spec import RADIOMETRIES
from pipelines.make_landscapes import main


def test_a_scene_of_the_series_depends_on_its_seed_alone():
    many = training_landscapes(6, seed=3, size=64, gsd=1.0)
    few = training_landscapes(2, seed=3, size=64, gsd=1.0)
    assert many[:2] == few
    assert [spec.seed for spec in many] == [3, 4, 5, 6, 7, 8]


def test_scenes_differ_in_mix_and_light_and_lie_side_by_side():
    specs = training_landscapes(12, seed=1, size=64, gsd=2.0)
    assert len({spec.radiometry for spec in specs}) == 12
    assert len({spec.mix for spec in specs}) == 12
    lefts = [spec.origin[0] for spec in specs]
    assert (np.diff(lefts) > 64 * 2.0).all()


def test_the_unseen_domains_stay_unseen():
    specs = training_landscapes(40, seed=1, size=64, gsd=1.0)
    assert all(spec.radiometry.autumn == 0 for spec in specs)
    assert max(spec.radiometry.haze for spec in specs) < RADIOMETRIES["hazy"].haze / 2
    assert min(spec.radiometry.greenness for spec in specs) > RADIOMETRIES["arid"].greenness + 0.5


def test_no_scenes_are_refused():
    with pytest.raises(ConfigError, match="scenes is 0"):
        training_landscapes(0, seed=1, size=64, gsd=1.0)


def test_the_job_writes_a_scene_and_labels_for_each_seed(tmp_path):
    arguments = ["-o", str(tmp_path / "new"), "--scenes", "2", "--size", "64", "--seed", "7", "--gsd", "4"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "landscape_7_labels.tif",
        "landscape_7_scene.tif",
        "landscape_8_labels.tif",
        "landscape_8_scene.tif",
    ]
    with rasterio.open(tmp_path / "new" / "landscape_8_scene.tif") as scene:
        assert scene.shape == (64, 64)
        assert scene.res == (4, 4)


def test_the_job_says_in_one_line_where_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(main, ["-o", str(tmp_path / "file" / "under")])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")


def test_the_job_writes_the_labels_as_polygons_in_degrees_too(tmp_path):
    arguments = ["-o", str(tmp_path), "--scenes", "1", "--size", "96", "--seed", "7", "--gsd", "4", "--polygons"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert [str(layer) for layer, _ in pyogrio.list_layers(tmp_path / "landscape_7_labels.gpkg")] == ["labels"]
    assert str(pyogrio.read_info(tmp_path / "landscape_7_labels.gpkg")["crs"]) == "EPSG:4326"
