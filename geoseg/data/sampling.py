"""Which windows to learn from: random ones, rare classes more often.

A draw is a function of (seed, iteration, slot).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.data.chips import Chip, resize_chip
from geoseg.data.labelled_scene import LabelledScene
from geoseg.errors import LabelError
from geoseg.window import Window

_CELL = 64
_STRIP = 512
_TRIES = 10
_LEAST_VALID = 0.5
_RAREST = 0.01  # a class of which there is next to nothing is not drawn more often than one of this share


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Ground that may be sampled."""

    scene: LabelledScene
    """Where it lies."""

    window: Window
    """In scene pixels."""

    scale: float
    """Factor from the scene's numbers to about 0 to 1."""

    offset: float = 0.0
    """Added after that."""

    weight: float = 1.0
    """How often it is drawn from, per square metre, compared with other regions."""

    gsd: float | None = None
    """Ground sampling distance of the scene, metres per pixel; None takes that of the chips."""

    layout: tuple[int | None, ...] | None = None
    """For each band of a chip, where it lies among the scene's bands, None where the scene lacks it; None for all."""

    source: str = ""
    """Where it comes from, for scores of each source."""

    legend: tuple[int, ...] = ()
    """Codes that its labels may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingPlan:
    """How chips are drawn."""

    chip: int
    """Side of a chip, px."""

    gsd: float
    """Ground sampling distance of a chip, metres per pixel."""

    gsd_jitter: tuple[float, float]
    """Least and largest factor on the GSD; (1, 1) for none."""

    class_balance: float
    """Share of the chips that are drawn for a class, rarer classes more often; the rest by valid area."""

    seed: int
    """Of all draws."""


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Squares of all regions with the pixels of each class in them."""

    regions: NDArray[np.intp]  # (cells,)
    corners: NDArray[np.int64]  # (cells, 2): row and column
    counts: NDArray[np.int64]  # (cells, codes), pixels


class ChipSampler:
    """Draws chips from regions; keeps nothing from draw to draw, so training resumes at any iteration."""

    def __init__(self, regions: Sequence[Region], plan: SamplingPlan, *, codes: int) -> None:
        """Count the labels in all regions, which reads them once.

        Args:
            regions: where to draw.
            plan: how.
            codes: how many label codes there are.

        Raises:
            LabelError: if no pixel of any region has a known class.
        """
        self._regions = tuple(regions)
        self._plan = plan
        self._cells = _count_cells(self._regions, codes)
        counts = self._cells.counts
        if counts.sum() == 0:
            raise LabelError("no pixel to learn from has a known class: check label_map and nodata of the labels")
        areas = [region.weight * (region.gsd or plan.gsd) ** 2 for region in self._regions]
        weights = np.array(areas)[self._cells.regions]
        weighted = counts * weights[:, None]
        share = weighted.sum(axis=0) / weighted.sum()
        self._by_area = _cumulative(weighted.sum(axis=1))
        self._classes = np.flatnonzero(share)
        self._by_class = {int(index): _cumulative(weighted[:, index]) for index in self._classes}
        self._class_steps = _cumulative(share[self._classes].clip(min=_RAREST) ** -0.5)

    @property
    def code_counts(self) -> NDArray[np.int64]:
        """(codes,) pixels of each label code in all regions."""
        return np.asarray(self._cells.counts.sum(axis=0))

    @property
    def region_counts(self) -> NDArray[np.int64]:
        """(regions, codes) pixels of each label code in each region."""
        counts = np.zeros((len(self._regions), self._cells.counts.shape[1]), dtype=np.int64)
        np.add.at(counts, self._cells.regions, self._cells.counts)
        return counts

    def draw(self, iteration: int, slot: int) -> Chip:
        """The chip of one place in the batch of one iteration: `chip` x `chip` px, float32, scaled.

        Windows that are more than half nodata are drawn again, up to 10 times.
        """
        plan = self._plan
        rng = np.random.default_rng((plan.seed, iteration, slot))
        for _ in range(_TRIES):
            region, window = self._draw_window(rng)
            chip = region.scene.read(window, within=region.window)
            if chip.valid_share >= _LEAST_VALID:
                break
        return scaled_chip(chip, plan.chip, region)

    def _draw_window(self, rng: np.random.Generator) -> tuple[Region, Window]:
        plan, cells = self._plan, self._cells
        steps = self._by_area
        if rng.random() < plan.class_balance:
            steps = self._by_class[int(self._classes[_pick(self._class_steps, rng)])]
        cell = _pick(steps, rng)
        region = self._regions[cells.regions[cell]]
        zoom = float(np.exp(rng.uniform(*np.log(plan.gsd_jitter))))
        side = max(1, round(plan.chip * zoom * plan.gsd / (region.gsd or plan.gsd)))
        row, col = (int(corner + rng.integers(_CELL) - rng.integers(side)) for corner in cells.corners[cell].tolist())
        row = _nearest_inside(row, side, region.window.row, region.window.bottom)
        col = _nearest_inside(col, side, region.window.col, region.window.right)
        return region, Window(row=row, col=col, height=side, width=side)


def scaled_chip(chip: Chip, size: int, region: Region) -> Chip:
    """A chip of `size` x `size` px, float32, its numbers times the region's scale plus its offset.

    Where nothing is valid it holds the mean of the valid pixels, so that a blur brings no nodata numbers to them; a
    band that the scene lacks is NaN.
    """
    resized = resize_chip(chip, size)
    image = resized.image.astype(np.float32) * np.float32(region.scale) + np.float32(region.offset)
    if not resized.valid.all():
        seen = image[:, resized.valid]
        fill = seen.mean(axis=1) if seen.size else np.zeros(len(image), dtype=np.float32)
        image = np.where(resized.valid, image, fill[:, None, None])
    if region.layout is not None:
        absent = np.full(image.shape[1:], np.nan, dtype=np.float32)
        image = np.stack([absent if place is None else image[place] for place in region.layout])
    return Chip(image=image, labels=resized.labels, valid=resized.valid)


def _nearest_inside(start: int, side: int, low: int, high: int) -> int:
    """Where a window of `side` px starts so that it stays in, or covers, the pixels from `low` to `high`."""
    first, last = sorted((low, high - side))
    return min(max(start, first), last)


def _cumulative(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    steps = np.cumsum(weights, dtype=np.float64)
    return np.asarray(steps / steps[-1])


def _pick(steps: NDArray[np.float64], rng: np.random.Generator) -> int:
    return int(np.searchsorted(steps, rng.random(), side="right"))


def _count_cells(regions: Sequence[Region], codes: int) -> _Cells:
    owners: list[int] = []
    corners: list[tuple[int, int]] = []
    counts: list[NDArray[np.int64]] = []
    for owner, region in enumerate(regions):
        window = region.window
        for top in range(window.row, window.bottom, _STRIP):
            for left in range(window.col, window.right, _STRIP):
                strip = Window.between(top, min(top + _STRIP, window.bottom), left, min(left + _STRIP, window.right))
                labels = region.scene.read(strip).labels
                for row in range(0, strip.height, _CELL):
                    for col in range(0, strip.width, _CELL):
                        cell = labels[row : row + _CELL, col : col + _CELL]
                        count = np.bincount(cell[cell < codes], minlength=codes)
                        if count.any():
                            owners.append(owner)
                            corners.append((top + row, left + col))
                            counts.append(count)
    return _Cells(
        regions=np.array(owners, dtype=np.intp),
        corners=np.array(corners, dtype=np.int64).reshape(-1, 2),
        counts=np.array(counts, dtype=np.int64).reshape(-1, codes),
    )
