import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from geoseg.classes import ClassMap
from geoseg.data.labels import LabelRaster
from geoseg.errors import LabelError, SceneError
from geoseg.raster.scene import open_scene
from geoseg.window import Window

LEGEND = ClassMap.of([(5, "water", "#0000ff"), (9, "forest", "#008000")])
MAP = {1: "forest", 2: "water", 3: "forest"}


@pytest.fixture
def georef(write_scene):
    with open_scene(write_scene(np.zeros((1, 20, 30), dtype=np.uint8))) as scene:
        return scene.georef


def labels_of(write_scene, values, **profile):
    return write_scene(values[None], "labels.tif", **profile)


def test_values_become_class_indices_and_the_rest_is_unknown(write_scene, georef):
    values = np.arange(600, dtype=np.uint16).reshape(20, 30) % 5
    path = labels_of(write_scene, values)
    with LabelRaster(path, scene=georef, classes=LEGEND, label_map=MAP) as labels:
        read = labels.read(Window.of_shape(20, 30))
    expected = np.select([values == 2, (values == 1) | (values == 3)], [0, 1], 255)
    assert read.dtype == np.uint8
    assert np.array_equal(read, expected)


def test_nodata_is_unknown_even_where_it_is_mapped(write_scene, georef):
    path = labels_of(write_scene, np.full((20, 30), 2, dtype=np.uint8), nodata=2)
    with LabelRaster(path, scene=georef, classes=LEGEND, label_map=MAP) as labels:
        assert (labels.read(Window.of_shape(20, 30)) == 255).all()


def test_a_window_that_leaves_the_scene_is_unknown_outside(write_scene, georef):
    path = labels_of(write_scene, np.full((20, 30), 1, dtype=np.uint8))
    with LabelRaster(path, scene=georef, classes=LEGEND, label_map=MAP) as labels:
        read = labels.read(Window(row=-2, col=25, height=5, width=10))
        assert (labels.read(Window(row=50, col=0, height=2, width=2)) == 255).all()
    assert (read[2:, :5] == 1).all()
    assert (read[:2] == 255).all()
    assert (read[:, 5:] == 255).all()


@pytest.mark.parametrize(
    ("shape", "profile", "message"),
    [
        ((20, 31), {}, r"labels have 20 x 31 px, the scene 20 x 30"),
        ((20, 30), {"crs": CRS.from_epsg(32634)}, "differ in CRS"),
        ((20, 30), {"transform": Affine(1, 0, 5e5 + 0.5, 0, -1, 5e6)}, r"lie 0\.50 px off"),
        ((20, 30), {"transform": Affine(2, 0, 5e5, 0, -2, 5e6)}, r"px off the scene's grid"),
        ((20, 30), {"dtype": "float32"}, "must be whole numbers, the file has float32"),
    ],
)
def test_labels_that_do_not_fit_are_refused_in_one_line(write_scene, georef, shape, profile, message):
    path = labels_of(write_scene, np.ones(shape, dtype=profile.get("dtype", "uint8")), **profile)
    with pytest.raises(LabelError, match=message) as refused:
        LabelRaster(path, scene=georef, classes=LEGEND, label_map=MAP)
    assert "\n" not in str(refused.value)


def test_a_class_that_is_not_in_the_legend_is_refused(write_scene, georef):
    path = labels_of(write_scene, np.ones((20, 30), dtype=np.uint8))
    with pytest.raises(LabelError, match="value 4 is mapped to 'lake', the legend has water, forest"):
        LabelRaster(path, scene=georef, classes=LEGEND, label_map={4: "lake"})


def test_a_missing_file_is_refused(georef, tmp_path):
    with pytest.raises(SceneError):
        LabelRaster(tmp_path / "absent.tif", scene=georef, classes=LEGEND, label_map=MAP)
