"""Networks half-way between a model and what an adapter made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from geoseg.adaptation.candidate import Candidate

SHARE = 0.5
"""Of the candidate in its average with the model as it was."""


def averaged(source: Mapping[str, Tensor], candidate: Candidate, *, share: float = SHARE) -> Candidate:
    """A candidate whose weights and buffers lie between those of the model as it was and its own.

    Two networks of which one began as the other are mostly joined by a path of low loss, and the mean is steadier than
    either (Wortsman et al. 2022, Robust Fine-Tuning of Zero-Shot Models). Counters stay the candidate's.

    Args:
        source: weights and buffers of the model as it was.
        candidate: its curves are kept.
        share: of the candidate, 0 to 1.
    """
    state = {
        name: source[name].lerp(tensor, share) if tensor.is_floating_point() else tensor
        for name, tensor in candidate.state.items()
    }
    parameters = {**candidate.parameters, "source_share": 1 - share}
    return replace(candidate, label=f"{candidate.label}-mean", state=state, parameters=parameters)
