"""Averaging over the symmetries of the square makes an engine that does not care how a tile lies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.inference.symmetry import SYMMETRIES, D4Engine, Symmetry

SIDE = 12
QUARTER = Symmetry(turns=1, mirrored=False)


def pixels(seed):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (2, 3, SIDE, SIDE), dtype=np.uint8), random.random((2, SIDE, SIDE)) > 0.1


def turned(array, symmetry):
    """Pixel by pixel, so that nothing is shared with the code under test."""
    turns, mirrored = symmetry
    source = np.asarray(array)
    result = np.empty_like(source)
    for row in range(SIDE):
        for col in range(SIDE):
            at_row, at_col = row, col
            for _ in range(turns):
                at_row, at_col = at_col, SIDE - 1 - at_row
            result[..., row, col] = source[..., at_row, SIDE - 1 - at_col if mirrored else at_col]
    return result


@given(seed=st.integers(0, 2**32), symmetry=st.sampled_from(SYMMETRIES))
def test_a_turned_tile_gives_the_turned_result(fake_engine, seed, symmetry):
    images, usable = pixels(seed)
    engine = D4Engine(fake_engine())
    found = engine.probabilities(turned(images, symmetry), turned(usable, symmetry))
    expected = turned(engine.probabilities(images, usable), symmetry)
    torch.testing.assert_close(found, torch.from_numpy(expected), atol=1e-6, rtol=0)


def test_the_engine_alone_does_care(fake_engine):
    images, usable = pixels(1)
    alone = fake_engine()
    found = alone.probabilities(turned(images, QUARTER), turned(usable, QUARTER)).numpy()
    assert np.abs(found - turned(alone.probabilities(images, usable), QUARTER)).max() > 0.01


@given(seed=st.integers(0, 2**32))
def test_it_is_the_mean_of_the_answers_turned_back(fake_engine, seed):
    images, usable = pixels(seed)
    alone = fake_engine()
    total = np.zeros((2, alone.classes, SIDE, SIDE))
    for symmetry in SYMMETRIES:
        seen = alone.probabilities(turned(images, symmetry), turned(usable, symmetry)).numpy()
        for _ in range((4 - symmetry.turns) % 4):
            seen = turned(seen, QUARTER)
        total += turned(seen, Symmetry(0, mirrored=True)) if symmetry.mirrored else seen
    found = D4Engine(alone).probabilities(images, usable)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), total / 8, atol=1e-6)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(2, SIDE, SIDE))


def test_it_is_asked_eight_times_for_each_tile(fake_engine):
    alone = fake_engine(classes=5)
    engine = D4Engine(alone)
    engine.probabilities(*pixels(2))
    assert alone.tiles_seen == 8 * 2
    assert (engine.classes, engine.device) == (5, torch.device("cpu"))


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_every_symmetry_is_another(symmetry):
    image = np.arange(SIDE**2).reshape(SIDE, SIDE)
    same = [other for other in SYMMETRIES if np.array_equal(turned(image, other), turned(image, symmetry))]
    assert same == [symmetry]
