from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError

import pytest

from geoseg import doctor
from geoseg.doctor import run_checks
from geoseg.errors import ModelError


@pytest.fixture
def findings(monkeypatch, tmp_path):
    """Run the checks with one packaged model that loads."""
    monkeypatch.setattr("geoseg.models.zoo.packaged_models", lambda: ("demo",))
    monkeypatch.setattr(doctor, "_loads", lambda name: f"{name} loads")
    return lambda: {check.name: check for check in run_checks(tmp_path)}


def test_a_working_installation_passes_every_check(findings):
    assert [check for check in findings().values() if not check.ok] == []


def test_every_finding_is_one_line(findings):
    assert all(check.detail and "\n" not in check.detail for check in findings().values())


def test_a_library_that_is_missing_fails_and_ends_nothing(findings, monkeypatch):
    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", version)
    found = findings()
    assert not found["torch"].ok
    assert found["output folder"].ok


def test_a_library_that_cannot_be_imported_fails_and_ends_nothing(findings, monkeypatch):
    monkeypatch.setitem(sys.modules, "rasterio", None)
    found = findings()
    assert not found["raster formats"].ok
    assert found["vector formats"].ok


def test_a_missing_driver_fails_and_is_named(findings, monkeypatch):
    monkeypatch.setattr("pyogrio.list_drivers", dict)
    assert findings()["vector formats"].detail == "GDAL lacks the drivers GPKG: install a full build of it"


def test_a_model_that_does_not_load_fails_with_its_reason(findings, monkeypatch):
    def broken(name):
        raise ModelError(f"{name}: weights are damaged")

    monkeypatch.setattr(doctor, "_loads", broken)
    assert findings()["model demo"] == doctor.Check(name="model demo", ok=False, detail="demo: weights are damaged")


def test_no_models_at_all_fails(findings, monkeypatch):
    monkeypatch.setattr("geoseg.models.zoo.packaged_models", lambda: ())
    assert not findings()["models"].ok


def test_a_folder_that_cannot_be_written_fails(tmp_path):
    absent = tmp_path / "absent"
    found = {check.name: check for check in run_checks(absent)}
    assert not found["output folder"].ok
    assert "use -o with another" in found["output folder"].detail
