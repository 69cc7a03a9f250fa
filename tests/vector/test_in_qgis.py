"""QGIS opens every layer with the names and colours of the legend, and draws them. Wants `make test-qgis`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from geoseg.classes import ClassMap
from geoseg.georef import GeoRef
from geoseg.raster.sidecar import write_class_sidecar, write_class_style
from geoseg.raster.writer import class_raster_writer
from geoseg.vector.vector_file import write_vector

QGIS_PYTHON = os.environ.get("GEOSEG_QGIS_PYTHON")
SCRIPT = Path(__file__).parents[1] / "qgis" / "show_layers.py"
CLASSES = ClassMap.of([(4, "forest", "#228833"), (0, "water", "#4477aa"), (9, "crops & fields", "#ccbb44")])
LEGEND = [("forest", "#228833"), ("water", "#4477aa"), ("crops & fields", "#ccbb44")]
CLASS_IDS = np.repeat(np.repeat(np.array([[4, 0, 9], [0, 0, 4], [9, 4, 4]], np.uint8), 8, axis=0), 8, axis=1)
PIXELS = 20
"""Of the picture, for one of the raster."""

pytestmark = pytest.mark.skipif(not QGIS_PYTHON, reason="GEOSEG_QGIS_PYTHON names no Python with PyQGIS")


def shown(folder: Path, *sources: str) -> tuple[list[dict], np.ndarray]:
    """What QGIS tells of layers, and its picture (rows, columns, 3)."""
    png, side = folder / "map.png", str(PIXELS * len(CLASS_IDS))
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_RUNTIME_DIR": str(runtime)}
    command = [QGIS_PYTHON, SCRIPT, png, side, side, *sources]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1]), np.asarray(Image.open(png).convert("RGB"))


def assert_colours(picture: np.ndarray, class_ids: np.ndarray) -> None:
    """The middle of each pixel of the map has the colour of its class."""
    middle = slice(PIXELS // 2, None, PIXELS)
    expected = np.zeros((256, 3), np.uint8)
    expected[list(CLASSES.ids)] = [entry.rgb for entry in CLASSES.classes]
    assert np.array_equal(picture[middle, middle], expected[class_ids])


def test_the_class_raster(tmp_path):
    georef = GeoRef(crs=None, transform=Affine(2.0, 0.0, 0.0, 0.0, -2.0, 0.0), height=24, width=24)
    path = tmp_path / "classes.tif"
    with class_raster_writer(path, georef, CLASSES) as writer:
        writer.write(georef.window, CLASS_IDS)
    write_class_sidecar(path, CLASSES, {})
    write_class_style(path, CLASSES)
    (told,), picture = shown(tmp_path, str(path))
    assert sorted(tuple(entry[1:]) for entry in told["legend"]) == sorted(LEGEND)
    assert_colours(picture, CLASS_IDS)


@pytest.fixture
def layers(small_map, tmp_path):
    """Sources of the layers of a map."""
    made = small_map(CLASS_IDS, confidence=np.full(CLASS_IDS.shape, 70, np.uint8), review=2)
    path = tmp_path / "map.gpkg"
    write_vector(path, made.layers(), crs=made.georef.crs, tables=lambda: made.tables)
    return {name: f"{path}|layername={name}" for name in ("landcover", "boundaries", "review")}


def test_polygons(layers, tmp_path):
    (told,), picture = shown(tmp_path, layers["landcover"])
    assert [tuple(entry[1:]) for entry in told["legend"]] == LEGEND
    assert_colours(picture, CLASS_IDS)


def test_boundaries_and_points_upon_polygons(layers, tmp_path):
    told, picture = shown(tmp_path, layers["review"], layers["boundaries"], layers["landcover"])
    assert [tuple(entry[1:]) for entry in told[0]["legend"]] == LEGEND
    assert told[1]["legend"] == [["", "boundary between two classes", "#232323"]]
    crossing = 8 * PIXELS
    assert picture[4 * PIXELS, crossing - 2 : crossing + 3].min() < 60
    assert (picture == 255).all(axis=2).sum() > 50
