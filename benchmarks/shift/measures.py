"""Numbers of the benchmark's table, from scores. Opens nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

HARM = 0.5
"""Points of mean IoU below the source from which on an adaptation did harm."""

LEAST_GAP = 2.0
"""Points between source and oracle below which nothing can be closed."""

LEAST_GAIN = 0.5
"""Points that the best candidate gains below which nothing can be captured."""


def is_harm(source: float, adapted: float) -> bool:
    """Whether an adapted model ends more than `HARM` points below the source."""
    return adapted < source - HARM


def gap_closed(source: float, adapted: float, oracle: float) -> float | None:
    """Share of the way from source to oracle; None where the two are too near."""
    return (adapted - source) / (oracle - source) if oracle - source > LEAST_GAP else None


def captured_gain(source: float, chosen: float, best: float) -> float | None:
    """Gain of the chosen candidate by that of the best; None where even the best gains next to nothing."""
    return (chosen - source) / (best - source) if best - source > LEAST_GAIN else None


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rho; None for fewer than three pairs, or where one side does not vary."""
    if len(first) < 3:
        return None
    ranks = rankdata(first), rankdata(second)
    if np.ptp(ranks[0]) == 0 or np.ptp(ranks[1]) == 0:
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def auroc(scores: NDArray[np.floating | np.integer], hit: NDArray[np.bool_]) -> float | None:
    """How often a hit scores higher than a miss, ties half; None where there are only hits or only misses.

    Args:
        scores: (n,) any numbers.
        hit: (n,) True for a hit.
    """
    hits = int(hit.sum())
    misses = len(hit) - hits
    if not hits or not misses:
        return None
    above = float(rankdata(scores)[hit].sum()) - hits * (hits + 1) / 2
    return above / (hits * misses)


def mean_and_spread(numbers: Sequence[float | None]) -> tuple[float, float] | None:
    """Mean and half the range of those that are known; None where none is."""
    known = [number for number in numbers if number is not None]
    if not known:
        return None
    return float(np.mean(known)), (max(known) - min(known)) / 2
