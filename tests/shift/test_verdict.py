"""From distances to a verdict."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.shift.verdict import LEAST_HIGH, Distances, HardChecks, judge, limits_of

SPREAD = {"bands": 0.4, "layers": 0.5, "prior": 0.2, "features": 0.05}
LOW = Distances(bands=0.1, layers=0.1, layers_matched=0.1, prior=0.05, features=0.01)
ADAPTERS = {"match", "adabn", "tent", "selftrain", "adversarial", "style"}
NUMBERS = st.none() | st.floats(0, 20)
DISTANCES = st.builds(
    Distances,
    bands=NUMBERS,
    worst_band=NUMBERS,
    layers=NUMBERS,
    layers_matched=NUMBERS,
    prior=NUMBERS,
    features=NUMBERS,
)


def verdict_of(spread=SPREAD, checks=None, **changes):
    return judge(replace(LOW, **changes), spread, checks or HardChecks())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "fine"),
        ({"bands": 2.0, "layers": 2.0}, "radiometric"),
        ({"worst_band": 3.0}, "radiometric"),
        ({"bands": 2.0, "layers": 2.0, "layers_matched": 1.1}, "radiometric"),
        ({"bands": 2.0, "layers": 2.0, "layers_matched": 1.9}, "content"),
        ({"prior": 0.6}, "prior"),
        ({"prior": 0.6, "layers": 2.0, "layers_matched": 2.0}, "prior"),
        ({"bands": 2.0, "prior": 0.6}, "content"),
        ({"layers": 2.0, "layers_matched": 2.0}, "content"),
        ({"features": 0.7}, "content"),
        ({"bands": 9.0}, "unusable"),
    ],
)
def test_each_row_of_the_table_gives_its_verdict(changes, expected):
    assert verdict_of(**changes).verdict == expected


@pytest.mark.parametrize(
    "checks", [HardChecks(encoding="8 bits"), HardChecks(gsd_ratio=8.0), HardChecks(best_mean_iou=0.1)]
)
@given(distances=DISTANCES)
def test_hard_checks_come_first(checks, distances):
    found = judge(distances, SPREAD, checks)
    assert found.verdict == "unusable"
    assert not found.suited


def test_a_shift_of_shares_forbids_what_takes_it_for_light():
    found = verdict_of(prior=0.6)
    assert set(found.forbidden) == {"adabn", "tent", "adversarial"}
    assert not found.suited


@given(distances=DISTANCES)
def test_no_adapter_is_both_suited_and_forbidden(distances):
    found = judge(distances, SPREAD, HardChecks())
    assert not set(found.suited) & set(found.forbidden)
    assert set(found.suited) | set(found.forbidden) <= ADAPTERS
    assert found.sentence.endswith(".")
    assert all(found.forbidden.values())


@given(distances=DISTANCES, factor=st.floats(1, 10))
def test_a_wider_reference_never_makes_fine_scenes_worse(distances, factor):
    if judge(distances, SPREAD, HardChecks()).verdict == "fine":
        wider = {name: value * factor for name, value in SPREAD.items()}
        assert judge(distances, wider, HardChecks()).verdict == "fine"


def test_without_a_reference_only_bands_far_off_are_told():
    assert judge(Distances(bands=1.2), {}, HardChecks()).verdict == "fine"
    assert judge(Distances(bands=2.5), {}, HardChecks()).verdict == "radiometric"
    assert judge(Distances(), {}, HardChecks()).verdict == "fine"


def test_every_distance_has_a_limit():
    names = {field.name for field in fields(Distances)}
    assert set(limits_of(SPREAD)) == set(limits_of({})) == set(LEAST_HIGH) == names
