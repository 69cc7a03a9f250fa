"""The whole of an adaptation, with a network that knows three shades and with fakes for adapters."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from torch.nn.functional import cross_entropy

import geoseg.adaptation.adapt
import geoseg.adaptation.plan
from geoseg.adaptation.adapt import adapt_model
from geoseg.adaptation.candidate import Candidate, state_of
from geoseg.adaptation.choice import UNWITNESSED
from geoseg.adaptation.match import Match
from geoseg.config.adapt import AdaptSettings
from geoseg.errors import ModelError, OutputError
from geoseg.models.calibration import Calibration
from geoseg.models.package import load_package, save_package
from geoseg.models.reference import AccuracyFit, FeatureStatistics, ReferenceStatistics
from geoseg.models.zoo import load_model
from geoseg.shift.bands import LEVELS, band_quantiles
from geoseg.shift.report import ShiftReport
from geoseg.shift.verdict import Distances, Judgement
from geoseg.shift.windows import WindowSample

SIDE = 64
SHADES = np.array([0.2, 0.5, 0.8])


def drawn(rng, *, side):
    """Classes in squares of 16 px, and an image of their shades with noise: (3, side, side), 0 to 1."""
    classes = np.kron(rng.integers(0, 3, (side // 16, side // 16)), np.ones((16, 16), dtype=int))
    return classes, np.stack([SHADES[classes]] * 3) + rng.normal(0, 0.03, (3, side, side))


def known_shades():
    """Statistics of the ground that the model learnt on; only those of bands and classes mean anything."""
    images = np.stack([drawn(np.random.default_rng(number), side=SIDE)[1] for number in range(16)])
    sample = WindowSample(images=images.astype(np.float32), valid=np.ones((16, SIDE, SIDE), dtype=np.bool_), places=())
    return ReferenceStatistics(
        levels=LEVELS,
        quantiles=band_quantiles(sample),
        moments={},
        prior=np.full(3, 1 / 3),
        confusion=np.diag([1e5] * 3),
        features=FeatureStatistics(mean=np.zeros(2), covariance=np.eye(2), distances=np.linspace(0, 5, 101)),
        accuracy=AccuracyFit(names=(), weights=np.zeros(1), error=0.1, points=np.zeros((1, 1))),
    )


@pytest.fixture(scope="module")
def trained(tiny_model, tmp_path_factory):
    """The tiny model after it learnt to tell three shades; where it is unsure it says the brightest."""
    package = load_model(tiny_model)
    network, rng = package.network, np.random.default_rng(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network.train()
        for _ in range(60):
            pairs = [drawn(rng, side=SIDE) for _ in range(4)]
            images = torch.tensor(np.stack([(image - 0.4) / 0.2 for _, image in pairs]), dtype=torch.float32)
            optimizer.zero_grad()
            cross_entropy(network(images), torch.tensor(np.stack([classes for classes, _ in pairs]))).backward()
            optimizer.step()
    path = tmp_path_factory.mktemp("trained") / "shades"
    kept = replace(
        package, name="shades", network=network, calibration=Calibration(temperature=1.5), reference=known_shades()
    )
    save_package(kept, path)
    return path


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """The same ground as the model knows it, and in flat light, where shades lie between those that it learnt."""
    folder = tmp_path_factory.mktemp("scenes")
    _, image = drawn(np.random.default_rng(1), side=512)
    paths = {}
    for name, numbers in (("same", image), ("flat", 0.25 + 0.5 * image)):
        paths[name] = folder / f"{name}.tif"
        profile = {"count": 3, "width": 512, "height": 512, "dtype": "uint8", "crs": "EPSG:32633"}
        transform = Affine(1, 0, 5e5, 0, -1, 5e6)
        with rasterio.open(paths[name], "w", driver="GTiff", transform=transform, **profile) as out:
            out.write((numbers.clip(0, 1) * 255).astype(np.uint8))
            for number, band in enumerate(("red", "green", "blue"), start=1):
                out.set_band_description(number, band)
    return paths


@dataclass
class Fake:
    """Proposes one change of the model's weights."""

    name: str
    change: object
    runs: int = 0

    def refusal(self, problem):  # noqa: ARG002
        return None

    def candidates(self, problem, seconds):  # noqa: ARG002
        self.runs += 1
        changed = self.change({key: tensor.clone() for key, tensor in state_of(problem.package.network).items()})
        yield Candidate(adapter=self.name, label=f"{self.name}-1", state=changed, parameters={"steps": 1}, seconds=0.5)


def one_class(state):
    state["segmentation_head.0.bias"] = torch.tensor([100.0, 0.0, 0.0])
    return state


def not_a_number(state):
    state["segmentation_head.0.weight"] = state["segmentation_head.0.weight"] * torch.nan
    return state


def swapped(state):
    for part in ("weight", "bias"):
        state[f"segmentation_head.0.{part}"] = state[f"segmentation_head.0.{part}"][[2, 0, 1]]
    return state


def unchanged(state):
    return state


def stopped(_state):
    raise KeyboardInterrupt


def broken(_state):
    raise ModelError("the loss is nan")


ADAPTERS = (
    Fake("selftrain", unchanged),
    Fake("tent", one_class),
    Fake("adversarial", not_a_number),
    Fake("style", swapped),
)


def report(verdict="radiometric"):
    suited = ("match", "selftrain", "tent", "adversarial", "style")
    judgement = Judgement(verdict=verdict, sentence="The light is another.", suited=suited)
    return ShiftReport(
        model="shades",
        windows=1,
        scenes=(),
        bands=(),
        classes=(),
        distances=Distances(),
        spread={},
        expected=None,
        judgement=judgement,
        unsaid=(),
    )


@pytest.fixture
def adapt(trained, scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(geoseg.adaptation.adapt, "measure_shift", lambda *_args, **_more: report())
    monkeypatch.setattr(geoseg.adaptation.plan, "_IN_AUTO", ("match", *(each.name for each in ADAPTERS)))

    def run(*adapters, scene="flat", folder="out", **changes):
        values = {"model": str(trained), "side": SIDE, "windows": 24, "precision": "fp32", "device": "cpu"} | changes
        settings = AdaptSettings.model_validate(values)
        adapters = {adapter.name: adapter for adapter in adapters}
        return adapt_model(settings, [scenes[scene]], tmp_path / folder, adapters=adapters)

    run.output = tmp_path / "out"
    return run


def weights(folder):
    return (folder / "weights.safetensors").read_bytes()


def test_other_light_is_undone_and_the_package_is_one_like_any_other(adapt, trained):
    result = adapt(Match())
    assert result.outcome == "adapted", [(e.label, e.consistency, e.p_value, e.reason) for e in result.candidates]
    assert result.chosen.startswith("match-")
    scores = {each.label: each for each in result.candidates}
    assert scores[result.chosen].consistency > scores["source"].consistency + 0.01
    assert result.candidates[0].label == "source"
    package = load_package(adapt.output)
    assert package.name == "shades-adapted"
    assert package.normalizer.curves
    assert package.calibration == load_package(trained).calibration
    assert package.provenance["title"] == "random weights"
    assert package.provenance["adapted_from"]["name"] == "shades"
    assert package.provenance["adaptation"]["targets"] == ["flat.tif"]
    assert weights(adapt.output) == weights(trained)
    assert {"adaptation.json", "report.html", "MODEL_CARD.md"} <= {file.name for file in adapt.output.iterdir()}


def test_bad_candidates_are_refused_each_for_its_reason(adapt):
    result = adapt(Match(), *ADAPTERS)
    reasons = {each.adapter: each.reason for each in result.candidates if each.verdict == "refused"}
    assert "vanishes" in reasons["match+tent"]
    assert "not finite" in reasons["adversarial"]
    assert (result.outcome, result.chosen.partition("-")[0]) == ("adapted", "match")


@pytest.mark.parametrize(("bad", "why"), [(one_class, "vanishes"), (swapped, "agrees on"), (unchanged, "+0.000")])
def test_where_nothing_passes_the_model_stays_as_it_was(bad, why, adapt, trained):
    result = adapt(Match(), Fake("style", bad), scene="same", method="style")
    assert (result.outcome, result.chosen) == ("kept-source", "source")
    assert why in next(each.reason for each in result.candidates if each.label == "style-1")
    assert "the guard refused every candidate" in result.reason
    assert weights(adapt.output) == weights(trained)
    assert load_package(adapt.output).name == "shades"


def test_auto_learns_nothing_where_no_correction_passes(adapt):
    learner = Fake("selftrain", unchanged)
    result = adapt(Match(), learner, scene="same")
    assert (result.outcome, learner.runs) == ("kept-source", 0)
    assert result.refused["selftrain"] == UNWITNESSED


@pytest.mark.parametrize(
    ("distances", "why"),
    [
        (Distances(layers=2.0, layers_matched=0.5), "its layers stay 0.50 away"),
        (Distances(layers=2.0, layers_matched=0.05, features=0.2), "the features of 20% of the pixels are unlike"),
    ],
)
def test_a_shift_that_matching_does_not_undo_is_left_alone(distances, why, adapt, monkeypatch):
    stays = replace(report(), distances=distances)
    monkeypatch.setattr(geoseg.adaptation.adapt, "measure_shift", lambda *_args, **_more: stays)
    result = adapt(Match())
    assert result.outcome == "kept-source"
    assert all(why in each.reason for each in result.candidates[1:])


def test_the_account_can_be_read_by_programs(adapt):
    result = adapt(Match(), *ADAPTERS)
    told = json.loads((adapt.output / "adaptation.json").read_text())
    assert told == result.as_json()
    assert list(told) == [
        "outcome",
        "reason",
        "chosen",
        "model",
        "targets",
        "settings",
        "shift",
        "expected_miou",
        "candidates",
        "refused",
        "seconds",
    ]
    broken = next(each for each in told["candidates"] if each["adapter"] == "adversarial")
    assert (broken["consistency"], broken["gain"], broken["verdict"]) == (None, None, "refused")


def test_means_of_the_model_and_of_what_it_learnt_are_candidates_too(adapt):
    result = adapt(Fake("selftrain", unchanged), scene="same", method="selftrain")
    assert [each.label for each in result.candidates] == ["source", "selftrain-1", "selftrain-1-mean"]


def test_an_interrupted_run_goes_on_and_ends_with_the_same_bytes(adapt, tmp_path):
    first = Fake("selftrain", unchanged)
    with pytest.raises(KeyboardInterrupt):
        adapt(Match(), first, Fake("tent", stopped))
    assert not adapt.output.exists()
    begun = first.runs
    adapt(Match(), first, Fake("tent", one_class))
    assert first.runs == begun
    adapt(Match(), Fake("selftrain", unchanged), Fake("tent", one_class), folder="whole")
    assert weights(adapt.output) == weights(tmp_path / "whole")
    both = [load_package(folder) for folder in (adapt.output, tmp_path / "whole")]
    assert both[0].provenance == both[1].provenance
    assert both[0].normalizer == both[1].normalizer
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_another_seed_does_not_go_on_with_what_was_left(adapt):
    first = Fake("selftrain", unchanged)
    with pytest.raises(KeyboardInterrupt):
        adapt(Match(), first, Fake("tent", stopped))
    adapt(Match(), first, seed=1)
    assert first.runs == 2


def test_an_adapter_that_breaks_off_leaves_the_others(adapt):
    result = adapt(Match(), Fake("selftrain", broken))
    assert result.outcome == "adapted"
    assert result.refused["match+selftrain"] == "the loss is nan"


def test_where_the_shift_is_too_large_and_nothing_undoes_it_the_outcome_says_so(adapt, trained, monkeypatch):
    monkeypatch.setattr(geoseg.adaptation.adapt, "measure_shift", lambda *_args, **_more: report("unusable"))
    result = adapt(Match(), scene="same")
    assert (result.outcome, result.reason) == ("unusable", "The light is another.")
    assert weights(adapt.output) == weights(trained)
    assert adapt(Match(), folder="undone").outcome == "adapted"


def test_a_published_recipe_is_neither_selected_nor_guarded(adapt):
    result = adapt(Fake("tent", one_class), method="tent", recipe="published")
    assert (result.outcome, result.chosen) == ("adapted", "tent-1")
    assert np.isfinite(result.candidates[-1].consistency)
    with pytest.raises(ModelError, match="the published recipe gave no model"):
        adapt(Fake("adversarial", not_a_number), method="adversarial", recipe="published", folder="other")


def test_candidates_are_kept_as_packages_where_asked(adapt):
    adapt(Match(), keep_candidates=True)
    kept = sorted(path.name for path in (adapt.output / "candidates").iterdir())
    assert kept == ["match-cdf", "match-cdf-50", "match-moments", "match-moments-50"]
    assert load_package(adapt.output / "candidates" / "match-cdf").normalizer.curves


def test_results_are_replaced_only_where_asked_and_other_folders_never(adapt):
    adapt(Fake("selftrain", unchanged), scene="same")
    with pytest.raises(OutputError, match="exists already: choose another folder or pass --overwrite"):
        adapt(Fake("selftrain", unchanged), scene="same")
    adapt(Fake("selftrain", unchanged), scene="same", overwrite=True, name="other-name")
    assert load_package(adapt.output).name == "other-name"
    (adapt.output / "model.json").unlink()
    with pytest.raises(OutputError, match="is no model package"):
        adapt(Fake("selftrain", unchanged), scene="same", overwrite=True)
