"""Whether labels lie where the image shows them, by its edges and theirs. Warns, and moves nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from geoseg.data.chips import IGNORED
from geoseg.data.labelled_scene import LabelledScene
from geoseg.data.sampling import Region
from geoseg.errors import LabelError
from geoseg.window import Window

log = logging.getLogger(__name__)

_Floats = NDArray[np.float32]

_MOST_PX = 16
_SIDE = 512
_WINDOWS = 20  # with class boundaries, of each scene
_READ = 40  # windows at most, to find those
_SCENES = 8

_SMOOTHING_PX = 1.0
_NEAR_NODATA_PX = 4
_CONTRAST = 3.0  # standard deviations, beyond which an edge counts no more

_LEAST_BOUNDARY_PX = 400
_LEAST_PX = 3  # smaller shifts are how people draw
_LEAST_SCORE = 5.5
_LEAST_GAIN = 2.0  # of the score, over no shift
_PEAK_PX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How far labels lie from where the image has the same edges."""

    rows: int
    """Pixels that the labels lie too far down."""

    cols: int
    """Pixels that the labels lie too far right."""

    score: float
    """How much better the edges agree where the labels would lie then than elsewhere, in standard deviations."""


def estimate_shift(
    image: NDArray[np.generic], labels: NDArray[np.uint8], valid: NDArray[np.bool_], *, most: int = _MOST_PX
) -> Shift | None:
    """Estimate how far labels are shifted against an image.

    The strength of the image's edges along the boundaries of the classes is compared over all shifts. A shift is told
    only if it stands out from the others, beats no shift clearly and is at least 3 px.

    Args:
        image: (bands, height, width), any numbers.
        labels: (height, width), any codes; 255 where unknown.
        valid: (height, width), True where the image can be used.
        most: the largest shift looked for in each direction, px.

    Returns:
        The shift; None where the labels seem to lie right, or it cannot be told.
    """
    evidence = _Evidence(most)
    evidence.add(image, labels, valid)
    return evidence.shift()


def check_alignment(region: Region, *, most: int = _MOST_PX) -> Shift | None:
    """Estimate how far the labels of a region are shifted, by up to 20 windows of it.

    Args:
        region: ground with labels.
        most: the largest shift looked for in each direction, px.

    Returns:
        As `estimate_shift`.

    Raises:
        GeosegError: if the scene or its labels cannot be read.
    """
    evidence = _Evidence(most)
    for window in _some_windows(region.window):
        chip = region.scene.read(window)
        evidence.add(chip.image, chip.labels, chip.valid)
        if evidence.windows == _WINDOWS:
            break
    return evidence.shift()


def warn_of_shifts(regions: Sequence[Region], *, most_scenes: int = _SCENES) -> Mapping[str, Shift]:
    """Check some scenes, the largest of each source first, and log one line for each whose labels seem shifted.

    Args:
        regions: ground with labels.
        most_scenes: how many scenes to check at most.

    Returns:
        The shifts that were found, by the name of the scene.

    Raises:
        GeosegError: if a scene or its labels cannot be read.
    """
    found: dict[str, Shift] = {}
    for region in _largest_of_each(regions)[:most_scenes]:
        shift = check_alignment(region)
        if shift is not None:
            found[region.scene.name] = shift
            log.warning("%s: %s", region.scene.name, shift_text(shift, region.gsd or region.scene.georef.gsd))
    return found


def shift_text(shift: Shift, gsd: float | None) -> str:
    """One line for people on a shift, with metres where the GSD is known, and what to do."""
    parts = [
        (abs(pixels), names[pixels > 0])
        for pixels, names in ((shift.rows, ("up", "down")), (shift.cols, ("left", "right")))
        if pixels
    ]
    where = " and ".join(f"{pixels} px {name}" for pixels, name in parts)
    metres = "" if gsd is None else f" ({', '.join(f'{pixels * gsd:.3g} m' for pixels, _ in parts)})"
    return (
        f"labels seem shifted by {where}{metres} against the image: check the georeference of both, or move the labels"
    )


class _Evidence:
    """Sums over windows: the strength of edges along the boundaries, at every shift."""

    def __init__(self, most: int) -> None:
        if most <= _PEAK_PX:
            raise LabelError(
                f"shifts of at most {most} px leave nothing to compare with: look for more than {_PEAK_PX}"
            )
        self._most = most
        side = 2 * most + 1
        self._strength = np.zeros((side, side), dtype=np.float64)
        self._pixels = np.zeros((side, side), dtype=np.float64)
        self.windows = 0

    def add(self, image: NDArray[np.generic], labels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> None:
        """Add a window, if it has a boundary."""
        boundary = _boundaries(labels)
        if not boundary.any():
            return
        edges, usable = _edges(image, valid, reach=self._most)
        strength, pixels = _at_every_shift(boundary, (edges, usable), self._most)
        self._strength += strength
        self._pixels += pixels
        self.windows += 1

    def shift(self) -> Shift | None:
        """What the sums say."""
        most = self._most
        if self._pixels.min() < _LEAST_BOUNDARY_PX:
            return None
        mean = self._strength / self._pixels
        row, col = np.unravel_index(int(mean.argmax()), mean.shape)
        rows, cols = int(row) - most, int(col) - most
        away = np.hypot(*(np.indices(mean.shape) - np.array([row, col])[:, None, None])) > _PEAK_PX
        others = mean[away]
        score, unmoved = ((value - others.mean()) / (others.std() + 1e-12) for value in (mean.max(), mean[most, most]))
        at_the_end = max(abs(rows), abs(cols)) == most
        if at_the_end or np.hypot(rows, cols) < _LEAST_PX or score < _LEAST_SCORE or score - unmoved < _LEAST_GAIN:
            return None
        return Shift(rows=-rows, cols=-cols, score=float(score))


def _at_every_shift(boundary: _Floats, layers: Sequence[_Floats], most: int) -> list[NDArray[np.float64]]:
    """For each layer its sum over the boundary moved by -most to most rows (down) and columns (right)."""
    size = [fft.next_fast_len(length + most, real=True) for length in boundary.shape]
    pattern = np.conj(fft.rfft2(boundary, size))
    shifts = np.arange(-most, most + 1)
    sums = (fft.irfft2(pattern * fft.rfft2(layer, size), size) for layer in layers)
    return [np.asarray(each[np.ix_(shifts, shifts)], dtype=np.float64) for each in sums]


def _boundaries(labels: NDArray[np.uint8]) -> _Floats:
    """1 on both sides of a change from one known class to another, else 0."""
    boundary = np.zeros(labels.shape, dtype=np.bool_)
    for before, after in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        one, other = labels[before], labels[after]
        changes = (one != other) & (one != IGNORED) & (other != IGNORED)
        boundary[before] |= changes
        boundary[after] |= changes
    return boundary.astype(np.float32)


def _edges(image: NDArray[np.generic], valid: NDArray[np.bool_], *, reach: int) -> tuple[_Floats, _Floats]:
    """How much steeper the image is at each pixel than around it, and 1 where that can be told, else 0.

    Steepness is that of each band, smoothed a little, less its mean and over its spread within `reach`; the mean over
    the bands. Numbers that are not finite are not valid.
    """
    finite = valid & np.isfinite(image).all(axis=0)
    usable = ndimage.binary_erosion(finite, iterations=_NEAR_NODATA_PX, border_value=1).astype(np.float32)
    side = 2 * reach + 1
    seen = np.maximum(ndimage.uniform_filter(usable, side), 1 / side**2)
    edges = np.zeros(valid.shape, dtype=np.float32)
    for band in image:
        filled = np.where(finite, band, band[finite].mean() if finite.any() else 0).astype(np.float32)
        steepness = ndimage.gaussian_gradient_magnitude(filled, _SMOOTHING_PX) * usable
        mean = ndimage.uniform_filter(steepness, side) / seen
        variance = ndimage.uniform_filter(steepness**2, side) / seen - mean**2
        spread = np.sqrt(variance.clip(min=0)) + 1e-3 * mean + 1e-9
        edges += np.clip((steepness - mean) / spread, -_CONTRAST, _CONTRAST)
    return (edges * usable / len(image)).astype(np.float32), usable


def _some_windows(region: Window) -> Iterator[Window]:
    """Up to 40 squares of the storage lattice with pixels of a region, in an order that jumps about."""
    rows = range(region.row // _SIDE * _SIDE, region.bottom, _SIDE)
    cols = range(region.col // _SIDE * _SIDE, region.right, _SIDE)
    order = np.random.default_rng(0).permutation(len(rows) * len(cols))[:_READ]
    for place in order.tolist():
        row, col = divmod(place, len(cols))
        square = Window(row=rows[row], col=cols[col], height=_SIDE, width=_SIDE)
        inside = square.intersect(region)
        if inside is not None:
            yield inside


def _largest_of_each(regions: Sequence[Region]) -> list[Region]:
    """One region of each scene: the largest of every source, then the second of every source, and so on."""
    sources: dict[str, dict[LabelledScene, Region]] = {}
    for region in sorted(regions, key=lambda each: -each.window.height * each.window.width):
        sources.setdefault(region.source, {}).setdefault(region.scene, region)
    ranked = [(rank, region) for scenes in sources.values() for rank, region in enumerate(scenes.values())]
    return [region for _, region in sorted(ranked, key=lambda each: each[0])]
