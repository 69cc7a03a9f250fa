"""Which band of another sensor stands for which of a model, found from how bands go together. Knows no networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from geoseg.models.reference import Numbers
from geoseg.shift.radiometry import moments_of

MOST_BANDS = 6
"""More are not tried in every order."""

BROKEN = 0.15
"""Least misfit of the bands as they stand from which on they are taken for others.

The same bands of other ground, another season or light had 0.097 at most in 45 pairs of grounds.
"""

_FITTING = 0.06
_ALIKE = 0.03
_LEAST_BANDS = 2
_LEAST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BandStatistics:
    """How the bands of some ground are distributed, alone and together."""

    quantiles: Numbers
    """(bands, levels), in one unit for all."""

    correlations: Numbers
    """(bands, bands)."""

    @property
    def known(self) -> bool:
        """Whether all bands are there and vary."""
        return bool(np.isfinite(self.quantiles).all() and np.isfinite(self.correlations).all())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assignment:
    """Bands of a target that stand for those of a model."""

    places: tuple[int | None, ...]
    """For each band of the model that of the target, from 0; None = estimated from the others."""

    mixing: Numbers
    """(bands of the model, bands of the target): normalised, the former from the latter, by the regression of an
    estimated band on the others on the ground that the model knows; bands that are none of the model's have zeros."""

    def taken(self) -> dict[int, int]:
        """For each band of the target that is used that of the model."""
        return {place: band for band, place in enumerate(self.places) if place is not None}

    def told(self, names: Sequence[str]) -> str:
        """For people: red = band 2, green = band 3, blue = estimated."""
        pairs = zip(names, self.places, strict=True)
        return ", ".join(f"{name} = {'estimated' if place is None else f'band {place + 1}'}" for name, place in pairs)


def find_assignment(known: BandStatistics, found: BandStatistics, *, stds: Numbers) -> Assignment | None:
    """Bands of a target that go together as a model's do, where those in their places do not.

    What a single band looks like changes with light and haze; that two bands of the visible light rise and fall
    together, and that near infrared does not with them, hardly does. At most one band of the model may be estimated.
    Where several assignments fit alike, one that estimates no band is taken, then one that keeps the order of the
    bands, then that in whose numbers, unmatched, the least has to change: bands lie in files by their wavelengths, and
    correlations alone can not tell red from green.

    Args:
        known: of the ground that the model was validated on.
        found: of the target, in the same unit.
        stds: (bands,) by which the model's normaliser divides.

    Returns:
        None where the bands as they stand may be right, or no other assignment is clearly better.
    """
    bands = len(known.quantiles)
    if not (_LEAST_BANDS <= bands <= MOST_BANDS and known.known and found.known):
        return None
    choices = list(_choices(bands))
    misfits = _misfits(known.correlations, [mixing_of(choice, known.correlations) for choice in choices], found)
    if misfits[0] < BROKEN or misfits.min() > _FITTING:
        return None
    changes = np.array([_change(known.quantiles, found.quantiles, choice) for choice in choices])
    fitting = (misfits <= min(_FITTING, misfits.min() + _ALIKE)) & (changes < changes[0])
    if not fitting.any():
        return None
    best = min(
        np.flatnonzero(fitting).tolist(),
        key=lambda number: (None in choices[number], not _in_order(choices[number]), changes[number]),
    )
    deviations = moments_of(known.quantiles)[1] / stds
    return Assignment(places=choices[best], mixing=mixing_of(choices[best], known.correlations, deviations))


def mixing_of(places: Sequence[int | None], correlations: Numbers, deviations: Numbers | None = None) -> Numbers:
    """See `Assignment.mixing`.

    Args:
        places: see `Assignment.places`.
        correlations: (bands, bands) on the ground that the model knows.
        deviations: (bands,) there, normalised; all 1 where not given.
    """
    scale = np.ones(len(places)) if deviations is None else deviations
    taken = [band for band, place in enumerate(places) if place is not None]
    mixing = np.zeros((len(places), len(places)))
    mixing[taken, [place for place in places if place is not None]] = 1
    among = correlations[np.ix_(taken, taken)] + _LEAST * np.eye(len(taken))
    for band in set(range(len(places))) - set(taken):
        weights = np.linalg.solve(among, correlations[taken, band]) * scale[band] / scale[taken]
        mixing[band] = weights @ mixing[taken]
    return mixing


def _choices(bands: int) -> Iterator[tuple[int | None, ...]]:
    """Bands as they stand, then in every other order, then with one of them estimated."""
    yield from permutations(range(bands))
    for kept in combinations(range(bands), bands - 1) if bands > _LEAST_BANDS else ():
        for picked in permutations(range(bands), bands - 1):
            places = dict(zip(kept, picked, strict=True))
            yield tuple(places.get(band) for band in range(bands))


def _misfits(correlations: Numbers, mixings: Sequence[Numbers], found: BandStatistics) -> Numbers:
    """How far the bands that each mixing gives are from the model's, each with mean 0 and deviation 1.

    The squared Wasserstein-2 distance of two normal distributions (Dowson & Landau 1982, The Frechet distance between
    multivariate normal distributions), a band. An estimated band varies less than a seen one: that counts against it.
    """
    mixing = np.stack(mixings)
    mixed = mixing @ found.correlations @ mixing.swapaxes(1, 2)
    values, vectors = np.linalg.eigh(correlations)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ mixed @ root), 0)).sum(axis=1)
    traces = np.trace(correlations) + np.trace(mixed, axis1=1, axis2=2)
    return np.asarray((traces - 2 * shared) / len(correlations))


def _change(known: Numbers, found: Numbers, places: Sequence[int | None]) -> float:
    """How much mean and deviation of the bands that are used differ, root mean square, in the model's deviations."""
    means, deviations = moments_of(known)
    their_means, their_deviations = moments_of(found)
    pairs = [(band, place) for band, place in enumerate(places) if place is not None]
    parts = [
        ((their_means[place] - means[band]) / deviations[band]) ** 2
        + (their_deviations[place] / deviations[band] - 1) ** 2
        for band, place in pairs
    ]
    return float(np.sqrt(np.mean(parts)))


def _in_order(places: Sequence[int | None]) -> bool:
    """Whether the bands that are used lie in the file in the order of the model."""
    return bool((np.diff([place for place in places if place is not None]) > 0).all())
