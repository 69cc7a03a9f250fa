"""What a model was trained on, in numbers: by them later scenes are compared. Plain arrays, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerMoments:
    """Of the inputs of one normalisation layer, channel by channel."""

    mean: Numbers
    """(channels,)."""

    variance: Numbers
    """(channels,), at least 0."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureStatistics:
    """Of the features that the last layer of a network decides by."""

    mean: Numbers
    """(features,)."""

    covariance: Numbers
    """(features, features), shrunk so that it can be inverted (Ledoit & Wolf 2004)."""

    distances: Numbers
    """Mahalanobis distances that 0, 1, ..., 100 per cent of the reference pixels stay below: (101,), rising."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AccuracyFit:
    """From what can be seen without labels to mean IoU: a line through corrupted views of the reference ground."""

    names: tuple[str, ...]
    """Of the predictors."""

    weights: Numbers
    """(predictors + 1,): of each predictor, then the constant."""

    error: float
    """Half the width of the interval that holds 90 % of the points left out, mean IoU, 0 to 1."""

    points: Numbers
    """(n, predictors + 1): predictors and mean IoU that it was fitted to."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReferenceStatistics:
    """Of the ground that a model was validated on, as the model sees it."""

    levels: Numbers
    """(levels,): shares from 0 to 1, rising."""

    quantiles: Numbers
    """(bands, levels): scaled numbers that these shares of the valid pixels stay below."""

    moments: Mapping[str, LayerMoments]
    """By name of the normalisation layer."""

    prior: Numbers
    """(classes,): share of the labelled pixels by class, sums to 1."""

    confusion: Numbers
    """(classes, classes): pixels by true class (row) and predicted class (column)."""

    features: FeatureStatistics
    """Of the network's last features."""

    accuracy: AccuracyFit
    """What accuracy to expect."""

    spread: Mapping[str, float] = field(default_factory=dict)
    """How far parts of the reference ground are from all of it, 95th percentile, by the name of the distance:
    bands (Wasserstein, in standard deviations), layers, prior, features (share of far pixels)."""
