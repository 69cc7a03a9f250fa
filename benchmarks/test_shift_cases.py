"""The benchmark of domain shift: what its domains hold, what is hidden, and what its numbers mean."""

from __future__ import annotations

import json
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from benchmarks.shift import landscape_data, real_data
from benchmarks.shift.cases import CASES, LANDSCAPE_TARGETS, SOURCES
from benchmarks.shift.measures import auroc, captured_gain, gap_closed, is_harm, rank_correlation
from benchmarks.shift.places import Places
from benchmarks.shift.prepare import prepare_target
from benchmarks.shift.product import ARMS, proposals
from benchmarks.shift.queue import Job, run_queue
from benchmarks.shift.rasters import Picture
from benchmarks.shift.scorer import Truth, score
from benchmarks.shift.table import Pair, read_pairs, tables
from benchmarks.shift.training import oracle_settings, source_settings
from geoseg.classes import ClassMap
from geoseg.data.label_sets import LabelSets

POINTS = st.floats(0, 100)


@pytest.fixture
def data() -> Path:
    folder = Path(os.environ.get("GEOSEG_DATA", "../shared/data"))
    if not (folder / "landcover_rgb").exists():
        pytest.skip(f"no real data at {folder}: set GEOSEG_DATA")
    return folder


@pytest.fixture
def small_landscapes(monkeypatch):
    monkeypatch.setattr(landscape_data, "SIDE", 64)


# domains


def test_every_case_has_a_source_that_knows_its_classes():
    for case in CASES.values():
        legend = {name for _, name, _ in SOURCES[case.source].legend}
        assert {name for names in case.labels.values() if names for name in names} <= legend


def test_sixteen_cases_of_three_seeds_make_forty_eight_pairs():
    assert 3 * len(CASES) == 48


def test_every_domain_can_be_written():
    real = {case.name for case in CASES.values() if case.kind == "real"}
    assert set(real_data.TARGET_WRITERS) == real
    assert set(landscape_data.TARGETS) == set(LANDSCAPE_TARGETS)
    assert {"landscape", *real_data.SOURCE_WRITERS} == set(SOURCES)


def test_settings_of_all_trainings_are_valid(tmp_path):
    for tier in ("cpu", "gpu"):
        for name in CASES:
            settings = oracle_settings(Places(tmp_path, tier), name, 1)
            assert [source.split for source in settings.sources] == ["train", "train", "val"]
            assert settings.classes == source_settings(Places(tmp_path, tier), CASES[name].source, 1).classes


@pytest.mark.usefixtures("small_landscapes")
def test_what_an_adaptation_is_told_holds_no_labels(tmp_path):
    places = Places(tmp_path)
    prepare_target(places, "prior", 0)
    told = sorted(path.name for path in places.target_data("prior", 0).iterdir())
    assert told == [
        "adapt_0_scene.tif",
        "adapt_1_scene.tif",
        "score_2_scene.tif",
        "score_3_scene.tif",
    ]
    assert {path.name for path in places.hidden("prior", 0).glob("*_labels.tif")} == {
        "oracle_0_labels.tif",
        "oracle_1_labels.tif",
        "score_2_labels.tif",
        "score_3_labels.tif",
    }
    assert places.target_data("prior", 0) not in places.hidden("prior", 0).parents


@pytest.mark.usefixtures("small_landscapes")
def test_a_coarser_target_claims_the_pixel_size_of_the_source(tmp_path):
    places = Places(tmp_path)
    prepare_target(places, "gsd", 0)
    for path in (*places.target_data("gsd", 0).iterdir(), *places.hidden("gsd", 0).iterdir()):
        with rasterio.open(path) as dataset:
            assert dataset.transform.a == -dataset.transform.e == 1.0
            assert dataset.tags().get("LANDSCAPE_GSD", "1") == "1"


def test_no_two_seeds_and_no_two_domains_share_a_world(tmp_path, monkeypatch):
    worlds = []

    def note(spec, scene, labels):
        worlds.append(spec.seed)
        scene.touch()
        labels.touch()

    monkeypatch.setattr(landscape_data, "write_landscape", note)
    for seed in (0, 1, 2):
        source = tmp_path / f"source{seed}"
        source.mkdir()
        landscape_data.write_source(seed, source)
        for case in ("prior", "mild"):
            prepare_target(Places(tmp_path), case, seed)
    assert len(set(worlds)) == len(worlds) == 3 * (6 + 2 * 4)


def test_chips_of_different_parts_of_ohio_lie_apart(data, monkeypatch):
    monkeypatch.setenv("GEOSEG_DATA", str(data))
    parts = real_data.ohio_parts(1)
    for first, second in combinations(parts.values(), 2):
        one, other = (np.array([chip.box for chip in chips]) for chips in (first, second))
        gaps = np.maximum(one[:, None, :2] - other[None, :, 2:], other[None, :, :2] - one[:, None, 2:]).clip(0)
        assert np.hypot(gaps[..., 0], gaps[..., 1]).min() > real_data.OHIO_DISTANCE


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_season_is_scored_on_patches_that_no_training_saw(data, monkeypatch, tmp_path, seed):
    monkeypatch.setenv("GEOSEG_DATA", str(data))
    scenes, hidden, source = tmp_path / "scenes", tmp_path / "hidden", tmp_path / "source"
    real_data.TARGET_WRITERS["leafy_to_autumn"](seed, real_data.TargetFolders(scenes, hidden))
    real_data.SOURCE_WRITERS["naip_leafy"](seed, source)

    def numbers(folder: Path, part: str) -> set[str]:
        return {path.name.split("_")[1] for path in folder.glob(f"{part}_*_scene.tif")}

    learnt = numbers(source, "train") | numbers(source, "val") | numbers(hidden, "oracle")
    assert numbers(scenes, "score") == numbers(scenes, "adapt")
    assert not learnt & numbers(scenes, "score")


def test_a_thinned_picture_holds_means_on_the_same_ground():
    pixels = np.arange(2 * 5 * 6, dtype=np.uint8).reshape(2, 5, 6)
    picture = Picture(pixels, np.zeros((5, 6), np.uint8), None, Affine(0.5, 0, 10, 0, -0.5, 20))
    thin = picture.thinned(2)
    assert thin.pixels.shape == (2, 2, 3)
    assert thin.labels.shape == (2, 3)
    assert thin.transform == Affine(1.0, 0, 10, 0, -1.0, 20)
    assert thin.pixels[1, 1, 2] == round(float(pixels[1, 2:4, 4:6].mean()))


# the scorer


def _truth(codes) -> Truth:
    classes = ClassMap.of([(1, "tree", "#000000"), (2, "grass", "#111111"), (3, "water", "#222222")])
    sets = LabelSets.of(classes, [[("tree", "grass"), ("water",)]])
    legend = (sets.code_of(classes, ("water",)), sets.code_of(classes, ("tree", "grass")))
    return Truth(sets, legend, classes.indices_of_ids(), ((Path("scene.tif"), np.array(codes, np.uint8)),))


def test_either_class_of_a_merged_label_is_right(monkeypatch):
    truth = _truth([[3, 3, 2, 255]])
    monkeypatch.setattr(
        "benchmarks.shift.scorer.maps_of", lambda _model, t: [(np.array([[0, 1, 2, 0]]), t.scenes[0][1])]
    )
    found = score("model", truth)
    assert (found["miou"], found["accuracy"]) == (100.0, 100.0)
    assert found["pixels"] == {"tree|grass": 2, "water": 1}


def test_a_class_that_only_the_map_has_counts_through_the_others(monkeypatch):
    truth = _truth([[3, 3, 3, 3]])
    monkeypatch.setattr(
        "benchmarks.shift.scorer.maps_of", lambda _model, t: [(np.array([[0, 1, 0, 2]]), t.scenes[0][1])]
    )
    assert score("model", truth)["miou"] == 75.0


# numbers


@given(POINTS, POINTS)
def test_harm_is_a_loss_of_more_than_half_a_point(source, adapted):
    assert is_harm(source, adapted) == (source - adapted > 0.5)


@given(POINTS, POINTS)
def test_the_oracle_closes_the_whole_gap_and_the_source_nothing(source, oracle):
    found = gap_closed(source, source, oracle), gap_closed(source, oracle, oracle)
    assert found == ((None, None) if oracle - source <= 2 else (0.0, 1.0))


@given(POINTS, POINTS)
def test_the_best_candidate_captures_everything(source, best):
    assert captured_gain(source, best, best) == (None if best - source <= 0.5 else 1.0)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_auroc_is_the_share_of_hits_above_misses(pairs):
    scores, hit = np.array([score for score, _ in pairs]), np.array([fine for _, fine in pairs])
    above = [(one > other) + (one == other) / 2 for one in scores[hit] for other in scores[~hit]]
    assert auroc(scores, hit) == (pytest.approx(np.mean(above)) if above else None)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=20))
def test_rank_correlation_is_spearmans(pairs):
    first, second = zip(*pairs, strict=True)
    found = rank_correlation(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(first, second).statistic)


# the queue


class _Process:
    """Ends at once; leaves what it should unless its command says fail."""

    def __init__(self, command, **_given):
        name, path = command
        self.code = int(name == "fail")
        if not self.code:
            Path(path).touch()

    def poll(self):
        return self.code


def _job(folder, name, *needs, command="work") -> Job:
    return Job(
        name=name, command=(command, str(folder / name)), done=(folder / name,), needs=tuple(folder / n for n in needs)
    )


def test_jobs_wait_for_what_they_need(tmp_path):
    jobs = [_job(tmp_path, "oracle", "source"), _job(tmp_path, "source")]
    assert run_queue(jobs, workers=2, logs=tmp_path / "logs", start=_Process) == ()
    assert (tmp_path / "oracle").exists()


def test_what_is_done_is_not_done_again(tmp_path):
    (tmp_path / "source").touch()
    jobs = [_job(tmp_path, "source", command="fail")]
    assert run_queue(jobs, workers=1, logs=tmp_path / "logs", start=_Process) == ()


def test_a_failed_job_takes_those_with_it_that_need_it_and_no_others(tmp_path):
    jobs = [_job(tmp_path, "source", command="fail"), _job(tmp_path, "oracle", "source"), _job(tmp_path, "other")]
    assert set(run_queue(jobs, workers=1, logs=tmp_path / "logs", start=_Process)) == {"source", "oracle"}
    assert (tmp_path / "other").exists()


# arms and tables


def test_candidates_are_read_with_their_scores_and_verdicts(tmp_path):
    (tmp_path / "candidates" / "adabn-0").mkdir(parents=True)
    told = {
        "chosen": "source",
        "candidates": [
            {"label": "source", "adapter": "source", "consistency": 0.6, "verdict": "chosen", "reason": ""},
            {"label": "adabn-0", "adapter": "adabn", "consistency": 0.5, "verdict": "refused", "reason": "drift"},
        ],
    }
    (tmp_path / "adaptation.json").write_text(json.dumps(told))
    (found,) = proposals(tmp_path)
    assert (found.label, found.consistency, found.verdict, found.chosen) == ("adabn-0", 0.5, "refused: drift", False)


def _pair(**finals) -> Pair:
    cost = {"label": "final", "seconds": 1.0, "memory_mb": 10}
    return Pair("prior", 0, {arm: ({**cost, "miou": miou},) for arm, miou in finals.items()})


def test_an_arm_that_failed_leaves_the_source():
    pair = _pair(source=50.0, oracle=90.0)
    pair.arms["published-tent"] = ({"label": "final", "error": "no"},)
    assert (pair.final("published-tent"), pair.gain("published-tent")) == (50.0, 0.0)


def test_the_source_is_a_candidate_where_all_others_are_worse():
    pair = _pair(source=50.0, auto=50.0)
    pair.arms["auto"] += ({"label": "tent-1", "miou": 20.0, "consistency": 0.2},)
    assert (pair.best("auto"), pair.regret("auto"), pair.captured("auto")) == (50.0, 0.0, None)


def test_tables_name_every_case_and_every_harm(tmp_path):
    pair = _pair(source=50.0, auto=60.0, oracle=90.0, **{"published-tent": 30.0})
    for arm, rows in pair.arms.items():
        (tmp_path / f"prior-0-{arm}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = read_pairs(tmp_path, [("prior", 0)])
    assert read == [pair]
    text = tables(read, list(ARMS))
    assert "| prior | 50.0 ± 0.0 | 60.0 ± 0.0 |" in text
    assert "| published-tent | 1 | 1 | -20.0 |" in text
    assert "| auto | 1 | 0 | +10.0 | +10.0 | 25 |" in text
