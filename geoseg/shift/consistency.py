"""How much a map depends on what it should not depend on: a score of a model that needs no labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.models.reference import Numbers
from geoseg.shift.forward import Forward, softmax_of
from geoseg.shift.views import CHANGED, View

FULL_SHARE = 0.01
"""Classes that fill this share of the ground count fully in a mean over classes, smaller ones in proportion."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Consistency:
    """Pixels by window and class where the maps of windows and of their views agree, summed over the views."""

    intersections: Numbers
    """(n, classes): both maps have the class."""

    unions: Numbers
    """(n, classes): at least one has it."""

    @property
    def iou(self) -> float:
        """Mean IoU over the classes, 0 to 1; 0 where no pixel was compared.

        A constant map has 1: it says how steady a model is, not that it is right.
        """
        unions = self.unions.sum(axis=0)
        return mean_iou(self.intersections.sum(axis=0), unions, unions)

    def of(self, numbers: NDArray[np.intp]) -> Consistency:
        """Of the windows of these numbers, each as often as it is named: a draw of a bootstrap over windows."""
        return Consistency(intersections=self.intersections[numbers], unions=self.unions[numbers])


def view_consistency(forward: Forward, images: Tensor, valid: Tensor, *, views: int = 3) -> Consistency:
    """Compare the maps of windows with the maps of changed views of them, laid back.

    The same windows give the same numbers. It takes views + 1 passes of the network.

    Args:
        forward: the network and the way it is run.
        images: (n, bands, side, side) normalised, 0 where not valid.
        valid: (n, side, side) bool, True = usable; other pixels count nowhere.
        views: how many, 1 to 6.
    """
    chosen, classes = classes_of(forward, images)
    counts = np.zeros((2, len(images), classes))
    for view in CHANGED[:views]:
        again = view.undone(classes_of(forward, view.images(images))[0])
        counts += agreement(chosen, again, seen_in(view, valid), classes)
    return Consistency(intersections=counts[0], unions=counts[1])


def classes_of(forward: Forward, images: Tensor) -> tuple[Tensor, int]:
    """Class indices (n, side, side) uint8 of calibrated probabilities, and how many classes there are."""
    parts, classes = [], 1
    for logits in forward.batches(images):
        classes = logits.shape[1]
        parts.append(softmax_of(logits, forward.calibration).argmax(dim=1).to(torch.uint8))
    if not parts:
        return torch.zeros(images[:, 0].shape, dtype=torch.uint8), classes
    return torch.cat(parts), classes


def seen_in(view: View, valid: Tensor) -> Tensor:
    """(n, side, side) bool, True where a valid pixel can be compared with what a view says of it."""
    return valid & view.kept(valid.shape[-1])


def agreement(first: Tensor, second: Tensor, valid: Tensor, classes: int) -> Numbers:
    """(2, n, classes): valid pixels where both maps (n, side, side) have the class, and where at least one has it."""
    counts = np.empty((3, len(first), classes))
    for number, (one, other, usable) in enumerate(zip(first, second, valid, strict=True)):
        one, other = one[usable].long(), other[usable].long()  # noqa: PLW2901 - the same pixels, fewer
        for row, pixels in enumerate((one[one == other], one, other)):
            counts[row, number] = torch.bincount(pixels, minlength=classes).numpy()
    return np.stack([counts[0], counts[1] + counts[2] - counts[0]])


def mean_iou(intersections: Numbers, unions: Numbers, pixels: Numbers) -> float:
    """Mean IoU over classes that fill some pixels each; classes of almost no pixels count almost nothing.

    Counted fully, a class of a few stray pixels moves the mean of seven classes by fourteen points; left out below a
    limit, it makes the mean jump where its area passes the limit.

    Args:
        intersections: (classes,).
        unions: (classes,); a class without any has an IoU of 0.
        pixels: (classes,), by which a class counts.

    Returns:
        0 to 1; 0 where there are no pixels.
    """
    total = float(pixels.sum())
    if total == 0:
        return 0.0
    weights = np.minimum(1.0, pixels / total / FULL_SHARE)
    iou = np.divide(intersections, unions, out=np.zeros_like(unions), where=unions > 0)
    return float((weights * iou).sum() / weights.sum())
