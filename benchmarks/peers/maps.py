"""The maps that arms wrote, beside a pass of the network over the whole scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from benchmarks.peers.seams import share_different
from benchmarks.peers.workers import Found


def labels_of(answers: Sequence[Found]) -> NDArray[np.uint8] | None:
    """The class ids of an arm's last run, (height, width); None where it wrote none."""
    path = answers[-1].get("labels") if answers else None
    if path is None or not Path(path).exists():
        return None
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read(1))


def agreements(answers: Mapping[str, Sequence[Found]], reference: str | None, *, rim: int) -> dict[str, float]:
    """Share of pixels, without the rim, that have the class of the reference arm; by label, for arms with a map."""
    wanted = labels_of(answers[reference]) if reference in answers else None
    if wanted is None:
        return {}
    found = {}
    for label, answer in answers.items():
        labels = labels_of(answer)
        if labels is not None and labels.shape == wanted.shape:
            found[label] = 1 - share_different(labels, wanted, rim=rim)
    return found


def percent(share: float | None) -> str | None:
    """A share as text."""
    return None if share is None else f"{share:.2%}"
