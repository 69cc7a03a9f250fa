"""What windows without labels tell about the accuracy of their map, in sums over pixels that add up over windows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from geoseg.models.reference import FeatureStatistics, Numbers
from geoseg.shift.consistency import agreement, mean_iou, seen_in
from geoseg.shift.features import Listener, distances_of
from geoseg.shift.forward import Forward
from geoseg.shift.views import CHANGED

PREDICTORS = ("consistency", "soft_iou", "near")
"""Names, in the order of a fit."""

_AT_ONCE = 8
_NEAR_PERCENT = 99


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sighting:
    """Sums over the valid pixels of each window."""

    agreed: Numbers
    """(n, classes): the maps of the window and of a view of it have the class, summed over the views."""

    united: Numbers
    """(n, classes): at least one of them has it."""

    mapped: Numbers
    """(n, classes): the map has it."""

    trusted: Numbers
    """(n, classes): probability of the class, averaged over the views, where the map has it."""

    believed: Numbers
    """(n, classes): the same everywhere."""

    near: Numbers
    """(n, 2): pixels nearer to the reference ground's features than its farthest 1 %, and all; equal where unknown."""

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Of the windows of all parts."""
        parts = list(parts)
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in cls._names()})

    def of(self, numbers: NDArray[np.intp]) -> Self:
        """Of the windows of these numbers."""
        return type(self)(**{name: getattr(self, name)[numbers] for name in self._names()})

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return tuple(entry.name for entry in fields(cls))

    def predictors(self) -> dict[str, float]:
        """By name, each 0 to 1: the higher, the better a map is to be expected; without valid pixels 0.

        consistency is the IoU of maps with those of changed views, soft_iou the IoU that the probabilities promise,
        near the share of pixels that are as near to the reference ground as 99 % of that are, over 99 %.
        """
        united, mapped, trusted, believed, agreed = (
            counts.sum(axis=0) for counts in (self.united, self.mapped, self.trusted, self.believed, self.agreed)
        )
        near, all_pixels = self.near.sum(axis=0)
        return {
            "consistency": mean_iou(agreed, united, united),
            "soft_iou": mean_iou(trusted, mapped + believed - trusted, mapped),
            "near": min(float(near / all_pixels) * 100 / _NEAR_PERCENT, 1.0) if all_pixels else 0.0,
        }


def sight(
    forward: Forward, images: Tensor, valid: Tensor, *, features: FeatureStatistics | None = None, views: int = 3
) -> tuple[Sighting, Tensor]:
    """Look at windows and at views of them; memory follows eight windows.

    Args:
        forward: the network and the way it is run.
        images: (n, bands, side, side) normalised, n at least 1.
        valid: (n, side, side) bool, True = usable.
        features: of the reference ground; without it every pixel is near.
        views: how many, 1 to 6; it takes one pass more.

    Returns:
        The sums, and the map (n, side, side) uint8 as class indices.
    """
    found = [
        _sight(forward, seen, usable, features=features, views=views)
        for seen, usable in zip(torch.split(images, _AT_ONCE), torch.split(valid, _AT_ONCE), strict=True)
    ]
    return Sighting.joined(part for part, _ in found), torch.cat([chosen for _, chosen in found])


def _sight(
    forward: Forward, images: Tensor, valid: Tensor, *, features: FeatureStatistics | None, views: int
) -> tuple[Sighting, Tensor]:
    if features is None:
        probabilities = forward.probabilities(images)
        near = np.repeat(_pixels(valid)[:, None], 2, axis=1)
    else:
        with Listener(forward.network) as listener:
            probabilities = forward.probabilities(images)
        near = _near(features, listener.features, valid)
    classes = probabilities.shape[1]
    chosen, mean, agreed = probabilities.argmax(dim=1), probabilities.clone(), np.zeros((2, len(images), classes))
    times = torch.ones(valid.shape[1:])
    for view in CHANGED[:views]:
        again = view.undone(forward.probabilities(view.images(images)))
        agreed += agreement(chosen, again.argmax(dim=1), seen_in(view, valid), classes)
        kept = view.kept(valid.shape[-1])
        mean, times = mean + again * kept, times + kept
    mapped, trusted, believed = _beliefs(mean / times, chosen, valid)
    sums = Sighting(agreed=agreed[0], united=agreed[1], mapped=mapped, trusted=trusted, believed=believed, near=near)
    return sums, chosen.to(torch.uint8)


def _beliefs(probabilities: Tensor, chosen: Tensor, valid: Tensor) -> tuple[Numbers, Numbers, Numbers]:
    """Pixels by class in the map, what their own probabilities come to, and what all probabilities come to."""
    usable = valid[:, None]
    own = torch.zeros_like(probabilities).scatter_(1, chosen[:, None], 1.0) * usable
    mapped, trusted, believed = (_pixels(part) for part in (own, own * probabilities, probabilities * usable))
    return mapped, trusted, believed


def _near(features: FeatureStatistics, maps: Tensor, valid: Tensor) -> Numbers:
    """(n, 2): near pixels and all, at the size of the features."""
    usable = interpolate(valid[:, None].float(), maps.shape[-2:], mode="area")[:, 0] > 0.5  # noqa: PLR2004 - half
    near = distances_of(features, maps) <= float(features.distances[_NEAR_PERCENT])
    return np.stack([_pixels(near & usable), _pixels(usable)], axis=1)


def _pixels(maps: Tensor) -> Numbers:
    """Sums over the pixels of maps (..., side, side)."""
    return np.asarray(maps.sum(dim=(-2, -1), dtype=torch.float64).numpy())
