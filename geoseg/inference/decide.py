"""From probabilities to one byte of class and one of confidence per pixel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID, ClassMap
from geoseg.tiling.blend import Strip
from geoseg.window import Window

PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided for the pixels of a window."""

    window: Window
    """Where they lie."""

    class_ids: NDArray[np.uint8]
    """(height, width); 255 where the scene is not valid or no class reaches its threshold, and nowhere else."""

    confidence: NDArray[np.uint8]
    """(height, width); probability of the chosen class in percent, 0 to 100; 255 where `class_ids` is 255."""

    probabilities: NDArray[np.uint8] | None
    """(classes, height, width) in percent, 255 where the scene is not valid; None unless asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRule:
    """How a pixel gets its class: the most probable one, of equals the first in the legend."""

    classes: ClassMap
    """The legend."""

    with_probabilities: bool = False
    """Whether to keep the probability of every class too."""

    thresholds: tuple[float, ...] = ()
    """For each class the probability that a pixel needs to be given it; empty = 0 for all. Of the classes that reach
    their threshold the most probable is chosen; where none does, none is."""


def decide(strip: Strip, rule: DecisionRule) -> Decision:
    """The most probable class of each pixel and how probable it is."""
    decided = strip.valid
    if any(rule.thresholds):
        needed = torch.tensor(rule.thresholds, dtype=strip.probabilities.dtype, device=strip.probabilities.device)
        reaching = strip.probabilities >= needed[:, None, None]
        best, index = strip.probabilities.where(reaching, -torch.inf).max(dim=0)
        decided = decided & reaching.any(dim=0).cpu().numpy()
    else:
        best, index = strip.probabilities.max(dim=0)
    class_ids = rule.classes.ids_of_indices()[index.cpu().numpy()]
    class_ids[~decided] = NODATA_ID
    return Decision(
        window=strip.window,
        class_ids=class_ids,
        confidence=_percent(best, decided),
        probabilities=_percent(strip.probabilities, strip.valid) if rule.with_probabilities else None,
    )


def _percent(probabilities: torch.Tensor, valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    percent: NDArray[np.uint8] = (probabilities * PERCENT).round().clamp(0, PERCENT).to(torch.uint8).cpu().numpy()
    percent[..., ~valid] = NODATA_ID
    return percent


def joined(decisions: Iterable[Decision]) -> Decision:
    """The decisions of a block's strips, top to bottom, as one."""
    parts = list(decisions)
    first, last = parts[0].window, parts[-1].window
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return Decision(
        window=Window.between(first.row, last.bottom, first.col, first.right),
        class_ids=np.concatenate([part.class_ids for part in parts]),
        confidence=np.concatenate([part.confidence for part in parts]),
        probabilities=np.concatenate(probabilities, axis=1) if probabilities else None,
    )
