"""Labelled ground of the source in the look of the target: how well candidates map it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.adaptation.candidate import Candidate, Problem, SourceGround
from geoseg.adaptation.rise import Rise, chip_counts, rise_of
from geoseg.models.reference import Numbers
from geoseg.shift.bands import band_quantiles, matching_curves
from geoseg.shift.consistency import classes_of
from geoseg.shift.windows import WindowSample


class DressedGround:
    """Held-out chips of the source whose bands have the distribution of the target's, and those with its moments.

    What a candidate gains there rests on labels, not on the steadiness of its own maps. It tells nothing of curves
    that match the bands: they undo the dressing by themselves, whatever the target shows.
    """

    def __init__(self, problem: Problem, ground: SourceGround, source: Candidate) -> None:
        """Dress the chips.

        Args:
            problem: whose target is to be looked like.
            ground: labelled ground, read as the problem's package reads it.
            source: the model as it was.
        """
        self._problem, self._ground = problem, ground
        theirs = band_quantiles(problem.target)
        ours = band_quantiles(WindowSample(images=ground.chips, valid=ground.valid, places=()))
        self._looks = tuple(
            np.stack([curve(ground.chips[:, band]) for band, curve in enumerate(curves)], axis=1)
            for curves in (matching_curves(theirs, ours, kind=kind) for kind in ("cdf", "moments"))
        )
        self._before = [self._counts(look, source) for look in self._looks]

    def rise(self, candidate: Candidate) -> Rise:
        """In the look in which it gains least."""
        rises = [
            rise_of(before, self._counts(look, candidate), seed=self._problem.settings.seed)
            for look, before in zip(self._looks, self._before, strict=True)
        ]
        return min(rises, key=lambda rise: rise.gain)

    def _counts(self, look: NDArray[np.float32], candidate: Candidate) -> Numbers:
        package, ground = self._problem.package, self._ground
        normalizer = replace(package.normalizer, curves=candidate.curves or package.normalizer.curves)
        forward = replace(self._problem.forward, network=self._problem.network(candidate))
        chosen, classes = classes_of(forward, torch.from_numpy(normalizer.apply(look, ground.valid)))
        return chip_counts(chosen.numpy(), ground.labels, ground.members[:, :classes])
