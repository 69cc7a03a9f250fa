from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from geoseg.cli.messages import reported
from geoseg.errors import ModelError
from geoseg.models.package import save_package
from geoseg.models.zoo import load_model
from pipelines import adapt_region


@dataclass
class FakeResult:
    """What the pipeline uses of an adaptation's result."""

    account: dict

    def as_json(self):
        return self.account


@dataclass
class FakeAdapt:
    """Stands for `adapt_model`: writes a package with other weights, or the same ones where it keeps the model."""

    keeps: bool = False
    outcome: str = ""
    error: bool = False
    calls: list = field(default_factory=list)

    def __call__(self, settings, targets, output, *, source, progress):
        self.calls.append(([Path(target).name for target in targets], settings, source))
        if self.error:
            raise ModelError("no adapter fits")
        progress("learning", 1, 1)
        package = load_model(settings.model)
        if not self.keeps:
            torch.manual_seed(len(self.calls))
            for parameter in package.network.parameters():
                parameter.data = torch.randn_like(parameter) * 0.3
        if output.exists():
            assert settings.overwrite
            for file in output.iterdir():
                file.unlink()
            output.rmdir()
        save_package(replace(package, name="tiny-adapted"), output)
        chosen = "source" if self.keeps else "style-75"
        account = {
            "outcome": self.outcome or ("kept-source" if self.keeps else "adapted"),
            "reason": f"because of {chosen}",
            "chosen": chosen,
            "model": package.name,
            "targets": [Path(target).name for target in targets],
            "candidates": [],
        }
        (output / "adaptation.json").write_text(json.dumps(account))
        return FakeResult(account)


@pytest.fixture
def adapt(monkeypatch):
    fake = FakeAdapt()
    monkeypatch.setattr(adapt_region, "adapt_model", fake)
    return fake


@pytest.fixture
def region(write_scene, tmp_path):
    (tmp_path / "region").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.tif", "b.tif"):
        write_scene(rng.integers(1, 255, (3, 70, 90), dtype=np.uint8), f"region/{name}")
    return tmp_path / "region"


@pytest.fixture
def run(tiny_model, region, tmp_path):
    def start(*arguments):
        parts = ("--model", tiny_model, "--region", region, "-o", tmp_path / "out", "--device", "cpu", *arguments)
        return reported(adapt_region.command, [str(part) for part in parts], prog_name="adapt_region")

    return start


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def classes_of(out, part, name):
    with rasterio.open(out / part / name / f"{name}.classes.tif") as dataset:
        return dataset.read(1)


def report_of(out):
    return json.loads((out / "report.json").read_text())


def changes_in(out):
    return list(csv.DictReader((out / "changes.csv").read_text().splitlines()))


def statuses(out, part):
    return [entry["status"] for entry in report_of(out)[part]]


def test_a_region_gives_model_maps_before_and_after_page_and_changes(adapt, run, out, tiny_model, capsys):
    assert run() == 0
    assert load_model(out / "model").name == "tiny-adapted"
    assert adapt.calls[0][0] == ["a.tif", "b.tif"]
    rows = changes_in(out)
    changed = 0
    for name in ("a", "b"):
        before, after = classes_of(out, "before", name), classes_of(out, "after", name)
        told = {(row["from"], row["to"]): int(row["pixels"]) for row in rows if row["scene"].endswith(f"{name}.tif")}
        legend = load_model(tiny_model).classes
        for (earlier, later), pixels in told.items():
            ids = [legend.ids[legend.names.index(each)] for each in (earlier, later)]
            assert pixels == ((before == ids[0]) & (after == ids[1])).sum()
        assert sum(told.values()) == (before != after).sum()
        changed += int((before != after).sum())
    assert changed > 0
    overall = json.loads((out / "changes.json").read_text())
    assert overall["changed_share"] == pytest.approx(changed / (2 * 70 * 90))
    assert sum(row["pixels"] for row in overall["all"]) == changed
    assert sum(row["hectares"] for row in overall["all"]) == pytest.approx(changed / 1e4, rel=0.01)
    page = (out / "report.html").read_text()
    assert page.count("<img") == 8
    assert "because of style-75" in page
    assert "of the mapped ground changed its class" in capsys.readouterr().out


def test_a_model_that_is_kept_gives_no_maps_after_and_that_is_said(adapt, run, out, capsys):
    adapt.keeps = True
    assert run() == 0
    assert not (out / "after").exists()
    assert "the model was kept" in capsys.readouterr().out
    assert report_of(out)["after"] == []
    assert (out / "report.html").read_text().count("<img") == 4
    assert changes_in(out) == []


def test_a_second_run_does_nothing_twice(adapt, run, out):
    run()
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*.tif")}
    assert run() == 0
    assert len(adapt.calls) == 1
    assert statuses(out, "before") == statuses(out, "after") == ["skipped", "skipped"]
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*.tif")} == before
    assert json.loads((out / "changes.json").read_text())["changed_share"] > 0


def test_a_new_scene_adapts_again_and_maps_after_are_made_again(adapt, run, out, write_scene):
    run()
    older = classes_of(out, "after", "a")
    write_scene(np.full((3, 70, 90), 99, dtype=np.uint8), "region/c.tif")
    assert run() == 0
    assert [names for names, _, _ in adapt.calls] == [["a.tif", "b.tif"], ["a.tif", "b.tif", "c.tif"]]
    assert statuses(out, "before") == ["skipped", "skipped", "mapped"]
    assert statuses(out, "after") == ["mapped"] * 3
    assert (classes_of(out, "after", "a") != older).any()


def test_a_run_that_was_stopped_between_maps_goes_on(adapt, run, out, monkeypatch):
    run_archive = adapt_region.run_archive

    def stopped(jobs, output, settings):
        if output.name == "after":
            run_archive(jobs[:1], output, settings)
            raise KeyboardInterrupt
        return run_archive(jobs, output, settings)

    monkeypatch.setattr(adapt_region, "run_archive", stopped)
    assert run() == 130
    monkeypatch.undo()
    monkeypatch.setattr(adapt_region, "adapt_model", adapt)
    assert run() == 0
    assert len(adapt.calls) == 1
    assert statuses(out, "after") == ["skipped", "mapped"]


def test_a_scene_that_fails_is_left_out_and_the_others_go_on(adapt, run, out, region):
    (region / "broken.tif").write_text("no raster")
    assert run() == 1
    assert adapt.calls[0][0] == ["a.tif", "b.tif"]
    assert statuses(out, "before") == ["mapped", "mapped", "failed"]
    assert statuses(out, "after") == ["mapped", "mapped"]


def test_a_region_without_a_scene_that_can_be_mapped_is_one_line(adapt, run, region, capsys):
    for scene in region.iterdir():
        scene.write_text("no raster")
    assert run() == 1
    assert "none of the 2 scenes of the region could be mapped" in capsys.readouterr().err
    assert adapt.calls == []


def test_held_out_scenes_are_mapped_and_not_learnt_from(adapt, run, out, region):
    assert run("--holdout", region / "b.tif") == 0
    assert adapt.calls[0][0] == ["a.tif"]
    assert statuses(out, "after") == ["mapped", "mapped"]
    assert "b.tif (not learnt from)" in (out / "report.html").read_text()


@pytest.mark.usefixtures("adapt")
def test_settings_of_maps_come_from_their_file(run, out, tmp_path):
    (tmp_path / "maps.yaml").write_text("vector: false\n")
    assert run("--maps", tmp_path / "maps.yaml") == 0
    assert not list(out.rglob("*.gpkg"))


def test_strict_ends_with_its_code_where_the_scenes_are_unusable(adapt, run):
    adapt.keeps, adapt.outcome = True, "unusable"
    assert run("--strict") == 3
    assert run() == 0


def test_an_adaptation_that_fails_leaves_the_maps_before_and_is_tried_again(adapt, run, out, capsys):
    adapt.error = True
    assert run() == 1
    assert capsys.readouterr().err.splitlines()[-1] == "geoseg: no adapter fits"
    adapt.error = False
    assert run() == 0
    assert statuses(out, "before") == ["skipped", "skipped"]


@pytest.mark.usefixtures("adapt")
def test_json_is_all_that_stands_on_stdout(run, out, capsys):
    assert run("--json") == 0
    assert json.loads(capsys.readouterr().out) == report_of(out)
