"""Measures the validation ground of a run, as the network sees it, for comparison with later scenes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Self

import numpy as np
from numpy.typing import NDArray

from geoseg.config.train import TrainSettings
from geoseg.data.chips import IGNORED, Chip
from geoseg.data.sampling import Region, scaled_chip
from geoseg.models.reference import ReferenceStatistics
from geoseg.raster.normalize import Normalizer
from geoseg.shift.forward import Forward
from geoseg.shift.reference import measure_reference
from geoseg.shift.windows import Place, WindowSample
from geoseg.training.scoring import by_source
from geoseg.window import Window

_MOST_CHIPS = 64
_FEWEST_CHIPS = 4
_MOST_SIDE = 256  # px
_SHARE = 0.25  # of the passes of training
_PASSES_OF_A_STEP = 3  # forward, and backward at twice the cost
_PASSES_OF_A_CHIP = 100  # of the fit of the accuracy
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePlan:
    """Which chips statistics are taken of."""

    side: int
    """Of a chip, px."""

    gsd: float
    """Of a chip, metres per pixel."""

    most: int = _MOST_CHIPS
    """How many at most, but one of each source."""

    @classmethod
    def of(cls, settings: TrainSettings) -> Self:
        """For the ground of some settings: 64 chips of at most 256 px."""
        return cls(side=min(_MOST_SIDE, settings.tile), gsd=settings.gsd)

    def within(self, settings: TrainSettings) -> Self | None:
        """The same with fewer chips, so that it takes about a quarter of the time of a training, no more.

        Returns:
            None for a trial run, which learns from less than about 130 chips.
        """
        learnt = settings.iterations * settings.batch_size * settings.accumulate * (settings.chip / self.side) ** 2
        affordable = int(_SHARE * learnt * _PASSES_OF_A_STEP / _PASSES_OF_A_CHIP)
        return replace(self, most=min(max(affordable, _FEWEST_CHIPS), self.most)) if affordable else None


def measure_ground(
    forward: Forward,
    normalizer: Normalizer,
    regions: Sequence[Region],
    members: NDArray[np.bool_],
    plan: ReferencePlan,
) -> ReferenceStatistics | None:
    """The reference statistics of a network on some labelled ground; None where no label rules out a class.

    Args:
        forward: the network and the way it is run.
        normalizer: of the network.
        regions: the ground; at least one usable pixel has a label.
        members: (codes, classes), True where a class is one of a code's.
        plan: which chips to take.

    Raises:
        GeosegError: if a scene cannot be read.
    """
    sample, labels = reference_chips(regions, plan)
    if not np.isin(labels, np.flatnonzero(~members.all(axis=1))).any():
        return None
    return measure_reference(forward, normalizer, sample, labels, members)


def reference_chips(regions: Sequence[Region], plan: ReferencePlan) -> tuple[WindowSample, NDArray[np.uint8]]:
    """Chips with labels, as many of each source, spread over its ground; no two show the same ground.

    Returns:
        The chips, and their label codes (n, side, side), 255 where unknown. The same regions give the same chips.
    """
    sources = list(by_source(regions).values())
    waiting = [_spread(part, plan, number * len(regions)) for number, part in enumerate(sources)]
    most = max(plan.most, len(sources))
    found: list[tuple[Place, Chip]] = []
    for turn, candidates in enumerate(waiting):
        found.extend(islice(candidates, (most - len(found)) // (len(waiting) - turn)))
    for candidates in waiting:
        found.extend(islice(candidates, most - len(found)))
    found.sort(key=lambda entry: (entry[0].scene, entry[0].window))
    sample = WindowSample(
        images=np.stack([chip.image.astype(np.float32, copy=False) for _, chip in found]),
        valid=np.stack([chip.valid for _, chip in found]),
        places=tuple(place for place, _ in found),
    )
    return sample, np.stack([np.where(chip.valid, chip.labels, np.uint8(IGNORED)) for _, chip in found])


def _spread(regions: Sequence[Region], plan: ReferencePlan, first: int) -> Iterator[tuple[Place, Chip]]:
    """All chips of a source with labels, in an order whose every beginning is spread over them."""
    places = [(number, place) for number, region in enumerate(regions) for place in _grid(region, plan, first + number)]
    order = np.argsort((np.arange(len(places)) + 0.5) * _GOLDEN % 1, kind="stable")
    for index in order.tolist():
        number, (place, window) = places[index]
        chip = regions[number].scene.read(window, within=regions[number].window)
        if (chip.labels != IGNORED).any():
            yield place, scaled_chip(chip, plan.side, regions[number])


def _grid(region: Region, plan: ReferencePlan, number: int) -> Iterator[tuple[Place, Window]]:
    """Places of a region on the grid of the chips, with their windows in pixels of the scene."""
    step = max(1, round(plan.side * plan.gsd / (region.gsd or plan.gsd)))
    for row, top in enumerate(range(region.window.row, region.window.bottom, step)):
        for col, left in enumerate(range(region.window.col, region.window.right, step)):
            seen = Window(row=row * plan.side, col=col * plan.side, height=plan.side, width=plan.side)
            yield Place(scene=number, window=seen), Window(row=top, col=left, height=step, width=step)
