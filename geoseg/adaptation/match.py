"""Curves that give the bands of a target the distribution of the ground that a model knows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from geoseg.adaptation.candidate import Candidate, Problem, state_of
from geoseg.raster.curves import BandCurve
from geoseg.shift.bands import band_quantiles, matching_curves

NO_REFERENCE = (
    "the model package has no reference statistics: `python -m pipelines.finish_model` adds them from labelled ground"
)

_KINDS: tuple[Literal["cdf", "moments"], ...] = ("cdf", "moments")
_SHARES = (1.0, 0.5)


class Match:
    """Matches band by band, over all windows at once and over valid pixels only; the network stays as it is.

    It proposes curves by the distribution (histogram matching; Gonzalez and Woods, Digital Image Processing) and by
    mean and deviation (Reinhard et al. 2001, Color Transfer between Images), each whole and half-way; where bands lie
    in other places, these places alone before that.
    """

    name = "match"

    def refusal(self, problem: Problem) -> str | None:
        """As in `Adapter`: it needs the reference statistics of the package."""
        return NO_REFERENCE if problem.package.reference is None else None

    def candidates(self, problem: Problem, seconds: float) -> Iterator[Candidate]:  # noqa: ARG002 - it takes none
        """As in `Adapter`; with the published recipe only the whole way by the distribution."""
        reference = problem.package.reference
        if reference is None:
            return
        started = time.monotonic()
        if problem.assignment is not None:
            yield self._reassigned(problem)
        found = band_quantiles(problem.target)
        for kind, share in _ways(published=problem.settings.recipe == "published"):
            matched = matching_curves(reference.quantiles, found, kind=kind)
            yield Candidate(
                adapter=self.name,
                label=f"match-{kind}" + ("" if share == 1 else f"-{share:.0%}".rstrip("%")),
                state=state_of(problem.package.network),
                curves=blended(problem.package.normalizer.curves, matched, share=share),
                parameters={"kind": kind, "share": share},
                seconds=time.monotonic() - started,
            )

    def _reassigned(self, problem: Problem) -> Candidate:
        """The model for the bands that the target was found to have, these as they are."""
        return Candidate(
            adapter=self.name,
            label=f"{self.name}-bands",
            state=state_of(problem.package.network),
            curves=(),
            parameters={"kind": "bands", "share": 0.0},
        )


def blended(present: Sequence[BandCurve], wanted: Sequence[BandCurve], *, share: float) -> tuple[BandCurve, ...]:
    """Curves that go a share of the way from the present ones to others.

    Args:
        present: one for each band; empty = no change.
        wanted: one for each band.
        share: of the way, 0 to 1.

    Returns:
        One for each band, at the knots of the wanted ones.
    """
    return tuple(_between(present[band] if present else None, curve, share=share) for band, curve in enumerate(wanted))


def _ways(*, published: bool) -> list[tuple[Literal["cdf", "moments"], float]]:
    return [("cdf", 1.0)] if published else [(kind, share) for kind in _KINDS for share in _SHARES]


def _between(present: BandCurve | None, wanted: BandCurve, *, share: float) -> BandCurve:
    if share == 1:
        return wanted
    knots = np.array(wanted.knots)
    before = knots if present is None else np.interp(knots, present.knots, present.values)
    values = (1 - share) * before + share * np.array(wanted.values)
    return BandCurve(knots=wanted.knots, values=tuple(np.maximum.accumulate(values).tolist()))
