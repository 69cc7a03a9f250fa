"""How well candidates still know the ground of the source domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from geoseg.adaptation.candidate import Candidate, Problem, SourceGround
from geoseg.adaptation.dressed import DressedGround
from geoseg.data.chips import IGNORED
from geoseg.shift.consistency import classes_of


class SourceScores:
    """Mean IoU on held-out chips of the source, normalised as those of the source are."""

    def __init__(self, problem: Problem, ground: SourceGround, source: Candidate) -> None:
        """Score the model as it was.

        Args:
            problem: whose package counts.
            ground: held out from its training.
            source: the model as it was, as the problem reads the bands.
        """
        self._problem = problem
        self._ground = ground
        self._source = source
        normalizer = replace(problem.package.normalizer, curves=())
        self._images = torch.from_numpy(normalizer.apply(ground.chips, ground.valid))
        self.before = self._score(problem.package.network.state_dict())
        """Of the model as it was, 0 to 1."""

    @cached_property
    def dressed(self) -> DressedGround:
        """The same ground in the look of the target."""
        return DressedGround(self._problem, self._ground, self._source)

    def after(self, candidate: Candidate) -> float:
        """Of a candidate, 0 to 1: with its own statistics of batch normalisation or the source's, what is better.

        Its own may be those of the target, which no chip of the source has.
        """
        own = self._score(candidate.state)
        return max(own, self._score({**candidate.state, **self._statistics()}))

    def _statistics(self) -> dict[str, Tensor]:
        network = self._problem.package.network
        return {
            f"{name}.{kind}": tensor
            for name, layer in network.named_modules()
            if isinstance(layer, _BatchNorm)
            for kind, tensor in layer.named_buffers()
        }

    def _score(self, state: Mapping[str, Tensor]) -> float:
        network = self._problem.network()
        network.load_state_dict(dict(state))
        chosen, classes = classes_of(replace(self._problem.forward, network=network), self._images)
        return mean_iou(chosen.numpy(), self._ground.labels, self._ground.members[:, :classes])


def mean_iou(chosen: NDArray[np.uint8], labels: NDArray[np.uint8], members: NDArray[np.bool_]) -> float:
    """Mean IoU of the classes that labels or map have.

    A label that leaves several classes open is right where the map has one of them; else it counts as the first.

    Args:
        chosen: class indices, any shape.
        labels: codes, the same shape, 255 = unknown.
        members: (codes, classes), True where a class is one of a code's.
    """
    known = labels != IGNORED
    found, codes = chosen[known].astype(np.intp), labels[known]
    true = np.where(members[codes, found], found, members.argmax(axis=1)[codes])
    classes = members.shape[1]
    counts = np.bincount(true * classes + found, minlength=classes**2).reshape(classes, classes)
    unions = counts.sum(axis=0) + counts.sum(axis=1) - counts.diagonal()
    return float((counts.diagonal()[unions > 0] / unions[unions > 0]).mean()) if unions.any() else 0.0
