"""Gradients that lead to flat places (SAM: Foret et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

_LEAST = 1e-12  # of a gradient's length, where there is none


def flat_gradients(
    parameters: Sequence[nn.Parameter], loss_of: Callable[[], Tensor | None], *, reach: float
) -> float | None:
    """Leave in the parameters the gradients of a loss a little uphill from where they stand.

    Args:
        parameters: what is to move; their values come out as they were, bit for bit.
        loss_of: the loss at their present values, None where nothing can be learnt.
        reach: length of the way uphill; 0 gives the ordinary gradients.

    Returns:
        The loss where they stand; None, and no gradients, where there is none here or uphill.
    """
    loss = _gradients(parameters, loss_of)
    if loss is None or reach == 0:
        return loss
    kept = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad():
        slopes = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(slope) for slope in slopes]))
        for parameter, slope in zip(parameters, slopes, strict=True):
            parameter.add_(slope * (reach / (norm + _LEAST)))
    uphill = _gradients(parameters, loss_of)
    with torch.no_grad():
        for parameter, value in zip(parameters, kept, strict=True):
            parameter.copy_(value)
    return None if uphill is None else loss


def _gradients(parameters: Sequence[nn.Parameter], loss_of: Callable[[], Tensor | None]) -> float | None:
    for parameter in parameters:
        parameter.grad = None
    loss = loss_of()
    if loss is None:
        return None
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())
