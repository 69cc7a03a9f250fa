"""Statistics are taken of chips spread over the validation ground, and never cost much of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from geoseg.models.reference import AccuracyFit
from geoseg.models.zoo import load_model
from geoseg.shift.forward import Forward
from geoseg.training.ground import Ground
from geoseg.training.reference import ReferencePlan, measure_ground, reference_chips
from geoseg.training.train import train_model


@pytest.fixture
def fits(monkeypatch):
    """The fits of accuracy that were asked for, by their number of windows."""
    asked = []

    def fit(_forward, _normalizer, sample, *_, **__):
        asked.append(len(sample))
        return AccuracyFit(names=("consistency",), weights=np.ones(2), error=0.1, points=np.ones((4, 2)))

    monkeypatch.setattr("geoseg.shift.reference.fit_accuracy", fit)
    return asked


@pytest.fixture
def regions(project):
    ground = Ground(project.settings(), scored=True)
    yield ground.regions("val")
    ground.close()


def test_a_run_has_statistics_of_its_validation_ground(project, tmp_path, fits):
    train_model(project.settings(iterations=40, validate_every=40, chip=64, batch_size=4), tmp_path / "run")
    reference = load_model(tmp_path / "run" / "best").reference
    assert fits == [4]
    assert reference.prior.sum() == pytest.approx(1)
    assert set(reference.spread) == {"bands", "layers", "prior", "features"}


def test_a_trial_run_has_none(project, tmp_path, fits):
    train_model(project.settings(iterations=1), tmp_path / "run")
    assert load_model(tmp_path / "run" / "best").reference is None
    assert not fits


def test_chips_cover_all_ground_once_where_there_are_few(regions):
    sample, labels = reference_chips(regions, ReferencePlan(side=32, gsd=1.0))
    assert len(sample) == 2 * 3 * 3
    assert len(set(sample.places)) == len(sample)
    assert sample.valid.all()
    expected = sum(int((region.scene.read(region.window).labels == 1).sum()) for region in regions)
    assert (labels == 1).sum() == expected


def test_a_few_chips_are_spread_over_scenes_and_sources_and_come_out_the_same(regions):
    renamed = [replace(region, source=name) for region, name in zip(regions, "ab", strict=True)]
    for ground in (regions, renamed):
        plan = ReferencePlan(side=16, gsd=1.0, most=12)
        (sample, labels), (again, _) = reference_chips(ground, plan), reference_chips(ground, plan)
        assert len(sample) == 12
        assert max(Counter(place.scene for place in sample.places).values()) <= 8
        assert sample.images.tobytes() == again.images.tobytes()
        assert labels.shape == (12, 16, 16)
    assert set(Counter(place.scene for place in sample.places).values()) == {6}


def test_every_source_has_a_chip_however_few_are_asked_for(regions):
    renamed = [replace(region, source=name) for region, name in zip(regions, "ab", strict=True)]
    assert len(reference_chips(renamed, ReferencePlan(side=32, gsd=1.0, most=1))[0]) == 2


def test_chips_have_the_size_and_the_pixels_of_the_model(regions):
    sample, labels = reference_chips(regions, ReferencePlan(side=24, gsd=2.0))
    assert sample.images.shape == (2 * 2 * 2, 2, 24, 24)
    assert labels.shape == (8, 24, 24)


def test_labels_that_leave_everything_open_have_no_statistics(regions, tiny_model):
    members = np.ones((2, 2), dtype=np.bool_)
    package = load_model(tiny_model)
    plan = ReferencePlan(side=32, gsd=1.0)
    assert measure_ground(Forward(network=package.network), package.normalizer, regions, members, plan) is None


@pytest.mark.parametrize(
    ("changes", "chips"),
    [({"iterations": 6}, None), ({"iterations": 300}, 4), ({"iterations": 4000}, 15), ({"iterations": 10**6}, 64)],
)
def test_more_chips_are_looked_at_the_longer_the_run(project, changes, chips):
    settings = project.settings(**changes)
    plan = ReferencePlan.of(settings).within(settings)
    assert (plan and plan.most) == chips
