"""A model made for bands in other places: the same network on the same ground, read from another sensor's files."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from geoseg.adaptation.assignment import Assignment, BandStatistics, find_assignment
from geoseg.adaptation.candidate import Problem, SourceGround
from geoseg.errors import ModelError
from geoseg.models.package import ModelPackage
from geoseg.models.reference import Numbers, ReferenceStatistics
from geoseg.raster.curves import BandCurve
from geoseg.raster.normalize import Normalizer
from geoseg.shift.bands import band_correlations, band_quantiles
from geoseg.shift.windows import WindowSample
from geoseg.training.batches import TrainingBatch

_REACH = 1e3  # deviations, beyond which a curve is constant
_TRIED_SIDE = 64
_SAME = 1e-3


def reassigned_problem(problem: Problem) -> Problem:
    """The problem of the model made for the bands that the target was found to have; the same where it has its own.

    Args:
        problem: whose target names no bands.
    """
    package = problem.package
    known = _known(problem)
    if known is None or package.normalizer.curves:
        return problem
    found = find_assignment(known, statistics_of(problem.target), stds=np.array(package.normalizer.std))
    if found is None:
        return problem
    try:
        package = reassigned(package, found)
    except ModelError:
        return problem
    source = None if problem.source is None else _reordered_source(problem.source, found)
    forward = replace(problem.forward, network=package.network)
    return replace(problem, package=package, source=source, forward=forward, assignment=found)


def statistics_of(sample: WindowSample) -> BandStatistics:
    """Of all windows at once."""
    return BandStatistics(quantiles=band_quantiles(sample), correlations=band_correlations(sample))


def reassigned(package: ModelPackage, assignment: Assignment) -> ModelPackage:
    """A package that takes the bands of the target in the places where they lie.

    Normaliser and reference statistics move with the bands. The mixing of normalised bands becomes part of the first
    convolution: both are linear, so nothing else of the network changes. A band of the target that stands for none
    has no weight.

    Raises:
        ModelError: if the network has no first convolution that this can be done to.
    """
    reference = package.reference
    return replace(
        package,
        network=folded(package.network, assignment.mixing),
        normalizer=_reordered_normalizer(package.normalizer, assignment),
        reference=None if reference is None else _reordered_reference(reference, assignment),
    )


def folded(network: nn.Module, mixing: Numbers) -> nn.Module:
    """A copy of a network that gives for images what the network gives for a mixture of their bands.

    Args:
        network: whose first convolution is all that sees images.
        mixing: (bands, bands), from those of an image to those of the network.

    Raises:
        ModelError: if the network is not of that kind.
    """
    changed = copy.deepcopy(network).eval()
    first = next((each for each in changed.modules() if _sees_images(each, len(mixing))), None)
    if first is None:
        raise ModelError("the network has no convolution that takes its bands")
    weights = torch.tensor(mixing, dtype=torch.float64, device=first.weight.device)
    with torch.no_grad():
        first.weight.copy_(torch.einsum("oihw,ij->ojhw", first.weight.double(), weights))
    if not _is_same(network, changed, mixing):
        raise ModelError("more of the network than its first convolution sees the bands")
    return changed


def mixed(images: Tensor, mixing: Numbers) -> Tensor:
    """Images (n, bands, height, width) whose bands are mixtures (bands, bands) of those given."""
    return torch.einsum("njhw,ij->nihw", images, torch.tensor(mixing, dtype=images.dtype, device=images.device))


def unassigned_curves(package: ModelPackage, assignment: Assignment) -> tuple[BandCurve, ...]:
    """Curves by which the normaliser of a reassigned package does what that of the package did."""
    before = package.normalizer
    after = _reordered_normalizer(before, assignment)
    return tuple(
        _line(before.mean[place], before.std[place], after.mean[place], after.std[place])
        for place in range(len(before.mean))
    )


def _line(mean: float, std: float, new_mean: float, new_std: float) -> BandCurve:
    """From numbers to those that other statistics normalise to the same."""
    knots = np.array([mean - _REACH * std, mean + _REACH * std])
    values = new_mean + (knots - mean) / std * new_std
    return BandCurve(knots=tuple(knots.tolist()), values=tuple(values.tolist()))


def _known(problem: Problem) -> BandStatistics | None:
    """Of the ground that the model knows: what its package says, else the chips of the source."""
    reference, source = problem.package.reference, problem.source
    if reference is not None and reference.correlations is not None:
        return BandStatistics(quantiles=reference.quantiles, correlations=reference.correlations)
    if source is None:
        return None
    return statistics_of(WindowSample(images=source.chips, valid=source.valid, places=()))


def _sees_images(layer: nn.Module, bands: int) -> TypeGuard[nn.Conv2d]:
    return isinstance(layer, nn.Conv2d) and layer.in_channels == bands and layer.groups == 1


@torch.inference_mode()
def _is_same(network: nn.Module, changed: nn.Module, mixing: Numbers) -> bool:
    device = next(network.parameters()).device
    images = torch.randn(1, len(mixing), _TRIED_SIDE, _TRIED_SIDE, generator=torch.Generator().manual_seed(0)).to(
        device
    )
    wanted, found = copy.deepcopy(network).eval()(mixed(images, mixing)), changed(images)
    return bool((wanted - found).abs().max() <= _SAME * wanted.abs().max().clamp(min=1))


def _reordered_normalizer(normalizer: Normalizer, assignment: Assignment) -> Normalizer:
    """Each band by the statistics of the one that it stands for."""
    taken = assignment.taken()
    bands = [taken.get(place, place) for place in range(len(normalizer.mean))]
    return replace(
        normalizer,
        mean=tuple(normalizer.mean[band] for band in bands),
        std=tuple(normalizer.std[band] for band in bands),
    )


def _reordered_reference(reference: ReferenceStatistics, assignment: Assignment) -> ReferenceStatistics:
    """Distributions where the target has the bands; none for a band that stands for none."""
    bands, places = _moves(assignment)
    quantiles = np.full_like(reference.quantiles, np.nan)
    quantiles[places] = reference.quantiles[bands]
    correlations = reference.correlations
    if correlations is not None:
        moved = np.full_like(correlations, np.nan)
        moved[np.ix_(places, places)] = correlations[np.ix_(bands, bands)]
        correlations = moved
    return replace(reference, quantiles=quantiles, correlations=correlations)


def _reordered_source(source: SourceGround, assignment: Assignment) -> SourceGround:
    """Labelled ground as the sensor of the target would give it, its other bands empty."""
    bands, places = _moves(assignment)
    chips = np.full_like(source.chips, np.nan)
    chips[:, places] = source.chips[:, bands]

    def make(iteration: int) -> TrainingBatch:
        batch = source.maker(iteration)
        images = torch.zeros_like(batch.images)
        images[:, places] = batch.images[:, bands]
        return replace(batch, images=images)

    return replace(source, chips=chips, maker=make)


def _moves(assignment: Assignment) -> tuple[list[int], list[int]]:
    """Bands of the model with the places that they have in the target."""
    taken = assignment.taken()
    return list(taken.values()), list(taken)
