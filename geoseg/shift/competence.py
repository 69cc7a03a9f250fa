"""How likely a map is right, pixel by pixel, where there are no labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from geoseg.models.reference import FeatureStatistics, ReferenceStatistics
from geoseg.shift.features import Listener, distances_of
from geoseg.shift.predictors import believed_by
from geoseg.shift.verdict import LEAST_HIGH, Distances
from geoseg.shift.windows import WindowSample
from geoseg.shift.witness import Witness

_AT_ONCE = 8
_TIMES_FARTHEST = 16.0
_LEAST = 1e-6
_EXPLAINED = 0.35


def competence(
    model: Witness,
    sample: WindowSample,
    reference: ReferenceStatistics | None = None,
    *,
    witnesses: Sequence[Witness] = (),
) -> NDArray[np.float32]:
    """The probability of the mapped class, averaged over changed views and witnesses, lower far beyond the reference.

    It orders pixels, and is no share of right ones: under a shift the probabilities promise too much. The same windows
    give the same numbers; memory follows eight windows, time four passes of the network and one for each witness.

    Args:
        model: a network and what it sees; it makes the map.
        sample: windows.
        reference: what the model was validated on; without it distances tell nothing.
        witnesses: of the same ground, where `are_heeded` says so.

    Returns:
        (n, side, side), 0 to 1; 0 where not valid.
    """
    features = None if reference is None else reference.features
    numbers = np.arange(len(sample))
    batches = [numbers[first : first + _AT_ONCE] for first in range(0, len(sample), _AT_ONCE)]
    parts = [_trust(model, sample.part(batch), features, witnesses) for batch in batches]
    trust = torch.cat(parts) if parts else torch.zeros(sample.valid.shape)
    return np.asarray(np.where(sample.valid, trust.numpy(), 0), dtype=np.float32)


def are_heeded(distances: Distances) -> bool:
    """Whether witnesses tell errors on ground at these distances.

    Statistics measured anew take classes that cover other shares of the ground, and things never seen, for another
    light, and then doubt what is right. So they are heeded only where the bands differ enough to explain how far the
    shares do, and features are known.
    """
    if distances.prior is None or distances.bands is None:
        return False
    return distances.prior <= _EXPLAINED * distances.bands and (distances.features or 0.0) <= LEAST_HIGH["features"]


def _trust(
    model: Witness, sample: WindowSample, features: FeatureStatistics | None, witnesses: Sequence[Witness]
) -> Tensor:
    with Listener(model.forward.network) as listener:
        probabilities, chosen = believed_by(model, sample, witnesses)
        maps = listener.features
    own = probabilities.gather(1, chosen[:, None])[:, 0]
    return own if features is None else own * _nearness(features, maps, own.shape[-1])


def _nearness(features: FeatureStatistics, maps: Tensor, side: int) -> Tensor:
    """(n, side, side), 1 up to 16 times as far as the farthest pixel of the reference ground, 1/2 at 32 times."""
    farthest = max(_TIMES_FARTHEST * float(features.distances[-1]), _LEAST)
    nearness = farthest / distances_of(features, maps).clamp(min=farthest)
    return interpolate(nearness[:, None], (side, side), mode="bilinear", align_corners=False)[:, 0]
