from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import jsonschema
import numpy as np
import pystac
import pytest
import rasterio
from affine import Affine
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource

from geoseg.cli.messages import reported
from geoseg.config.predict import PredictSettings
from geoseg.errors import ConfigError, ModelError, SceneError
from geoseg.georef import GeoRef
from geoseg.predict.scene import Prediction, predict_scene
from pipelines import predict_archive
from pipelines.archive import run
from pipelines.archive.done import BEGUN, DONE, MOST_ATTEMPTS, begin
from pipelines.archive.jobs import ArchiveJob, flat, plan_archive
from tests.pipelines.archive_files import item_of, places, write

GRID = GeoRef(crs=None, transform=Affine.scale(1, -1), height=4, width=5)
OPTIONS = ("--model", "demo-landscape")


@pytest.fixture
def mapped(monkeypatch):
    """Replace the mapping of a scene: it leaves files, remembers the scene, and fails for scenes called `bad`."""
    made = []

    def predict_with(scene, output, settings, *, progress):
        made.append((Path(scene).name, settings.overwrite, settings.workers))
        if progress is not None:
            progress("predict", 1, 1)
        if "bad" in Path(scene).name:
            raise SceneError(f"{scene}: cannot be read")
        if "defect" in Path(scene).name:
            raise ZeroDivisionError("division by zero")
        output.mkdir(parents=True, exist_ok=True)
        (output / "x.classes.tif").write_text("abcd")
        (output / "x.stac.json").write_text(json.dumps(item_of("x", "./x.classes.tif")))
        return Prediction(
            scene=scene,
            model="demo-landscape",
            class_raster=output / "x.classes.tif",
            confidence=output / "x.classes.tif",
            probabilities=None,
            geopackage=None,
            stac_item=output / "x.stac.json",
            run_record=output / "x.stac.json",
            grid=GRID,
            classes=(),
            seconds=1.0,
        )

    monkeypatch.setattr(run, "predict_with", predict_with)
    return made


def job_of(*arguments):
    called = [*map(str, arguments), *OPTIONS]
    return reported(predict_archive.command, called, prog_name="predict_archive")


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


def statuses(folder):
    return [entry["status"] for entry in report_of(folder)["scenes"]]


def names(mapped):
    return [name for name, _, _ in mapped]


def test_a_list_names_scenes_beside_it_and_what_lies_elsewhere_fails(archive, tmp_path, mapped):
    (tmp_path / "other.tif").write_text("elsewhere")
    listed = write(archive / "scenes.txt", "# mine\ndeep/a.tif\n\na.tif\n../other.tif\nabsent.tif\n")
    assert places([listed]) == {
        str(archive / "deep/a.tif"): "deep/a",
        str(archive / "a.tif"): "a",
        str(archive / "../other.tif"): "other",
        str(archive / "absent.tif"): "absent",
    }
    assert job_of(listed, "-o", tmp_path / "out") == 5
    assert sorted(names(mapped)) == ["a.tif", "a.tif", "absent.tif"]
    (refused,) = [entry for entry in report_of(tmp_path / "out")["scenes"] if entry["status"] == "failed"]
    assert f"pass --allow {tmp_path / 'other.tif'}" in refused["error"]
    assert job_of(listed, "-o", tmp_path / "out", "--allow", tmp_path / "other.tif") == 0


def test_a_scene_that_fails_is_recorded_and_the_others_go_on(archive, mapped, tmp_path, capsys):
    (archive / "defect.tif").write_text("x")
    assert job_of(archive, "-o", tmp_path / "out") == 5
    assert names(mapped) == ["a.tif", "b.TIF", "a.tif", "bad.jp2", "defect.tif"]
    entries = report_of(tmp_path / "out")["scenes"]
    assert [entry["status"] for entry in entries] == ["mapped", "mapped", "mapped", "failed", "failed"]
    assert entries[3]["error"].endswith("bad.jp2: cannot be read")
    assert entries[4]["error"] == "ZeroDivisionError: division by zero (a defect)"
    shown = capsys.readouterr()
    assert "\n2 failed, 3 mapped\n" in shown.out
    assert f"4/5 failed: {archive / 'deep/bad.jp2'}: cannot be read\n" in shown.err
    assert {path.name for path in (tmp_path / "out" / "deep").iterdir()} == {"a"}
    with (tmp_path / "out" / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["status"], row["reason"]) for row in rows[2:4]] == [("mapped", ""), ("failed", "cannot be read")]
    assert (rows[0]["model"], rows[0]["Mpx"], rows[0]["seconds"]) == ("demo-landscape", "0.000", "1.00")
    assert (tmp_path / "out" / "report.md").read_text().startswith("2 failed, 3 mapped\n\n| scene |")


def test_a_second_run_maps_only_what_is_not_made(archive, mapped, tmp_path, capsys):
    job_of(archive, "-o", tmp_path / "out")
    mapped.clear()
    assert job_of(archive, "-o", tmp_path / "out") == 5
    assert names(mapped) == ["bad.jp2"]
    assert "1 failed, 3 skipped\n" in capsys.readouterr().out
    assert statuses(tmp_path / "out") == ["skipped", "skipped", "skipped", "failed"]
    mapped.clear()
    (archive / "deep/bad.jp2").rename(archive / "deep/good.jp2")
    assert job_of(archive, "-o", tmp_path / "out") == 0
    assert names(mapped) == ["good.jp2"]


def touched(scene, _):
    os.utime(scene, ns=(1, 1))


CHANGES = {
    "scene changed": (lambda scene, _: scene.write_text("another"), 2),
    "as long as before": (lambda scene, _: scene.write_text("PICTURE"), 2),
    "mask beside it": (lambda scene, _: Path(f"{scene}.msk").write_text("mask"), 2),
    "nothing": (lambda scene, out: (scene, out), 1),
    "touched": (touched, 1),
    "output gone": (lambda _, out: (out / "a" / "x.classes.tif").unlink(), 2),
    "output cut": (lambda _, out: (out / "a" / "x.classes.tif").write_text("ab"), 2),
    "item changed": (lambda _, out: (out / "a" / "x.stac.json").write_text("{}"), 2),
    "mark broken": (lambda _, out: (out / "a" / DONE).write_text("{"), 2),
    "mark odd": (lambda _, out: (out / "a" / DONE).write_text('{"result": 3, "inputs": 1}'), 2),
}


@pytest.mark.parametrize(("change", "times"), CHANGES.values(), ids=CHANGES)
def test_a_scene_is_mapped_again_where_it_or_its_map_changed(tmp_path, mapped, change, times):
    scene = tmp_path / "a.tif"
    scene.write_text("picture")
    job_of(scene, "-o", tmp_path / "out")
    change(scene, tmp_path / "out")
    assert job_of(scene, "-o", tmp_path / "out") == 0
    assert names(mapped) == ["a.tif"] * times


def test_options_that_change_the_map_map_again_and_those_that_do_not_skip(tmp_path, mapped):
    scene = tmp_path / "a.tif"
    scene.write_text("picture")
    out = tmp_path / "out"
    job_of(scene, "-o", out)
    job_of(scene, "-o", out, "--block-rows", "64", "--batch-size", "2", "--max-memory", "9GB")
    assert len(mapped) == 1
    job_of(scene, "-o", out, "--tile", "128")
    assert len(mapped) == 2
    for again in ("--overwrite", "--restart"):
        job_of(scene, "-o", out, "--tile", "128", again)
    assert len(mapped) == 4


def test_files_of_somebody_else_in_the_folder_are_not_replaced(tmp_path, mapped):
    scene = tmp_path / "a.tif"
    scene.write_text("picture")
    write(tmp_path / "out" / "a" / "x.classes.tif", "theirs")
    job_of(scene, "-o", tmp_path / "out")
    assert mapped == [("a.tif", False, 1)]


def test_a_run_that_ended_after_a_map_and_before_its_mark_makes_the_map_again(tmp_path, mapped):
    scene = tmp_path / "a.tif"
    scene.write_text("picture")
    job_of(scene, "-o", tmp_path / "out")
    (tmp_path / "out" / "a" / DONE).unlink()
    (tmp_path / "out" / "a" / BEGUN).write_text("{}")
    assert job_of(scene, "-o", tmp_path / "out") == 0
    assert [overwrite for _, overwrite, _ in mapped] == [True, True]
    assert not (tmp_path / "out" / "a" / BEGUN).exists()


@pytest.mark.usefixtures("mapped")
def test_ctrl_c_ends_with_130_and_the_next_run_goes_on(archive, tmp_path, monkeypatch):
    predict_with = run.predict_with

    def interrupted(scene, *arguments, **more):
        if scene.endswith("b.TIF"):
            raise KeyboardInterrupt
        return predict_with(scene, *arguments, **more)

    monkeypatch.setattr(run, "predict_with", interrupted)
    assert job_of(archive, "-o", tmp_path / "out") == 130
    assert report_of(tmp_path / "out")["remaining"] == 3
    monkeypatch.setattr(run, "predict_with", predict_with)
    assert job_of(archive, "-o", tmp_path / "out") == 5
    assert statuses(tmp_path / "out") == ["skipped", "mapped", "mapped", "failed"]


def test_json_is_all_that_stands_on_stdout(archive, mapped, tmp_path, capsys):
    job_of(archive, "-o", tmp_path / "out", "--json")
    assert json.loads(capsys.readouterr().out) == report_of(tmp_path / "out")
    assert len(mapped) == 4


@pytest.fixture
def asked(monkeypatch):
    """Replace the workers."""
    calls = []

    def run_blocks(compute, consume, blocks, *, workers, scheduler):
        calls.append((len(blocks), workers, scheduler))
        for block in blocks:
            consume(compute(block))

    monkeypatch.setattr(run, "run_blocks", run_blocks)
    return calls


def test_workers_map_small_scenes_as_a_whole(archive, mapped, tmp_path, asked):
    assert job_of(archive, "-o", tmp_path / "out", "--workers", "3") == 5
    assert asked == [(4, 3, None)]
    assert [workers for _, _, workers in mapped] == [1, 1, 1, 1]


def test_workers_share_the_blocks_of_large_scenes(archive, mapped, tmp_path, asked, monkeypatch):
    sizes = {"a.tif": run.LARGE}
    monkeypatch.setattr(run, "_pixels_of", lambda job, _: sizes.get(Path(job.scene).name, run.LARGE - 1))
    assert job_of(archive, "-o", tmp_path / "out", "--workers", "3") == 5
    assert asked == [(2, 3, None)]
    assert [(name, workers) for name, _, workers in mapped] == [
        ("b.TIF", 1),
        ("bad.jp2", 1),
        ("a.tif", 3),
        ("a.tif", 3),
    ]


def test_workers_share_the_blocks_of_a_scene_that_is_alone(archive, mapped, tmp_path):
    assert job_of(archive / "a.tif", "-o", tmp_path / "out", "--workers", "3") == 0
    assert [workers for _, _, workers in mapped] == [3]


@pytest.mark.usefixtures("mapped")
def test_a_scene_that_ends_worker_after_worker_is_given_up_and_the_others_go_on(archive, tmp_path, monkeypatch):
    rounds = []

    def run_blocks(compute, consume, blocks, *, workers, scheduler):  # noqa: ARG001 - as the real one
        rounds.append(len(blocks))
        for job in blocks:
            if job.scene.endswith("b.TIF"):
                for _ in range(MOST_ATTEMPTS):
                    begin(job, compute.run)
                raise ConfigError("a block ended 4 workers one after the other")
            consume(compute(job))

    monkeypatch.setattr(run, "run_blocks", run_blocks)
    assert job_of(archive, "-o", tmp_path / "out", "--workers", "2") == 5
    assert rounds == [4, 2]
    entries = report_of(tmp_path / "out")["scenes"]
    assert [entry["status"] for entry in entries] == ["mapped", "failed", "mapped", "failed"]
    assert "ended 3 or more processes" in entries[1]["error"]
    assert not (tmp_path / "out" / "b").exists()


def test_a_cluster_that_is_lost_ends_the_run(archive, mapped, tmp_path, monkeypatch, capsys):
    def run_blocks(*_, **__):
        raise ConfigError("the Dask cluster was lost")

    monkeypatch.setattr(run, "run_blocks", run_blocks)
    assert job_of(archive, "-o", tmp_path / "out", "--workers", "2") == 1
    assert capsys.readouterr().err.endswith("geoseg: the Dask cluster was lost\n")
    assert mapped == []


def test_a_model_that_is_unknown_is_one_line_before_any_work(archive, mapped, tmp_path, capsys):
    with pytest.raises(ModelError):
        run.run_archive([], tmp_path, PredictSettings(model="unknown"))
    (tmp_path / "out").write_text("a file")
    assert job_of(archive, "-o", tmp_path / "out") == 1
    assert "report.json: cannot be written" in capsys.readouterr().err.splitlines()[-1]
    assert mapped == []


def test_settings_start_from_the_defaults_of_predict(archive, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(predict_archive, "run_archive", lambda _, __, settings, **___: seen.append(settings) or [])
    assert reported(predict_archive.command, [str(archive), "-o", str(tmp_path)], prog_name="predict_archive") == 0
    assert seen == [PredictSettings()]


@pytest.fixture
def scenes(write_scene, tmp_path):
    """Three right scenes and some that are broken, each in another way."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("one", "deep/two", "deep/three"):
        write_scene(rng.integers(1, 255, (3, 70, 90), dtype=np.uint8), f"in/{name}.tif")
    whole = (tmp_path / "in/one.tif").read_bytes()
    (tmp_path / "in/cut.tif").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in/empty.tif").write_bytes(b"")
    (tmp_path / "in/text.tif").write_text("no picture")
    write_scene(rng.integers(1, 255, (1, 70, 90), dtype=np.uint8), "in/bands.tif")
    write_scene(np.ones((3, 70, 90), dtype=np.complex64), "in/complex.tif")
    write_scene(np.full((3, 70, 90), np.nan, dtype=np.float32), "in/nan.tif")
    return tmp_path / "in"


def schema_errors(values):
    schemas = get_local_schema_cache()
    registry = Registry().with_resources([(uri, Resource.from_contents(schema)) for uri, schema in schemas.items()])
    kind = "collection" if values["type"] == "Collection" else "item"
    (schema,) = [schemas[uri] for uri in schemas if uri.endswith(f"{kind}-spec/json-schema/{kind}.json")]
    return [error.message for error in jsonschema.Draft7Validator(schema, registry=registry).iter_errors(values)]


def test_real_scenes_give_the_maps_of_single_runs_and_a_collection_on_top(scenes, tmp_path, tiny_model):
    out = tmp_path / "maps"
    called = [str(scenes), "-o", str(out), "--model", str(tiny_model)]
    assert reported(predict_archive.command, called, prog_name="predict_archive") == 5
    counts = statuses(out)
    assert (counts.count("mapped"), counts.count("failed")) == (4, 5)
    with (out / "report.csv").open(newline="") as file:
        remarks = {Path(row["scene"]).stem: row["reason"] for row in csv.DictReader(file) if row["status"] == "mapped"}
    assert remarks == {"one": "", "two": "", "three": "", "nan": "no pixel can be used: the map is empty"}
    reasons = [entry["error"] for entry in report_of(out)["scenes"] if entry["status"] == "failed"]
    assert all("\n" not in reason and "defect" not in reason for reason in reasons)
    for name in ("one", "deep/two"):
        alone = predict_scene(scenes / f"{name}.tif", tmp_path / "alone" / name, model=str(tiny_model))
        made = out / name / alone.class_raster.name
        assert made.read_bytes() == alone.class_raster.read_bytes()
        with rasterio.open(made) as dataset:
            assert dataset.shape == (70, 90)
    collection = pystac.Collection.from_file(out / "collection.json")
    items = list(collection.get_items())
    assert {item.id for item in items} == {"one", "deep--two", "deep--three", "nan"}
    assert all(item.get_collection().id == collection.id == "maps" for item in items)
    assert all(item.get_root().id == "maps" for item in items)
    bounds = np.array([item.bbox for item in items])
    assert collection.extent.spatial.bboxes == [[*bounds[:, :2].min(axis=0), *bounds[:, 2:].max(axis=0)]]
    cover = collection.summaries.to_dict()["geoseg:land_cover"]
    assert sum(each["pixels"] for each in cover) == 3 * 70 * 90
    assert [each["name"] for each in cover] == ["water", "forest", "crop"]
    plain = json.loads((out / "collection.json").read_text())
    assert schema_errors(plain) == []
    for item in items:
        assert schema_errors(json.loads(Path(item.self_href).read_text())) == []
    assert schema_errors({**plain, "extent": 3})
    assert {path.name for path in out.iterdir()} >= {"one", "nan", "deep", "report.csv", "report.md", "report.json"}
    assert {path.name for path in (out / "deep").iterdir()} == {"two", "three"}


def test_a_job_names_its_item_apart_from_others_of_the_same_name():
    jobs = plan_archive(flat(["x/a.tif", "y/a.tif"]), Path("out"))
    assert len({job.name for job in jobs}) == len({job.folder for job in jobs}) == 2
    assert all(isinstance(job, ArchiveJob) for job in jobs)
