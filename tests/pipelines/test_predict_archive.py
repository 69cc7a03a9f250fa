from __future__ import annotations

import json
from pathlib import Path

import pytest
from affine import Affine

from geoseg.cli.messages import reported
from geoseg.config.predict import PredictSettings
from geoseg.errors import ConfigError, SceneError
from geoseg.georef import GeoRef
from geoseg.predict.scene import Prediction
from pipelines import predict_archive
from pipelines.predict_archive import find_scenes, plan_archive

GRID = GeoRef(crs=None, transform=Affine.scale(1, -1), height=4, width=5)


@pytest.fixture
def archive(tmp_path):
    for name in ("a.tif", "b.TIF", "notes.txt", "deep/a.tif", "deep/bad.jp2"):
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "archive"


@pytest.fixture
def mapped(monkeypatch):
    """Replace the mapping of a scene: it leaves a file, remembers the scene, and fails for scenes called `bad`."""
    made = []

    def predict_with(scene, output, settings, *, progress):
        made.append((Path(scene).name, settings.overwrite, settings.workers))
        if progress is not None:
            progress("predict", 1, 1)
        if "bad" in scene:
            raise SceneError(f"{scene}: cannot be read")
        output.mkdir(parents=True, exist_ok=True)
        class_raster = output / "x.classes.tif"
        class_raster.write_text("")
        return Prediction(
            scene=scene,
            model="demo",
            class_raster=class_raster,
            confidence=class_raster,
            probabilities=None,
            geopackage=None,
            stac_item=class_raster,
            grid=GRID,
            classes=(),
            seconds=1.0,
        )

    monkeypatch.setattr(predict_archive, "predict_with", predict_with)
    return made


def run(*arguments):
    return reported(predict_archive.command, [str(argument) for argument in arguments], prog_name="predict_archive")


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


def names(mapped):
    return [name for name, _, _ in mapped]


def test_scenes_come_from_files_patterns_and_folders_each_once(archive):
    everything = [str(archive / name) for name in ("a.tif", "b.TIF", "deep/a.tif", "deep/bad.jp2")]
    assert find_scenes([str(archive)]) == everything
    assert find_scenes([str(archive), everything[0], str(archive / "*.tif")]) == everything
    assert find_scenes([str(archive / "**/*.tif")]) == [everything[0], everything[2]]
    assert find_scenes(["absent.tif"]) == ["absent.tif"]


@pytest.mark.parametrize("source", ["nothing", "*.jp3"])
def test_a_folder_or_pattern_without_scenes_is_an_error(tmp_path, source):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ConfigError, match="holds no scene"):
        find_scenes([str(tmp_path / source)])


def test_every_scene_has_a_folder_of_its_own_that_does_not_depend_on_the_others_order(archive):
    scenes = find_scenes([str(archive)])
    jobs = plan_archive(scenes, Path("out"))
    folders = {job.scene: job.folder for job in jobs}
    assert len(set(folders.values())) == len(scenes)
    assert folders[str(archive / "b.TIF")] == Path("out/b")
    assert {job.scene: job.folder for job in plan_archive(scenes[::-1], Path("out"))} == folders


def test_a_scene_that_fails_is_recorded_and_the_others_go_on(archive, mapped, tmp_path, capsys):
    assert run(archive, "-o", tmp_path / "out") == 1
    assert names(mapped) == ["a.tif", "b.TIF", "a.tif", "bad.jp2"]
    entries = report_of(tmp_path / "out")["scenes"]
    assert [entry["status"] for entry in entries] == ["mapped", "mapped", "mapped", "failed"]
    assert entries[3]["error"].endswith("bad.jp2: cannot be read")
    shown = capsys.readouterr()
    assert shown.out == "1 failed, 3 mapped\n"
    assert f"geoseg: {archive / 'deep/bad.jp2'}: cannot be read\n" in shown.err


def test_a_second_run_maps_only_what_is_not_finished(archive, mapped, tmp_path, capsys):
    run(archive, "-o", tmp_path / "out")
    mapped.clear()
    assert run(archive, "-o", tmp_path / "out") == 1
    assert names(mapped) == ["bad.jp2"]
    assert capsys.readouterr().out.endswith("1 failed, 3 skipped\n")
    statuses = [entry["status"] for entry in report_of(tmp_path / "out")["scenes"]]
    assert statuses == ["skipped", "skipped", "skipped", "failed"]


@pytest.mark.parametrize(
    "change",
    [
        lambda scene, _: scene.write_text("another picture"),
        lambda _, out: (out / "a" / "x.classes.tif").unlink(),
        lambda _, out: (out / "a" / "done.json").write_text("{"),
    ],
    ids=["scene changed", "output gone", "mark broken"],
)
def test_a_scene_is_mapped_again_when_it_or_its_outputs_changed(tmp_path, mapped, change):
    scene = tmp_path / "a.tif"
    scene.write_text("picture")
    run(scene, "-o", tmp_path / "out")
    change(scene, tmp_path / "out")
    assert run(scene, "-o", tmp_path / "out") == 0
    assert [overwrite for _, overwrite, _ in mapped] == [False, True]


def test_settings_that_change_the_map_map_again_and_those_that_do_not_skip(tmp_path, mapped):
    scene = tmp_path / "a.tif"
    scene.write_text("picture")
    out = tmp_path / "out"
    run(scene, "-o", out)
    run(scene, "-o", out, "--block-rows", "64", "--batch-size", "2")
    assert len(mapped) == 1
    run(scene, "-o", out, "--tile", "128")
    assert len(mapped) == 2
    run(scene, "-o", out, "--tile", "128", "--overwrite")
    assert len(mapped) == 3


def test_files_of_somebody_else_in_the_folder_are_not_replaced(tmp_path, mapped):
    scene = tmp_path / "a.tif"
    scene.write_text("picture")
    run(scene, "-o", tmp_path / "out")
    assert mapped == [("a.tif", False, 1)]


def test_json_is_all_that_stands_on_stdout(archive, mapped, tmp_path, capsys):
    run(archive, "-o", tmp_path / "out", "--json")
    assert json.loads(capsys.readouterr().out) == report_of(tmp_path / "out")
    assert len(mapped) == 4


def test_workers_map_whole_scenes_where_there_are_enough(archive, mapped, tmp_path, monkeypatch):
    asked = []

    def run_blocks(compute, consume, blocks, *, workers, scheduler, cluster):
        asked.append((len(blocks), workers, scheduler, cluster))
        for block in blocks:
            consume(compute(block))

    monkeypatch.setattr(predict_archive, "run_blocks", run_blocks)
    assert run(archive, "-o", tmp_path / "out", "--workers", "3") == 1
    assert asked == [(4, 3, None, None)]
    assert [workers for _, _, workers in mapped] == [1, 1, 1, 1]


def test_workers_share_the_blocks_where_scenes_are_few(archive, mapped, tmp_path):
    assert run(archive / "a.tif", "-o", tmp_path / "out", "--workers", "3") == 0
    assert mapped == [("a.tif", False, 3)]


def test_a_report_that_cannot_be_written_is_one_line_before_any_work(archive, mapped, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert run(archive, "-o", tmp_path / "out") == 1
    assert "report.json: cannot be written" in capsys.readouterr().err.splitlines()[-1]
    assert mapped == []


def test_settings_start_from_the_defaults_of_predict(archive, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(predict_archive, "run_archive", lambda _jobs, _output, settings: seen.append(settings) or [])
    assert run(archive, "-o", tmp_path / "out") == 0
    assert seen == [PredictSettings()]
