"""What a model was trained on, in numbers: by them later scenes are compared. Plain arrays, no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as parse_arrays
from safetensors.numpy import save as serialize_arrays

from geoseg.errors import ModelError

_FORMAT = 1
_SAID = "geoseg"
_LENGTH_BYTES = 8
_PERCENT = 101
_CORRELATIONS = "correlations"
_MAY_LACK_BANDS = ("quantiles", _CORRELATIONS)

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

    correlations: Numbers | None = None
    """(bands, bands) of the scaled numbers, NaN for a band without any; None in packages of before it was measured."""

    spread: Mapping[str, float] = field(default_factory=dict)
    """How far parts of the reference ground are from all of it, 95th percentile, by the name of the distance:
    bands (Wasserstein, in standard deviations), layers, prior, features (share of far pixels)."""


class _Said(BaseModel):
    """What is no array, in the metadata of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: int
    names: list[str]
    error: float
    spread: dict[str, float]


def reference_to_bytes(reference: ReferenceStatistics) -> bytes:
    """Statistics as the contents of a safetensors file; the same statistics give the same bytes.

    Moments are stored as float32, all else as float64.
    """
    said = _Said(
        format=_FORMAT,
        names=list(reference.accuracy.names),
        error=float(reference.accuracy.error),
        spread={name: float(value) for name, value in sorted(reference.spread.items())},
    )
    arrays = {
        name: np.ascontiguousarray(array, dtype=np.float32 if name.startswith("moments/") else np.float64)
        for name, array in _arrays(reference)
    }
    # One key: safetensors writes several in any order.
    return serialize_arrays(arrays, metadata={_SAID: json.dumps(said.model_dump())})


def reference_from_bytes(data: bytes, *, origin: str) -> ReferenceStatistics:
    """Read what `reference_to_bytes` wrote.

    Args:
        data: contents of the file.
        origin: where it comes from, to begin the error message with.

    Raises:
        ModelError: if it is damaged, lacks something, or its parts do not fit each other.
    """
    try:
        with np.errstate(invalid="ignore"):  # what is not finite is refused below
            arrays = {name: array.astype(np.float64) for name, array in parse_arrays(data).items()}
        length = int.from_bytes(data[:_LENGTH_BYTES], "little")
        header = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
        said = _Said.model_validate_json(header["__metadata__"][_SAID])
        reference = _assembled(arrays, said)
    except (SafetensorError, ValidationError, KeyError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{origin}: the reference statistics are damaged: {reason}") from error
    misfit = next(_misfits(reference), None)
    if said.format != _FORMAT or misfit:
        reason = misfit or f"format {said.format} is unknown, this geoseg reads {_FORMAT}"
        raise ModelError(f"{origin}: the reference statistics cannot be used: {reason}")
    return reference


def _arrays(reference: ReferenceStatistics) -> Iterator[tuple[str, Numbers]]:
    for name in ("levels", "quantiles", "prior", "confusion"):
        yield name, getattr(reference, name)
    for name in ("mean", "covariance", "distances"):
        yield f"features/{name}", getattr(reference.features, name)
    for name in ("weights", "points"):
        yield f"accuracy/{name}", getattr(reference.accuracy, name)
    for layer, moments in reference.moments.items():
        yield f"moments/{layer}/mean", moments.mean
        yield f"moments/{layer}/variance", moments.variance
    if reference.correlations is not None:
        yield _CORRELATIONS, reference.correlations


def _assembled(arrays: Mapping[str, Numbers], said: _Said) -> ReferenceStatistics:
    moments = [name.removeprefix("moments/") for name in arrays if name.startswith("moments/")]
    layers = sorted({name.rpartition("/")[0] for name in moments})
    return ReferenceStatistics(
        **{name: arrays[name] for name in ("levels", "quantiles", "prior", "confusion")},
        moments={
            layer: LayerMoments(mean=arrays[f"moments/{layer}/mean"], variance=arrays[f"moments/{layer}/variance"])
            for layer in layers
        },
        features=FeatureStatistics(
            **{name: arrays[f"features/{name}"] for name in ("mean", "covariance", "distances")},
        ),
        accuracy=AccuracyFit(
            names=tuple(said.names),
            weights=arrays["accuracy/weights"],
            error=said.error,
            points=arrays["accuracy/points"],
        ),
        correlations=arrays.get(_CORRELATIONS),
        spread=said.spread,
    )


def _misfits(reference: ReferenceStatistics) -> Iterator[str]:
    """What cannot be, a sentence each."""
    for name, array, shape in _shapes(reference):
        if array.shape != shape:
            yield f"{name} has the shape {array.shape}, not {shape}"
        elif name not in _MAY_LACK_BANDS and not np.isfinite(array).all():
            yield f"{name} holds numbers that are not finite"
    if not (np.diff(reference.levels) > 0).all():
        yield "levels do not rise"
    if any((moments.variance < 0).any() for moments in reference.moments.values()):
        yield "a variance is negative"


def _shapes(reference: ReferenceStatistics) -> Iterator[tuple[str, Numbers, tuple[int, ...]]]:
    """Arrays by name with the shapes that they need to have beside each other."""
    features, classes = reference.features.mean.size, reference.prior.size
    predictors = len(reference.accuracy.names)
    wanted: dict[str, tuple[int, ...]] = {
        "levels": (reference.levels.size,),
        "quantiles": (len(reference.quantiles) if reference.quantiles.ndim else 0, reference.levels.size),
        "correlations": (len(reference.quantiles), len(reference.quantiles)) if reference.quantiles.ndim else (0, 0),
        "prior": (classes,),
        "confusion": (classes, classes),
        "features/mean": (features,),
        "features/covariance": (features, features),
        "features/distances": (_PERCENT,),
        "accuracy/weights": (predictors + 1,),
        "accuracy/points": (len(reference.accuracy.points) if reference.accuracy.points.ndim else 0, predictors + 1),
    }
    for name, array in _arrays(reference):
        layer = name.removeprefix("moments/").rpartition("/")[0]
        channels = reference.moments[layer].mean.size if name.startswith("moments/") else 0
        yield name, array, wanted.get(name, (channels,))
