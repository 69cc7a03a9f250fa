"""What a candidate gains on labelled chips, and how likely it is chance. Pure: knows no networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.data.chips import IGNORED
from geoseg.models.reference import Numbers

_DRAWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """What a candidate gains over the model as it was."""

    before: float
    """Mean IoU of the model as it was, 0 to 1."""

    after: float
    """Of the candidate."""

    p_value: float
    """Share of bootstrap draws of chips without a gain."""

    @property
    def gain(self) -> float:
        """Of the candidate."""
        return self.after - self.before


def rise_of(before: Numbers, after: Numbers, *, seed: int) -> Rise:
    """From pixels by chip, true class and class of the map (n, classes, classes) of two models on the same chips."""
    numbers = np.random.default_rng(seed).integers(len(before), size=(_DRAWS, len(before)))
    rises = [iou_of(after[drawn]) - iou_of(before[drawn]) for drawn in numbers]
    return Rise(before=iou_of(before), after=iou_of(after), p_value=float((np.array(rises) <= 0).mean()))


def iou_of(counts: Numbers) -> float:
    """Mean IoU over the classes that the labels hold, 0 to 1; 0 where they hold none."""
    total = counts.sum(axis=0)
    hits, held = total.diagonal(), total.sum(axis=1)
    unions = total.sum(axis=0) + held - hits
    return float((hits[held > 0] / unions[held > 0]).mean()) if held.any() else 0.0


def chip_counts(chosen: NDArray[np.uint8], labels: NDArray[np.uint8], members: NDArray[np.bool_]) -> Numbers:
    """Pixels by chip, true class and class of the map: (n, classes, classes).

    A label that leaves several classes open is right where the map has one of them; else it counts as the first.

    Args:
        chosen: (n, side, side) class index.
        labels: (n, side, side) code, 255 = unknown.
        members: (codes, classes), True where a class is one of a code's.
    """
    return np.stack([_counts_of(*pixels, members) for pixels in zip(chosen, labels, strict=True)])


def _counts_of(chosen: NDArray[np.uint8], labels: NDArray[np.uint8], members: NDArray[np.bool_]) -> Numbers:
    known = labels != IGNORED
    found, codes = chosen[known].astype(np.intp), labels[known]
    true = np.where(members[codes, found], found, members.argmax(axis=1)[codes])
    classes = members.shape[1]
    return np.bincount(true * classes + found, minlength=classes**2).reshape(classes, classes).astype(np.float64)
