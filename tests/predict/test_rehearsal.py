"""What a model needs is measured once, in a process of its own, and remembered."""

from __future__ import annotations

import json

import numpy as np
import pytest

from geoseg.config.predict import PredictSettings
from geoseg.errors import ConfigError
from geoseg.predict import rehearsal
from geoseg.predict.plan import plan_prediction
from geoseg.predict.rehearsal import is_remembered, rehearsal_of

ANSWER = {
    "engine": "torch",
    "threads": 1,
    "height": 224,
    "width": 224,
    "loaded_peak": 500_000_000,
    "peak": 600_000_000,
    "settled": 400_000_000,
    "device_peak": 0,
    "speed": 2.0,
    "start_seconds": 3.0,
}


@pytest.fixture
def answers(monkeypatch, tmp_path):
    """Replace the process that measures; it remembers what it was asked and gives these answers in turn."""
    asked, given = [], [ANSWER]

    def answer(request, threads):
        asked.append((request, threads))
        return given[min(len(asked), len(given)) - 1]

    monkeypatch.setattr(rehearsal, "_answer", answer)
    monkeypatch.setenv("GEOSEG_CACHE", str(tmp_path / "cache"))
    return asked, given


@pytest.fixture
def planned(write_scene, tiny_model):
    scene = write_scene(np.ones((3, 64, 64), dtype=np.uint8))

    def plan(**options):
        settings = PredictSettings(model=str(tiny_model), **options)
        return plan_prediction(scene, settings), settings

    return plan


def test_it_is_measured_once(answers, planned):
    assert not is_remembered(*planned())
    assert rehearsal_of(*planned()) == rehearsal_of(*planned())
    assert is_remembered(*planned())
    assert len(answers[0]) == 1


@pytest.mark.parametrize(("cores", "threads"), [(1, None), (4, 3), (3, None), (2, None)])
def test_no_more_tiles_are_measured_at_a_time_than_a_scene_has(
    answers, write_scene, tiny_model, monkeypatch, cores, threads
):
    monkeypatch.setattr(rehearsal, "cores", lambda: cores)
    settings = PredictSettings(model=str(tiny_model), tile=64, overlap=32)
    plan = plan_prediction(write_scene(np.ones((3, 64, 128), dtype=np.uint8)), settings)
    rehearsal_of(plan, settings)
    assert [asked for _, asked in answers[0]] == [threads]
    assert is_remembered(plan, settings)


@pytest.mark.parametrize("option", [{"tile": 96}, {"precision": "fp32"}, {"probabilities": True}, {"tta": "d4"}])
def test_another_tile_or_arithmetic_is_measured_too(answers, planned, option):
    rehearsal_of(*planned())
    rehearsal_of(*planned(**option))
    assert len(answers[0]) == 2


@pytest.mark.parametrize("option", [{"overwrite": True}, {"max_memory": "1GB"}, {"block_rows": 7}, {"workers": 2}])
def test_what_does_not_change_a_tile_is_not_measured_again(answers, planned, option):
    rehearsal_of(*planned())
    rehearsal_of(*planned(**option))
    assert len(answers[0]) == 1


def test_it_is_measured_again_on_request_or_with_other_threads(answers, planned):
    rehearsal_of(*planned())
    rehearsal_of(*planned(), anew=True)
    rehearsal_of(*planned(), threads=1)
    assert [threads for _, threads in answers[0]] == [None, None, 1]


@pytest.mark.parametrize("damage", [b"", b"\xff", b"{}", b"[1]", b'{"of": 1, "found": 2}', b"[" * 100_000])
def test_a_damaged_memory_is_measured_again(answers, planned, damage, tmp_path):
    rehearsal_of(*planned())
    (file,) = (tmp_path / "cache").rglob("*.json")
    file.write_bytes(damage)
    assert rehearsal_of(*planned()).threads == 1
    assert len(answers[0]) == 2


@pytest.mark.usefixtures("answers")
def test_values_that_cannot_be_are_measured_again(planned, tmp_path):
    rehearsal_of(*planned())
    (file,) = (tmp_path / "cache").rglob("*.json")
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept | {"found": kept["found"] | {"peak": -1}}))
    assert rehearsal_of(*planned()).peak == ANSWER["peak"]


@pytest.mark.usefixtures("answers")
def test_a_cache_that_cannot_be_written_does_no_harm(planned, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GEOSEG_CACHE", str(tmp_path / "file"))
    assert rehearsal_of(*planned()).peak == ANSWER["peak"]


def test_an_engine_that_had_to_be_found_out_is_measured_in_a_process_that_did_not_look_for_it(answers, planned):
    asked, given = answers
    given[:] = [{"again_with": "openvino"}, ANSWER | {"engine": "openvino"}]
    assert rehearsal_of(*planned()).engine == "openvino"
    assert [request.settings.get("engine") for request, _ in asked] == [None, "openvino"]


def test_a_failure_is_one_line(planned, tmp_path, monkeypatch):
    monkeypatch.setenv("GEOSEG_CACHE", str(tmp_path))
    plan, settings = planned(device="cuda:99")
    with pytest.raises(ConfigError, match=r"what the model needs cannot be measured: .*cuda") as error:
        rehearsal_of(plan, settings)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_the_process_measures_what_a_run_takes(planned, tmp_path, monkeypatch):
    monkeypatch.setenv("GEOSEG_CACHE", str(tmp_path))
    found = rehearsal_of(*planned(engine="torch"))
    assert found.engine == "torch"
    assert found.peak >= found.settled > 100_000_000
