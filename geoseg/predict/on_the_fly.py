"""A model fitted to the scene at hand before the scene is mapped: by statistics, nothing is learnt."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from geoseg.config.predict import PredictSettings
from geoseg.errors import ModelError
from geoseg.models.device import choose_device
from geoseg.models.package import ModelPackage, load_package, save_package
from geoseg.models.reference import Numbers
from geoseg.predict.plan import PredictPlan
from geoseg.predict.target import sample_plans
from geoseg.predict.task import one_thread
from geoseg.raster.curves import BandCurve
from geoseg.shift.bands import LEVELS, band_quantiles, matching_curves
from geoseg.shift.batchnorm import has_batchnorm, recomputed_batchnorm
from geoseg.shift.forward import Forward
from geoseg.shift.radiometry import radiometric_distances, seen_sample
from geoseg.shift.verdict import limits_of
from geoseg.shift.windows import WindowSample

log = logging.getLogger(__name__)

KEPT = 0.5
"""Weight of the statistics of training in those of batch normalisation: all new ones harm where the ground is
one-sided."""

_SIDE = 256
_WINDOWS = 32
_FAR = 100.0  # standard deviations, as the engine has it
_WIDTH = 12**0.5  # of a uniform distribution, standard deviations


@contextmanager
def fitted(plan: PredictPlan, settings: PredictSettings, *, beside: Path) -> Iterator[PredictPlan]:
    """The plan with a model fitted to the scene as `settings.adapt` says, which exists as long as the context does.

    What is fitted depends on the scene and the model alone, not on how the scene is mapped afterwards.

    Args:
        plan: how scene and model meet.
        settings: of the prediction.
        beside: an existing folder; the fitted package lies in it, hidden.

    Raises:
        ModelError: if the method does not go with the model.
        SceneError: if the scene cannot be read or holds nothing.
    """
    if settings.adapt == "none":
        yield plan
        return
    sample = sample_plans([plan], side=_SIDE, count=_WINDOWS, seed=0)
    package = load_package(plan.model)
    _warn_of_nearness(plan, package, sample)
    changed = matched(package, sample) if settings.adapt == "match" else renormalised(package, sample, settings.device)
    with tempfile.TemporaryDirectory(prefix=".geoseg-model-", dir=beside) as hidden:
        path = Path(hidden) / "model"
        yield replace(plan, model=path, card=save_package(changed, path))


def matched(package: ModelPackage, sample: WindowSample) -> ModelPackage:
    """A package that sees the bands of some scenes with the distribution of its reference.

    Without a reference they get mean and standard deviation of the training imagery.
    """
    return replace(package, normalizer=replace(package.normalizer, curves=_curves(package, sample)))


def renormalised(package: ModelPackage, sample: WindowSample, device: str = "auto") -> ModelPackage:
    """A package whose batch normalisation has statistics half of training, half of some scenes (AdaBN).

    Raises:
        ModelError: if the network has no batch normalisation.
    """
    if not has_batchnorm(package.network):
        raise ModelError(
            f"{package.name}: adabn takes the statistics of batch normalisation anew, and {package.spec.architecture} "
            f"with {package.spec.encoder} has none: use match"
        )
    forward = Forward(network=package.network, device=choose_device(device))
    images = sample.tensor(package.normalizer).clamp(-_FAR, _FAR)
    with one_thread():
        state = recomputed_batchnorm(forward, images, torch.from_numpy(sample.valid), keep=KEPT)
    package.network.cpu().load_state_dict(state)
    return package


def _warn_of_nearness(plan: PredictPlan, package: ModelPackage, sample: WindowSample) -> None:
    """Say so where the bands are as the model knows them, so that there is nothing to fit but much to harm."""
    quantiles = band_quantiles(seen_sample(sample, package.normalizer))
    distances = radiometric_distances(quantiles, package.normalizer, package.reference)
    distances = distances[np.isfinite(distances)]
    limits = limits_of({} if package.reference is None else package.reference.spread)
    if len(distances) and distances.mean() <= limits["bands"] and distances.max() <= limits["worst_band"]:
        log.warning(
            "%s: its bands are as model %s knows them: fitting may take other shares of the classes for another light; "
            "compare with --adapt none",
            *(plan.source.path, package.name),
        )


def _curves(package: ModelPackage, sample: WindowSample) -> tuple[BandCurve, ...]:
    found = band_quantiles(sample)
    if package.reference is not None:
        return matching_curves(package.reference.quantiles, found, kind="cdf")
    return matching_curves(_flat(package), found, kind="moments")


def _flat(package: ModelPackage) -> Numbers:
    """Quantiles (bands, levels) of uniform distributions with the training imagery's means and deviations."""
    mean, std = (np.array(part)[:, None] for part in (package.normalizer.mean, package.normalizer.std))
    return np.asarray(mean + std * _WIDTH * (LEVELS - 1 / 2))
