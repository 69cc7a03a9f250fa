from __future__ import annotations

import json

import numpy as np
import pytest

import geoseg.adaptation.adapt
from geoseg.adaptation.result import AdaptResult, CandidateScore
from geoseg.cli.app import run
from geoseg.config.adapt import AdaptSettings
from geoseg.shift.report import ShiftReport
from geoseg.shift.verdict import Distances, Judgement


def result_of(outcome, settings, targets):
    judgement = Judgement(verdict="radiometric", sentence="The light is another.")
    shift = ShiftReport(
        model="tiny",
        windows=9,
        scenes=(),
        bands=(),
        classes=(),
        distances=Distances(),
        spread={},
        expected=None,
        judgement=judgement,
        unsaid=(),
    )
    common = {"seconds": 1.0, "parameters": {}}
    candidates = (
        CandidateScore(
            adapter="source",
            label="source",
            consistency=0.5,
            gain=np.nan,
            p_value=np.nan,
            verdict="source",
            reason="",
            **common,
        ),
        CandidateScore(
            adapter="tent",
            label="tent-9",
            consistency=np.nan,
            gain=np.nan,
            p_value=np.nan,
            verdict="refused",
            reason="not finite",
            **common,
        ),
        CandidateScore(
            adapter="match",
            label="match-cdf",
            consistency=0.75,
            gain=0.25,
            p_value=0.0,
            verdict="chosen",
            reason="",
            **common,
        ),
    )
    return AdaptResult(
        outcome=outcome,
        reason="because",
        chosen="match-cdf",
        model="tiny",
        targets=tuple(targets),
        settings=settings,
        shift=shift,
        expected_before=None,
        expected_after=None,
        candidates=candidates,
        refused={"style": "it needs a source"},
        seconds=2.0,
    )


@pytest.fixture
def called(monkeypatch):
    """What adapt_model was asked; it gives the outcome in `called["outcome"]`."""
    found = {"outcome": "adapted"}

    def adapt_model(settings, targets, output, *, source, progress):
        found.update(settings=settings, targets=targets, output=output, source=source)
        progress("learning", 1, 1)
        return result_of(found["outcome"], settings, targets)

    monkeypatch.setattr(geoseg.adaptation.adapt, "adapt_model", adapt_model)
    return found


COMMAND = ["adapt", "--model", "tiny", "--target", "a.tif"]


def test_scenes_may_follow_one_another_or_be_named_each(called, tmp_path, capsys):
    assert run([*COMMAND, "b.tif", "--target", "c.tif", "-o", str(tmp_path / "out")]) == 0
    assert sorted(called["targets"]) == ["a.tif", "b.tif", "c.tif"]
    assert called["settings"] == AdaptSettings(model="tiny")
    assert called["source"] is None
    assert "learning" in capsys.readouterr().err


@pytest.mark.usefixtures("called")
def test_the_table_ranks_candidates_and_says_what_to_do_next(tmp_path, capsys):
    assert run([*COMMAND, "-o", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["candidate", "match-cdf", "source", "tent-9"]
    assert "0.750  +0.250  0.000  chosen" in lines[1]
    assert "refused: not finite" in lines[3]
    assert "not tried or broken off: style: it needs a source" in lines
    assert "adapted: because" in lines
    assert f"geoseg predict SCENE --model {tmp_path / 'out'}" in lines[-1]


@pytest.mark.usefixtures("called")
def test_json_is_all_that_stands_on_stdout(tmp_path, capsys):
    assert run([*COMMAND, "-o", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["chosen"] == "match-cdf"
    assert [each["consistency"] for each in told["candidates"]] == [0.5, None, 0.75]


@pytest.mark.parametrize(
    ("outcome", "strict", "code"),
    [("adapted", True, 0), ("kept-source", True, 0), ("unusable", False, 0), ("unusable", True, 3)],
)
def test_with_strict_a_shift_too_large_is_an_exit_code(called, tmp_path, outcome, strict, code):
    called["outcome"] = outcome
    assert run([*COMMAND, "-o", str(tmp_path / "out"), *(["--strict"] if strict else [])]) == code


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--model", "absent-model"], "absent-model: no packaged model"),
        (["--source", "absent.yaml"], "absent.yaml: cannot be read"),
        (["--recipe", "published"], "recipe published needs one method"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, capsys, changes, message):
    assert run([*COMMAND, "-o", str(tmp_path / "out"), *changes]) == 1
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_missing_scene_is_one_line(tiny_model, tmp_path, capsys):
    assert run(["adapt", "--model", str(tiny_model), "--target", "absent.tif", "-o", str(tmp_path / "out")]) == 1
    assert "absent.tif" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
