"""Groups of labelled pixels dealt out to splits so that every split has its share of every label. Pure numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DRAWS = 1000
_DESCENTS = 16
_ABSENT = 1000.0  # a label that a split lacks weighs more than any share that is missed
_NOTHING = 1e-12


def stratified_splits(
    counts: NDArray[np.int64], shares: tuple[float, ...], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Deal out groups so that each split holds about its share of the pixels of every label, and of all pixels.

    Random ways to deal are drawn; from the best of them one group at a time moves as long as that makes the misses
    smaller. The miss is the squared distance to the share over the share, summed over labels and splits; a split
    without any pixel of a label that is in as many groups as there are splits counts as a miss beyond all others.

    Args:
        counts: (groups, labels) pixels; each group has some, and there are at least as many groups as splits.
        shares: of each split, 0 to 1, together 1; nothing goes to a split of share 0.
        rng: where the ways to deal come from.

    Returns:
        (groups,) index of the split of each.
    """
    misses = _Misses(counts, np.array(shares))
    used = np.flatnonzero(misses.wanted)
    even = np.full(len(used), 1 / len(used))
    odds = np.stack([misses.wanted[used], even]).mean(axis=0)
    draws = [rng.choice(used, size=(_DRAWS // 2, len(counts)), p=p / p.sum()) for p in (misses.wanted[used], odds)]
    dealt = np.unique(np.concatenate(draws), axis=0)
    order = np.argsort(misses.of(misses.totals(dealt)), kind="stable")
    found = [_descend(misses, dealt[index]) for index in order[:_DESCENTS]]
    return min(found, key=lambda way: float(misses.of(misses.totals(way))))


class _Misses:
    """How far splits are from their shares."""

    def __init__(self, counts: NDArray[np.int64], wanted: NDArray[np.float64]) -> None:
        seen = counts[:, counts.any(axis=0)].astype(np.float64)
        self.parts = np.column_stack([seen, seen.sum(axis=1)])
        self.parts /= self.parts.sum(axis=0)
        self.wanted = wanted
        self._used = wanted > 0
        self._enough = (self.parts > 0).sum(axis=0) >= self._used.sum()

    def totals(self, dealt: NDArray[np.intp]) -> NDArray[np.float64]:
        """Share of each label, the last one of all pixels, that each split holds, for (..., groups) ways to deal.

        Returns:
            (..., splits, labels).
        """
        return np.stack([(dealt == split) @ self.parts for split in range(len(self.wanted))], axis=-2)

    def of(self, totals: NDArray[np.float64]) -> NDArray[np.float64]:
        """The miss of (..., splits, labels) totals."""
        held, wanted = totals[..., self._used, :], self.wanted[self._used, None]
        absent = (held[..., self._enough] < _NOTHING).sum(axis=(-2, -1))
        return np.asarray(((held - wanted) ** 2 / wanted).sum(axis=(-2, -1)) + _ABSENT * absent)


def _descend(misses: _Misses, start: NDArray[np.intp]) -> NDArray[np.intp]:
    """Move the one group whose move helps most, until none helps."""
    dealt, used = start.copy(), np.flatnonzero(misses.wanted)
    totals = misses.totals(dealt)
    best = float(misses.of(totals))
    while True:
        moved = np.stack([_moved(misses, totals, dealt, split) for split in used.tolist()])
        costs = misses.of(moved)
        to, group = np.unravel_index(int(costs.argmin()), costs.shape)
        if costs[to, group] >= best - _NOTHING:
            return dealt
        dealt[group] = used[to]
        totals = misses.totals(dealt)
        best = float(misses.of(totals))


def _moved(misses: _Misses, totals: NDArray[np.float64], dealt: NDArray[np.intp], split: int) -> NDArray[np.float64]:
    """(groups, splits, labels) totals after each group alone has moved to a split."""
    moved = np.repeat(totals[None], len(dealt), axis=0)
    moved[np.arange(len(dealt)), dealt] -= misses.parts
    moved[:, split] += misses.parts
    return moved
