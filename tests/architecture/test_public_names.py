from __future__ import annotations

import subprocess
import sys

import pytest

import geoseg

PUBLIC = {
    "ClassMap",
    "ConfigError",
    "GeoRef",
    "GeorefError",
    "GeosegError",
    "GridError",
    "LabelError",
    "LandCoverClass",
    "ModelError",
    "ModelPackage",
    "OutputError",
    "Prediction",
    "SceneError",
    "Window",
    "evaluate",
    "load_model",
    "open_scene",
    "predict_scene",
    "save_package",
}
"""What users may rely on. A name that goes is a breaking change; a new one is added here on purpose."""


def test_the_public_names_are_the_promised_ones():
    assert set(geoseg.__all__) == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_name_is_there_and_documented(name):
    assert getattr(geoseg, name).__doc__


def test_other_names_are_not_there():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = geoseg.no_such_name


def test_importing_the_package_loads_neither_torch_nor_gdal():
    code = "import sys, geoseg; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "rasterio", "numpy", "dask"}.isdisjoint(done.stdout.split())
