"""What windows without labels promise of their map, in sums over pixels that add up over windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.models.reference import Numbers
from geoseg.shift.consistency import mean_iou
from geoseg.shift.views import CHANGED
from geoseg.shift.windows import WindowSample
from geoseg.shift.witness import Witness, heard

PREDICTORS = ("soft_iou",)
"""Names, in the order of a fit."""

_AT_ONCE = 8
_VIEWS = CHANGED[:3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What IoU the probabilities of a map come to, were they right."""

    mean_iou: float
    """Over the classes of the map, 0 to 1; classes of almost no pixels count little. 0 without valid pixels."""

    iou: tuple[float, ...]
    """Of each class, 0 to 1; 0 where the map does not have it."""

    shares: tuple[float, ...]
    """Of each class in the map, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sighting:
    """Sums over the valid pixels of each window."""

    mapped: Numbers
    """(n, classes): the map has it."""

    trusted: Numbers
    """(n, classes): probability of the class, over views and witnesses, where the map has it."""

    believed: Numbers
    """(n, classes): the same everywhere."""

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Of the windows of all parts."""
        parts = list(parts)
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in cls._names()})

    def of(self, numbers: NDArray[np.intp]) -> Self:
        """Of the windows of these numbers."""
        return type(self)(**{name: getattr(self, name)[numbers] for name in self._names()})

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return tuple(entry.name for entry in fields(cls))

    def promise(self) -> Promise:
        """The IoU of the map with what the probabilities say the ground is."""
        mapped, trusted, believed = (counts.sum(axis=0) for counts in (self.mapped, self.trusted, self.believed))
        unions = mapped + believed - trusted
        iou = np.divide(trusted, unions, out=np.zeros_like(trusted), where=unions > 0)
        return Promise(
            mean_iou=mean_iou(trusted, unions, mapped),
            iou=tuple(iou.tolist()),
            shares=tuple((mapped / max(mapped.sum(), 1.0)).tolist()),
        )


def sight(model: Witness, sample: WindowSample, witnesses: Sequence[Witness] = ()) -> tuple[Sighting, Tensor]:
    """Look at windows and at three views of them, and ask witnesses; memory follows eight windows.

    Args:
        model: a network and what it sees; it makes the map.
        sample: windows, at least one.
        witnesses: of the same ground, as `witnesses_of` gives them.

    Returns:
        The sums, and the map (n, side, side) uint8 as class indices.
    """
    parts = [
        sample.part(np.arange(first, min(first + _AT_ONCE, len(sample)))) for first in range(0, len(sample), _AT_ONCE)
    ]
    found = [_sight(model, part, witnesses) for part in parts]
    return Sighting.joined(part for part, _ in found), torch.cat([chosen for _, chosen in found])


def believed_by(model: Witness, sample: WindowSample, witnesses: Sequence[Witness] = ()) -> tuple[Tensor, Tensor]:
    """What a model, views and witnesses say of at most eight windows; its network sees the windows themselves last.

    Returns:
        Probabilities (n, classes, side, side), and the map (n, side, side) of the model alone.
    """
    images = model.images(sample)
    views, times = torch.zeros(1), torch.ones(images.shape[-2:])
    for view in _VIEWS:
        kept = view.kept(images.shape[-1])
        views = views + view.undone(model.forward.probabilities(view.images(images))) * kept
        times = times + kept
    own = model.forward.probabilities(images)
    said = [witness.probabilities(sample) for witness in witnesses]
    return heard((own + views) / times, said), own.argmax(dim=1)


def _sight(model: Witness, sample: WindowSample, witnesses: Sequence[Witness]) -> tuple[Sighting, Tensor]:
    probabilities, chosen = believed_by(model, sample, witnesses)
    usable = torch.from_numpy(sample.valid)[:, None]
    own = torch.zeros_like(probabilities).scatter_(1, chosen[:, None], 1.0) * usable
    mapped, trusted, believed = (_pixels(part) for part in (own, own * probabilities, probabilities * usable))
    return Sighting(mapped=mapped, trusted=trusted, believed=believed), chosen.to(torch.uint8)


def _pixels(maps: Tensor) -> Numbers:
    """Sums over the pixels of maps (..., side, side)."""
    return np.asarray(maps.sum(dim=(-2, -1), dtype=torch.float64).numpy())
