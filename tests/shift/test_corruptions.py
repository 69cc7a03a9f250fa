"""Corruptions change numbers, never where they lie, and the more so the stronger they are."""

from __future__ import annotations

import numpy as np
import pytest

from geoseg.shift.corruptions import CORRUPTIONS, FAMILIES, Corruption, corrupted
from geoseg.shift.windows import Place, WindowSample
from geoseg.window import Window

SIDE = 32
NAMES = sorted({corruption.family for corruption in CORRUPTIONS})


def _sample(scale: float = 1.0) -> WindowSample:
    rng = np.random.default_rng(3)
    ground = np.kron(rng.random((2, 3, SIDE // 8, SIDE // 8)), np.ones((1, 1, 8, 8)))
    images = ((ground + 0.1 * rng.random((2, 3, SIDE, SIDE))) * scale).astype(np.float32)
    valid = np.ones((2, SIDE, SIDE), dtype=np.bool_)
    valid[0, :6] = False
    images[0, :, :6] = 9e6
    places = tuple(Place(scene=0, window=Window.between(0, SIDE, 0, SIDE)) for _ in range(2))
    return WindowSample(images=images, valid=valid, places=places)


def _change(sample: WindowSample, corruption: Corruption) -> float:
    after = corrupted(sample, corruption)
    there = np.broadcast_to(sample.valid[:, None], sample.images.shape)
    return float(np.abs(after.images - sample.images)[there].mean())


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_every_corruption_is_finite_changes_something_and_repeats(corruption: Corruption) -> None:
    sample = _sample()
    one, other = corrupted(sample, corruption), corrupted(sample, corruption)
    assert one.images.dtype == np.float32
    assert one.images.shape == sample.images.shape
    assert np.array_equal(one.images, other.images)
    assert np.isfinite(one.images).all()
    assert _change(sample, corruption) > 0
    assert one.valid is sample.valid


@pytest.mark.parametrize("family", NAMES)
def test_stronger_changes_more(family: str) -> None:
    sample = _sample()
    changes = [_change(sample, corruption) for corruption in CORRUPTIONS if corruption.family == family]
    assert len(changes) >= 3
    assert changes == sorted(changes)


@pytest.mark.parametrize("family", NAMES)
def test_the_unit_of_the_numbers_does_not_matter(family: str) -> None:
    corruption = Corruption(family=family, strength=0.5)
    one, other = corrupted(_sample(), corruption), corrupted(_sample(100.0), corruption)
    assert other.images[1] == pytest.approx(one.images[1] * 100, abs=0.02)


@pytest.mark.parametrize("family", NAMES)
def test_what_is_not_valid_does_not_show(family: str) -> None:
    sample = _sample()
    sample.images[0, :, :6] = -5.0
    after = corrupted(sample, Corruption(family=family, strength=0.5))
    before = corrupted(_sample(), Corruption(family=family, strength=0.5))
    assert np.array_equal(after.images[:, :, 6:], before.images[:, :, 6:])


def test_absent_bands_stay_absent() -> None:
    sample = _sample()
    sample.images[:, 1] = np.nan
    for corruption in CORRUPTIONS:
        after = corrupted(sample, corruption).images
        assert np.isnan(after[:, 1]).all()
        assert np.isfinite(after[:, [0, 2]]).all()


def test_families_are_made_of_known_changes() -> None:
    assert {part for name in NAMES for part in name.split("+")} == set(FAMILIES)
    with pytest.raises(KeyError):
        corrupted(_sample(), Corruption(family="locusts", strength=1.0))
