"""How far a sample of scenes is from what a model knows: every distance, the shares of the classes, the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.models.package import ModelPackage
from geoseg.models.reference import LayerMoments, Numbers, ReferenceStatistics
from geoseg.raster.normalize import Normalizer
from geoseg.shift.accuracy import ExpectedAccuracy, expected_accuracy
from geoseg.shift.bands import band_quantiles, matching_curves
from geoseg.shift.features import Listener, distances_of, picked_features
from geoseg.shift.forward import Forward, softmax_of
from geoseg.shift.moments import MomentSums, measure_moments, moment_distance
from geoseg.shift.predictors import sight
from geoseg.shift.priors import corrected_prior, jensen_shannon
from geoseg.shift.radiometry import likely_encoding, moments_of, radiometric_distances, seen_sample
from geoseg.shift.report import BandShift, ClassShare, SceneFacts, ShiftReport
from geoseg.shift.verdict import Distances, HardChecks, judge
from geoseg.shift.windows import WindowSample
from geoseg.shift.witness import Witness, witnesses_of

FAR_PERCENT = 99
"""A pixel is far where its features are farther than this share of the reference pixels', per cent."""

_AT_ONCE = 8
_MOST_FEATURES = 20_000
_CLAMP = 100.0  # standard deviations, as the engine has it
_NO_REFERENCE = (
    "the package has no reference statistics: the distances of layers, classes and features and the accuracy to "
    "expect cannot be told; bands are compared with mean and deviation of the training imagery"
)


def measure_shift(
    package: ModelPackage, sample: WindowSample, forward: Forward, *, scenes: Sequence[SceneFacts] = ()
) -> ShiftReport:
    """Compare windows of some scenes with the reference ground of a model.

    The same arguments give the same report.

    Args:
        package: the model; without a reference only bands and predicted classes are told.
        sample: windows of the scenes.
        forward: the model's network and the way it is run.
        scenes: what is known of each scene.
    """
    reference = package.reference
    quantiles = band_quantiles(seen_sample(sample, package.normalizer))
    seen = _look(forward, _images(sample, package.normalizer), torch.from_numpy(sample.valid), package)
    corrected = None if reference is None else corrected_prior(seen.shares, reference.confusion)
    of_bands = radiometric_distances(quantiles, package.normalizer, reference)
    of_bands = of_bands[np.isfinite(of_bands)]
    distances = Distances(
        bands=float(of_bands.mean()) if len(of_bands) else None,
        worst_band=float(of_bands.max(initial=0.0)),
        layers=None if reference is None else _told(moment_distance(reference.moments, seen.moments)),
        layers_matched=None if reference is None else _matched(package.normalizer, reference, sample, forward),
        prior=None if reference is None or corrected is None else jensen_shannon(corrected, reference.prior),
        features=seen.far,
    )
    model = Witness(forward=forward, normalizer=package.normalizer)
    expected = None if reference is None else _expected(model, reference, sample, seen.far)
    spread = {} if reference is None else dict(reference.spread)
    checks = _checks(package, sample, scenes, expected)
    return ShiftReport(
        model=package.name,
        windows=len(sample),
        scenes=tuple(scenes),
        bands=_bands(package, quantiles),
        classes=_classes(package, seen.shares, corrected, expected),
        distances=distances,
        spread=spread,
        expected=expected,
        judgement=judge(distances, spread, checks),
        unsaid=(_NO_REFERENCE,) if reference is None else (),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """What one pass of the network shows."""

    moments: Mapping[str, LayerMoments]
    """By name of the layer."""

    far: float | None
    """Share of the pixels whose features are far; None without a reference or wholly usable pixels."""

    shares: Numbers
    """(classes,), of the predicted classes."""


@torch.inference_mode()
def _look(forward: Forward, images: Tensor, valid: Tensor, package: ModelPackage) -> _Seen:
    """Run the network once, some windows at a time."""
    sums = MomentSums(forward.network, np.zeros(len(images), dtype=np.intp))
    counts, pixels = np.zeros(len(package.classes)), []
    most = max(1, _MOST_FEATURES // len(images))
    with Listener(forward.network) as listener:
        for first in range(0, len(images), _AT_ONCE):
            there = valid[first : first + _AT_ONCE]
            with sums.listening(there, first=first):
                logits = forward.logits(images[first : first + _AT_ONCE])
            classes = softmax_of(logits, forward.calibration).argmax(dim=1)[there]
            counts += np.bincount(classes.numpy(), minlength=len(counts))
            if package.reference is not None:
                pixels += picked_features(listener.features, there, most=most)
    far = None if package.reference is None else _far_share(package.reference, np.concatenate(pixels))
    return _Seen(moments=sums.moments(), far=far, shares=counts / max(counts.sum(), 1))


def _far_share(reference: ReferenceStatistics, pixels: NDArray[np.float32]) -> float | None:
    """Share of features (pixels, features) that are far."""
    if not len(pixels):
        return None
    distances = distances_of(reference.features, torch.from_numpy(pixels.T[None, :, :, None]))
    return float((distances > float(reference.features.distances[FAR_PERCENT])).float().mean())


def _matched(
    normalizer: Normalizer, reference: ReferenceStatistics, sample: WindowSample, forward: Forward
) -> float | None:
    """Distance of the layers once the bands have the distribution of the reference."""
    curves = matching_curves(reference.quantiles, band_quantiles(sample), kind="cdf")
    images = _images(sample, replace(normalizer, curves=curves))
    found = measure_moments(forward, images, torch.from_numpy(sample.valid))
    return _told(moment_distance(reference.moments, found))


def _expected(
    model: Witness, reference: ReferenceStatistics, sample: WindowSample, far: float | None
) -> ExpectedAccuracy:
    promise = sight(model, sample, witnesses_of(model, sample, reference))[0].promise()
    return expected_accuracy(reference.accuracy, promise, far=far)


def _checks(
    package: ModelPackage, sample: WindowSample, scenes: Sequence[SceneFacts], expected: ExpectedAccuracy | None
) -> HardChecks:
    scales = [facts.scale for facts in scenes]
    encoding = likely_encoding(sample, scales, package.normalizer, package.reference)
    ratios = [facts.gsd_ratio for facts in scenes if facts.gsd_ratio is not None]
    return HardChecks(
        encoding=None if encoding is None else str(encoding),
        gsd_ratio=max(ratios, default=None),
        best_mean_iou=None if expected is None else expected.high,
    )


def _bands(package: ModelPackage, quantiles: Numbers) -> tuple[BandShift, ...]:
    normalizer, reference = package.normalizer, package.reference
    means, _ = moments_of(quantiles)
    wanted = np.array(normalizer.mean) if reference is None else moments_of(reference.quantiles)[0]
    distances = radiometric_distances(quantiles, normalizer, reference)
    return tuple(
        BandShift(
            band=band,
            mean=float(means[place]),
            reference_mean=float(wanted[place]),
            distance=float(distances[place]),
        )
        for place, band in enumerate(package.bands)
        if np.isfinite(distances[place])
    )


def _classes(
    package: ModelPackage, shares: Numbers, corrected: Numbers | None, expected: ExpectedAccuracy | None
) -> tuple[ClassShare, ...]:
    reference = package.reference
    return tuple(
        ClassShare(
            class_name=name,
            predicted=float(shares[index]),
            corrected=None if corrected is None else float(corrected[index]),
            reference=None if reference is None else float(reference.prior[index]),
            expected_iou=expected.iou[index] if expected is not None and shares[index] > 0 else None,
        )
        for index, name in enumerate(package.classes.names)
    )


def _images(sample: WindowSample, normalizer: Normalizer) -> Tensor:
    return sample.tensor(normalizer).clamp(-_CLAMP, _CLAMP)


def _told(distance: float) -> float | None:
    return distance if np.isfinite(distance) else None
