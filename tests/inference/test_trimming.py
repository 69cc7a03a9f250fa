"""Of a tile only the part that holds measurements is computed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.inference.trimming import TrimmingEngine

SIDE, STEP = 96, 32
ENDS = st.tuples(st.integers(0, SIDE - 1), st.integers(0, SIDE - 1)).map(sorted)


@dataclass
class Pixelwise:
    """Two classes by the number of each pixel alone; it remembers the shapes that it was asked for."""

    shapes: list = field(default_factory=list)
    classes: int = 2
    threads: int = 3
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def probabilities(self, images, usable):
        assert images.flags.c_contiguous
        assert usable.shape == (len(images), *images.shape[2:])
        self.shapes.append(images.shape)
        share = torch.from_numpy(images[:, :1].astype(np.float32) / 255)
        return torch.cat([share, 1 - share], dim=1)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(1).integers(0, 255, (1, 3, SIDE, SIDE), dtype=np.uint8)


def usable_in(rows, cols):
    usable = np.zeros((1, SIDE, SIDE), dtype=bool)
    usable[0, rows[0], cols[0]] = usable[0, rows[1], cols[1]] = True
    return usable


@given(rows=ENDS, cols=ENDS, along_both=st.booleans())
def test_usable_pixels_are_those_of_the_whole_tile(image, rows, cols, along_both):
    usable = usable_in(rows, cols)
    found = TrimmingEngine(Pixelwise(), step=STEP, along_both=along_both, kept=0).probabilities(image, usable)
    whole = Pixelwise().probabilities(image, usable)
    assert torch.equal(found[:, :, usable[0]], whole[:, :, usable[0]])
    assert found.shape == whole.shape
    torch.testing.assert_close(found.sum(dim=1), torch.ones(1, SIDE, SIDE))


@given(rows=ENDS, cols=ENDS)
def test_the_part_is_the_smallest_between_multiples_of_the_step(image, rows, cols):
    engine = Pixelwise()
    TrimmingEngine(engine, step=STEP, along_both=True, kept=0).probabilities(image, usable_in(rows, cols))
    wanted = [(last // STEP + 1 - first // STEP) * STEP for first, last in (rows, cols)]
    assert engine.shapes == [(1, 3, *wanted)]


@given(rows=ENDS, cols=ENDS)
def test_only_the_shorter_side_is_cut_where_shapes_cost(image, rows, cols):
    engine = Pixelwise()
    TrimmingEngine(engine, step=STEP, along_both=False, kept=0).probabilities(image, usable_in(rows, cols))
    wanted = [(last // STEP + 1 - first // STEP) * STEP for first, last in (rows, cols)]
    shorter = (wanted[0], SIDE) if wanted[0] < wanted[1] else (SIDE, wanted[1])
    assert engine.shapes == [(1, 3, *shorter)]


def test_batches_and_empty_tiles_pass_as_they_are(image):
    engine = Pixelwise()
    trimming = TrimmingEngine(engine, step=STEP, along_both=True, kept=0)
    trimming.probabilities(np.concatenate([image, image]), np.ones((2, SIDE, SIDE), dtype=bool))
    trimming.probabilities(image, np.zeros((1, SIDE, SIDE), dtype=bool))
    assert engine.shapes == [(2, 3, SIDE, SIDE), (1, 3, SIDE, SIDE)]
    assert (trimming.classes, trimming.threads, trimming.device) == (2, 3, torch.device("cpu"))


def test_sides_that_are_no_multiple_are_kept_whole(image):
    engine = Pixelwise()
    narrow = np.ascontiguousarray(image[:, :, :, :80])
    TrimmingEngine(engine, step=STEP, along_both=True, kept=0).probabilities(narrow, np.ones((1, SIDE, 80), dtype=bool))
    assert engine.shapes == [(1, 3, SIDE, 80)]


@given(rows=ENDS, cols=ENDS, kept=st.integers(0, 2 * SIDE))
def test_so_much_is_kept_around(image, rows, cols, kept):
    engine = Pixelwise()
    TrimmingEngine(engine, step=1, along_both=True, kept=kept).probabilities(image, usable_in(rows, cols))
    wanted = [min(last + kept, SIDE - 1) + 1 - max(0, first - kept) for first, last in (rows, cols)]
    assert engine.shapes == [(1, 3, *wanted)]
