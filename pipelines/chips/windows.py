"""Which windows of a scene become chips. Reads no pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from geoseg.errors import ConfigError
from geoseg.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipPlan:
    """How chips lie."""

    size: int = 512
    """Side, px of the scene."""

    overlap: int = 0
    """Pixels that neighbours share."""

    least_labelled: float = 0.0
    """Share of pixels with a label below which a chip is left out; one without any always is."""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"--size {self.size}: give at least 1 px")
        if not 0 <= self.overlap < self.size:
            raise ConfigError(f"--overlap {self.overlap}: give 0 to {self.size - 1} px, less than --size")
        if not 0 <= self.least_labelled <= 1:
            raise ConfigError(f"--least-labelled {self.least_labelled:g}: give a share from 0 to 1")

    def windows(self, part: Window) -> Iterator[Window]:
        """Windows that cover a part of a scene and do not leave it, row by row.

        The last of a row or column ends where the part does and so shares more with its neighbour. They are smaller
        than the size only where the part is.
        """
        for row, bottom in self._spans(part.row, part.bottom):
            for col, right in self._spans(part.col, part.right):
                yield Window.between(row, bottom, col, right)

    def _spans(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        start = low
        while start + self.size < high:
            yield start, start + self.size
            start += self.size - self.overlap
        yield max(low, high - self.size), high
