"""Staged outputs appear together or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from geoseg.errors import OutputError
from geoseg.raster.staging import Staging

NAMES = ("a.tif", "b.gpkg")


def stage_and_commit(folder: Path, *, overwrite: bool = False, text: str = "new") -> None:
    with Staging(folder, NAMES, overwrite=overwrite) as staging:
        for name in NAMES:
            staging.path(name).write_text(text)
        staging.commit()


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_committed_files_are_all_there_and_nothing_else(tmp_path):
    stage_and_commit(tmp_path / "deep" / "out")
    assert contents(tmp_path / "deep" / "out") == {"a.tif": "new", "b.gpkg": "new"}


def test_files_stay_hidden_until_the_commit(tmp_path):
    with Staging(tmp_path, NAMES, overwrite=False) as staging:
        staging.path("a.tif").write_text("new")
        visible = [file.name for file in tmp_path.iterdir() if not file.name.startswith(".")]
        assert visible == []
        assert staging.path("a.tif").parent.parent == tmp_path


@pytest.mark.parametrize("reason", [KeyboardInterrupt, ValueError, SystemExit])
def test_whatever_ends_the_block_leaves_old_files_and_no_folder_behind(tmp_path, reason):
    (tmp_path / "a.tif").write_text("old")

    def fail_in(folder: Path) -> None:
        with Staging(folder, NAMES, overwrite=True) as staging:
            staging.path("a.tif").write_text("new")
            raise reason

    for folder in (tmp_path, tmp_path / "made" / "here"):
        with pytest.raises(reason):
            fail_in(folder)
    assert contents(tmp_path) == {"a.tif": "old"}


def test_an_existing_file_is_refused_by_name_and_the_way_out_is_told(tmp_path):
    (tmp_path / "b.gpkg").write_text("old")
    with pytest.raises(OutputError, match=r"b\.gpkg.*--overwrite"):
        stage_and_commit(tmp_path)
    assert contents(tmp_path) == {"b.gpkg": "old"}


def test_overwriting_replaces_files_and_drops_their_outdated_sidecars(tmp_path):
    stage_and_commit(tmp_path, text="old")
    for stale in ("a.tif.aux.xml", "a.tif.ovr", "b.gpkg-wal", "other.tif.ovr"):
        (tmp_path / stale).write_text("stale")
    stage_and_commit(tmp_path, overwrite=True)
    assert contents(tmp_path) == {"a.tif": "new", "b.gpkg": "new", "other.tif.ovr": "stale"}


def test_a_sidecar_written_beside_a_staged_file_comes_along(tmp_path):
    (tmp_path / "a.tif.aux.xml").write_text("stale")
    with Staging(tmp_path, ("a.tif",), overwrite=True) as staging:
        staging.path("a.tif").write_text("new")
        staging.path("a.tif").with_name("a.tif.aux.xml").write_text("fresh")
        staging.commit()
    assert contents(tmp_path) == {"a.tif": "new", "a.tif.aux.xml": "fresh"}


@pytest.mark.parametrize("fault", [OSError(errno.EACCES, "denied"), KeyboardInterrupt()])
def test_a_commit_that_fails_half_way_puts_the_old_files_back(tmp_path, monkeypatch, fault):
    stage_and_commit(tmp_path, text="old")
    (tmp_path / "a.tif.ovr").write_text("old")
    replace = Path.replace

    def fail_on_the_second_new_file(source: Path, target: Path) -> Path:
        if target == tmp_path / "b.gpkg" and source.read_text() == "new":
            raise fault
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", fail_on_the_second_new_file)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        stage_and_commit(tmp_path, overwrite=True)
    assert contents(tmp_path) == {"a.tif": "old", "b.gpkg": "old", "a.tif.ovr": "old"}


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file/out"):
        stage_and_commit(tmp_path / "file" / "out")


def test_a_folder_under_an_output_name_is_never_replaced(tmp_path):
    (tmp_path / "a.tif").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        stage_and_commit(tmp_path, overwrite=True)


def test_a_full_disk_is_an_error_the_user_can_mend(tmp_path):
    staging = Staging(tmp_path, NAMES, overwrite=False)
    with pytest.raises(OutputError, match="disk is full"), staging:
        raise OSError(errno.ENOSPC, "No space left on device")
    assert contents(tmp_path) == {}


def test_only_declared_names_can_be_written(tmp_path):
    with Staging(tmp_path, NAMES, overwrite=False) as staging, pytest.raises(ValueError, match=r"c\.tif"):
        staging.path("c.tif")
