"""Pieces of one image on another."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.adaptation.mixing import Labelled, drawn_labels, mixed


def blobs(seed: int, codes: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    coarse = rng.choice([*range(codes), 255], size=(3, 4, 5)).astype(np.uint8)
    return torch.from_numpy(coarse.repeat(4, axis=1).repeat(4, axis=2))


def stamped(labels: torch.Tensor, stamp: float) -> Labelled:
    """Every pixel says in all its bands whose it is and where it lies."""
    n, height, width = labels.shape
    places = torch.arange(n * height * width, dtype=torch.float32).view(n, 1, height, width)
    images = (places + stamp).repeat(1, 2, 1, 1)
    return Labelled(images=images, labels=labels, weights=images[:, 0])


@given(seed=st.integers(0, 999), codes=st.integers(1, 9))
def test_pixels_labels_and_weights_come_from_one_image_each_and_all_come_from_somewhere(seed, codes):
    laid, ground = stamped(blobs(seed, codes), 0.25), stamped(blobs(seed + 1, codes), 0.5)
    together = mixed(laid, ground, drawn_labels(laid.labels, np.random.default_rng(seed)))
    from_laid = together.images[:, 0] % 1 == 0.25
    for chosen, origin in ((from_laid, laid), (~from_laid, ground)):
        assert torch.equal(together.images[:, 0][chosen], origin.images[:, 0][chosen])
        assert torch.equal(together.images[:, 1][chosen], origin.images[:, 1][chosen])
        assert torch.equal(together.labels[chosen], origin.labels[chosen])
        assert torch.equal(together.weights[chosen], origin.weights[chosen])


@given(seed=st.integers(0, 999), codes=st.integers(2, 9))
def test_half_of_the_labels_of_each_image_are_drawn_whole_and_never_the_unknown(seed, codes):
    labels = blobs(seed, codes)
    for one, drawn in zip(labels, drawn_labels(labels, np.random.default_rng(seed)), strict=True):
        present = set(one.unique().tolist()) - {255}
        taken, left = set(one[drawn].unique().tolist()), set(one[~drawn].unique().tolist())
        assert not taken & left
        assert 255 not in taken
        assert len(taken) == (0 if len(present) < 2 else (len(present) + 1) // 2)


def test_every_label_is_drawn_at_times():
    labels = blobs(0, 5)
    drawn = [drawn_labels(labels, np.random.default_rng(seed))[0] for seed in range(40)]
    assert {code for where in drawn for code in labels[0][where].tolist()} == set(labels[0].flatten().tolist()) - {255}


@given(seed=st.integers(0, 999), order=st.permutations(range(6)))
def test_what_is_drawn_does_not_depend_on_the_numbers_of_the_classes(seed, order):
    table = torch.tensor([*order, *[255] * 250], dtype=torch.uint8)
    labels = blobs(seed, 6)
    plain, permuted = (drawn_labels(given, np.random.default_rng(seed)) for given in (labels, table[labels.long()]))
    assert torch.equal(plain, permuted)
