"""Measures what the edges of a tile change in the output of a network, by running it. Changes nothing of it.

The radius is found by pixels that are not numbers (NaN): whatever sees one of them becomes one too. It is believed
only where a tile cut out of a strip then gives the numbers of the strip, so a network whose output depends on the size
of the image or on the place in it has none.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from geoseg.models.calibration import Calibration
from geoseg.models.context import BIN, Context
from geoseg.models.noise import smooth_noise
from geoseg.models.probing import REFUSALS, evaluating, find_divisor
from geoseg.models.spec import NetworkSpec

_LATTICE = 32  # px; tiles begin at multiples of it
_HEIGHT = 128
_LENGTHS = (1024, 4096)
"""Of the strips that are tried, px. A network that sees all of the longest sees everything."""

_SAME = 1e-4
"""Of the range of the logits: rounding differs between images of different sizes by a hundredth of that."""

_AXES = (3, 2)
"""Of a tensor of images, along which strips are long."""

_IMAGES = 3
_SEED = 21
_WIDE = 512
"""Tiles up to this side are measured with half a tile of context around them, larger ones with a quarter."""


def measure_context(
    network: nn.Module, spec: NetworkSpec, *, tile: int, calibration: Calibration | None = None
) -> Context | None:
    """Find out how far the edges of a tile reach into what a network says of it.

    Takes about as long as mapping a scene of 16 tiles.

    Args:
        network: as built from `spec`; neither its weights nor its mode change.
        spec: how it was built.
        tile: side of the square that it sees at prediction, px.
        calibration: of its logits; classes may differ by it.

    Returns:
        None where the network takes no image larger than its tile. One that takes no strips has no known radius.
    """
    with evaluating(network):
        divisor = find_divisor(network, spec, tile=tile)
        if divisor is None:
            return None
        filled = (calibration or Calibration()).filled(spec.classes)
        probe = _Probe(network, spec.bands, step=math.lcm(divisor, _LATTICE), calibration=filled)
        try:
            labels, probabilities = probe.curves(tile)
        except REFUSALS:
            return None
        return Context(radius=probe.radius(), divisor=divisor, tile=tile, labels=labels, probabilities=probabilities)


class _Probe:
    """A network that is tried on images whose sides are multiples of a step."""

    def __init__(self, network: nn.Module, bands: int, *, step: int, calibration: Calibration) -> None:
        self._network, self._bands, self._step, self._calibration = network, bands, step, calibration
        self._weights = next(network.parameters())

    def radius(self) -> int | None:
        """See `Context.radius`."""
        try:
            reaches = (self._reach_within(self._multiple(length // 2)) for length in _LENGTHS)
            reach = next((reach for reach in reaches if reach is not None), None)
            if reach is None or not all(self._is_same(reach, axis=axis) for axis in _AXES):
                return None
        except REFUSALS:
            return None
        return reach

    def _reach_within(self, half: int) -> int | None:
        """How far pixels see in any direction; None where it is `half` or farther."""
        farthest = 0
        for axis, after in itertools.product(_AXES, (True, False)):
            farthest = max(farthest, self._reach(half, axis=axis, after=after))
            if farthest >= half:
                return None
        return farthest

    def curves(self, tile: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Shares of labels and of probability that differ, by distance from the nearest edge of a tile."""
        around = -(-tile // (2 if tile <= _WIDE else 4) // _LATTICE) * _LATTICE
        inside = slice(around, around + tile)
        place = torch.arange(tile)
        nearest = torch.minimum(place, tile - 1 - place)
        where = torch.minimum(nearest[:, None], nearest).flatten() // BIN
        labels = probabilities = torch.zeros(int(where.max()) + 1, dtype=torch.float64)
        side = self._multiple(tile + 2 * around)
        for image in torch.split(self._noise(_IMAGES, side, side), 1):
            whole = self._classes(image)[:, inside, inside]
            part = self._classes(image[..., inside, inside])
            differ = whole.argmax(dim=0) != part.argmax(dim=0)
            labels = labels + torch.bincount(where, differ.flatten().double())
            probabilities = probabilities + torch.bincount(
                where, (whole - part).abs().sum(dim=0).flatten().double() / 2
            )
        pixels = _IMAGES * torch.bincount(where)
        return _rounded(labels / pixels), _rounded(probabilities / pixels)

    def _reach(self, half: int, *, axis: int, after: bool) -> int:
        """How far from a line pixels see what lies beyond it; `half` where they see it from everywhere."""
        strip = self._strip(2 * half, axis)
        strip.narrow(axis, half if after else 0, half).fill_(torch.nan)
        others = (0, 1, 5 - axis)
        seen = torch.isnan(self._logits(strip)).any(dim=others)
        places = torch.nonzero(seen[:half].flip(0) if after else seen[half:])
        return int(places.max()) + 1 if len(places) else 0

    def _is_same(self, reach: int, *, axis: int) -> bool:
        """True where a tile out of a strip has the strip's logits farther than `reach` from its ends."""
        around = (reach // (2 * _LATTICE) * 2 + 1) * _LATTICE  # odd, so that no coarser divisor goes unnoticed
        length = self._multiple(2 * reach + _HEIGHT)
        strip = self._strip(self._multiple(length + 2 * around), axis)
        kept = length - 2 * reach
        whole = self._logits(strip).narrow(axis, around + reach, kept)
        part = self._logits(strip.narrow(axis, around, length)).narrow(axis, reach, kept)
        return bool((whole - part).abs().max() <= _SAME * (whole.max() - whole.min()))

    def _strip(self, length: int, axis: int) -> Tensor:
        height = self._multiple(_HEIGHT)
        return self._noise(1, *((height, length) if axis == _AXES[0] else (length, height)))

    def _noise(self, count: int, height: int, width: int) -> Tensor:
        return smooth_noise((count, self._bands, height, width), seed=_SEED).to(self._weights)

    def _multiple(self, pixels: int) -> int:
        return -(-pixels // self._step) * self._step

    def _logits(self, images: Tensor) -> Tensor:
        found: Tensor = self._network(images.contiguous())
        return found

    def _classes(self, image: Tensor) -> Tensor:
        """Calibrated probabilities of one image, (classes, height, width)."""
        said = self._calibration
        factor, bias = (torch.tensor(numbers).to(self._weights)[:, None, None] for numbers in (said.scale, said.bias))
        return torch.softmax((self._logits(image)[0] * factor + bias).float() / said.temperature, dim=0).cpu()


def _rounded(shares: Tensor) -> tuple[float, ...]:
    return tuple(round(float(share), 5) for share in shares)
