"""A running mean of a network's weights, which is what gets scored and kept."""

from __future__ import annotations

import copy

import torch
from torch import nn


class EmaTeacher:
    """Exponential moving average of parameters and buffers.

    Buffers are averaged too: a mean of weights with the running statistics of another network is no network. The
    decay warms up as (1 + t) / (10 + t), so that the random first weights are forgotten.
    """

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, *, iteration: int) -> None:
        """Move towards the network as it is after an iteration, counted from 0."""
        share = 1 - min(self._decay, (1 + iteration) / (10 + iteration))
        current = network.state_dict()
        for name, kept in self.network.state_dict().items():
            if kept.is_floating_point():
                kept.lerp_(current[name].to(kept.dtype), share)
            else:
                kept.copy_(current[name])
