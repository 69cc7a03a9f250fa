"""Statistics of batch normalisation taken on the target, blended with those of training."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from geoseg.adaptation.candidate import Candidate, Problem, state_of
from geoseg.shift.batchnorm import has_batchnorm, recomputed_batchnorm

_KEPT = (0.9, 0.5, 0.0)
_PUBLISHED = (0.0,)


class AdaBn:
    """Proposes the target's statistics alone and blended with those of training, the most careful first.

    Li et al. 2016, Revisiting Batch Normalization for Practical Domain Adaptation; the blend is that of Schneider et
    al. 2020, Improving Robustness against Common Corruptions by Covariate Shift Adaptation.
    """

    name = "adabn"

    def refusal(self, problem: Problem) -> str | None:
        """As in `Adapter`: it needs batch normalisation."""
        if has_batchnorm(problem.package.network):
            return None
        return f"{problem.package.spec.encoder} has no batch normalisation whose statistics could be taken anew"

    def candidates(self, problem: Problem, seconds: float) -> Iterator[Candidate]:  # noqa: ARG002 - it takes seconds
        """As in `Adapter`; with the published recipe only the target's statistics."""
        started = time.monotonic()
        before = state_of(problem.package.network)
        found = recomputed_batchnorm(
            replace(problem.forward, network=problem.network()),
            problem.target.tensor(problem.package.normalizer),
            torch.from_numpy(problem.target.valid),
            keep=0.0,
        )
        for keep in _PUBLISHED if problem.settings.recipe == "published" else _KEPT:
            yield Candidate(
                adapter=self.name,
                label=f"adabn-{100 * (1 - keep):.0f}",
                state=_between(before, found, keep=keep),
                parameters={"keep": keep},
                seconds=time.monotonic() - started,
            )


def _between(before: Mapping[str, Tensor], found: Mapping[str, Tensor], *, keep: float) -> dict[str, Tensor]:
    return {
        name: tensor.lerp(before[name], keep) if tensor.is_floating_point() else tensor.clone()
        for name, tensor in found.items()
    }
