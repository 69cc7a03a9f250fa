"""How likely a map is right, pixel by pixel, where there are no labels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from geoseg.models.reference import FeatureStatistics, ReferenceStatistics
from geoseg.shift.features import Listener, distances_of
from geoseg.shift.forward import Forward
from geoseg.shift.views import SYMMETRIES, View

_AT_ONCE = 8
_VIEWS = (SYMMETRIES[6], SYMMETRIES[3], SYMMETRIES[1])


def competence(
    forward: Forward, images: Tensor, valid: Tensor, reference: ReferenceStatistics | None = None
) -> NDArray[np.float32]:
    """The probability of the mapped class, averaged over views; lowered where features are far from the reference.

    It orders pixels, and is no share of right ones: under a shift the probabilities promise too much. The same windows
    give the same numbers; memory follows eight windows, time four passes of the network.

    Args:
        forward: the network and the way it is run.
        images: (n, bands, side, side) normalised, 0 where not valid.
        valid: (n, side, side) bool, True = usable.
        reference: what the model was validated on; without it distances tell nothing.

    Returns:
        (n, side, side), 0 to 1; 0 where not valid.
    """
    features = None if reference is None else reference.features
    parts = [_trust(forward, batch, features) for batch in torch.split(images, _AT_ONCE)]
    trust = torch.cat(parts) if parts else torch.zeros(valid.shape)
    return np.asarray(torch.where(valid, trust, 0.0).numpy(), dtype=np.float32)


def _trust(forward: Forward, images: Tensor, features: FeatureStatistics | None) -> Tensor:
    with Listener(forward.network) as listener:
        probabilities = forward.probabilities(images)
        near = _nearness(features, listener.features, images.shape[-1])
    chosen = probabilities.argmax(dim=1, keepdim=True)
    own = probabilities.gather(1, chosen)
    for view in _VIEWS:
        own = own + _seen(forward, images, view).gather(1, chosen)
    return own[:, 0] / (len(_VIEWS) + 1) * near


def _seen(forward: Forward, images: Tensor, view: View) -> Tensor:
    return view.undone(forward.probabilities(view.images(images)))


def _nearness(features: FeatureStatistics | None, maps: Tensor, side: int) -> Tensor:
    """(n, side, side), 1 at the centre of the reference ground's features, 1/2 at its farthest pixel, 0 far away."""
    if features is None:
        return torch.ones(1)
    distances = distances_of(features, maps)
    nearness = 1 / (1 + (distances / max(float(features.distances[-1]), 1e-6)) ** 2)
    return interpolate(nearness[:, None], (side, side), mode="bilinear", align_corners=False)[:, 0]
