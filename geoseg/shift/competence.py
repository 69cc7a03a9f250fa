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
from geoseg.shift.views import CHANGED

_AT_ONCE = 8
_VIEWS = CHANGED[:3]
_LEAST = 1e-6


def competence(
    forward: Forward, images: Tensor, valid: Tensor, reference: ReferenceStatistics | None = None
) -> NDArray[np.float32]:
    """The probability of the mapped class, averaged over changed views, lower far beyond the reference ground.

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
    own, times = probabilities.gather(1, chosen)[:, 0], torch.ones(images.shape[-2:])
    for view in _VIEWS:
        kept = view.kept(images.shape[-1])
        again = view.undone(forward.probabilities(view.images(images))).gather(1, chosen)[:, 0]
        own, times = own + again * kept, times + kept
    return own / times * near


def _nearness(features: FeatureStatistics | None, maps: Tensor, side: int) -> Tensor:
    """(n, side, side), 1 as far as the farthest pixel of the reference ground, 1/2 at twice its distance."""
    if features is None:
        return torch.ones(1)
    farthest = max(float(features.distances[-1]), _LEAST)
    nearness = farthest / distances_of(features, maps).clamp(min=farthest)
    return interpolate(nearness[:, None], (side, side), mode="bilinear", align_corners=False)[:, 0]
