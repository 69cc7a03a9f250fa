"""Shows a network held-out ground and hands what it says to those who score, calibrate or draw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special
from torch import nn

from geoseg.data.chips import IGNORED, Chip
from geoseg.data.label_sets import LabelSets
from geoseg.data.sampling import Region
from geoseg.models.calibration import Calibration
from geoseg.raster.normalize import Normalizer
from geoseg.training.batches import TrainingBatch, region_chips, stack_chips
from geoseg.training.calibrate import (
    Members,
    calibrated_logits,
    expected_calibration_error,
    fit_calibration,
    fit_temperature,
    fit_vector_scaling,
    thin_out,
)
from geoseg.training.loop import predict_logits
from geoseg.training.scoring import SourceCounter, SplitScore, by_source

_MOST_PIXELS = 200_000  # as many tell a calibration to the third digit
_KEPT_NUMBERS = 4

T = TypeVar("T")
SourceKey = tuple[str, tuple[int, ...]]
"""Name of a source and the codes of its labels."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class View:
    """A chip of held-out ground and what a network says of it."""

    source: SourceKey
    """Where it comes from."""

    chip: Chip
    """Scaled, float32."""

    labels: NDArray[np.uint8]
    """(height, width), label code, 255 where unknown or not valid."""

    logits: NDArray[np.float32]
    """(classes, height, width), as the network gives them."""


class Viewer(Protocol):
    """Takes views one by one."""

    def see(self, view: View) -> None:
        """Take a view."""


class Judge:
    """Shows held-out ground to networks."""

    def __init__(self, normalizer: Normalizer, *, side: int, gsd: float, device: torch.device, precision: str) -> None:
        """Say how.

        Args:
            normalizer: of the networks.
            side: of a chip, px.
            gsd: of a chip, metres per pixel.
            device: where networks are.
            precision: of their forward passes.
        """
        self._normalizer = normalizer
        self._side = side
        self._gsd = gsd
        self._device = device
        self._precision = precision

    def show(self, network: nn.Module, regions: Sequence[Region], viewers: Sequence[Viewer]) -> None:
        """Let viewers see all ground of some regions, source by source."""
        for source, members in by_source(regions).items():
            for chip, batch in _read_ahead(self._chips(members)):
                found = predict_logits(network, [batch], device=self._device, precision=self._precision)
                for logits, labels in found:
                    view = View(source=source, chip=chip, labels=labels, logits=logits)
                    for viewer in viewers:
                        viewer.see(view)

    def _chips(self, regions: Sequence[Region]) -> Iterator[tuple[Chip, TrainingBatch]]:
        for chip in region_chips(regions, side=self._side, gsd=self._gsd):
            yield chip, stack_chips([chip], self._normalizer)


class ScoreSheet:
    """Counts what a network decides, each source by its own legend."""

    def __init__(self, sets: LabelSets, calibration: Calibration) -> None:
        """Start without pixels.

        Args:
            sets: what labels may say.
            calibration: of the logits; it may move decisions.
        """
        self._sets = sets
        self._calibration = calibration
        self._counters: dict[SourceKey, SourceCounter] = {}

    def see(self, view: View) -> None:
        """As in `Viewer`."""
        counter = self._counters.setdefault(view.source, SourceCounter(*view.source, self._sets))
        counter.add(calibrated(view.logits, self._calibration).argmax(axis=0), view.labels)

    def score(self) -> SplitScore:
        """Scores of all sources with a known pixel."""
        found = (counter.score() for _, counter in sorted(self._counters.items()))
        return SplitScore(tuple(score for score in found if score.confusion.pixels))


class PixelSample:
    """Keeps some known pixels of all ground, to calibrate by."""

    def __init__(self, members: Members) -> None:
        """Start without pixels.

        Args:
            members: (codes, classes), True where a class is one of a code's.
        """
        self._members = members
        self._logits: list[NDArray[np.floating]] = []
        self._labels: list[NDArray[np.integer]] = []

    def see(self, view: View) -> None:
        """As in `Viewer`."""
        logits, labels = thin_out([(view.logits, view.labels)], ignored=IGNORED)
        if len(labels):
            self._logits.append(logits)
            self._labels.append(labels)

    def calibration(self, method: Literal["temperature", "vector", "best"]) -> Calibration:
        """What makes their labels most likely; labels that leave all classes open say nothing.

        Args:
            method: one temperature, a scale and a bias for each class, or whichever is better on pixels held back.
        """
        logits, labels = self._pixels()
        if method == "temperature":
            return Calibration(temperature=fit_temperature(logits, labels, self._members))
        fit = fit_vector_scaling if method == "vector" else fit_calibration
        return fit(logits, labels, self._members)

    def error(self, calibration: Calibration) -> float:
        """Expected calibration error, 0 to 1; NaN without pixels."""
        logits, labels = self._pixels()
        shares = special.softmax(calibrated_logits(logits, calibration), axis=1)
        chosen = shares.argmax(axis=1)
        return expected_calibration_error(shares.max(axis=1), self._members[labels, chosen])

    def errors(self, calibration: Calibration) -> dict[str, float]:
        """The error without and with a calibration, as plain JSON values."""
        both = {"before": Calibration(), "after": calibration}
        return {when: round(self.error(used), _KEPT_NUMBERS) for when, used in both.items()}

    def _pixels(self) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
        if not self._labels:
            return np.zeros((0, self._members.shape[1])), np.zeros(0, dtype=np.int64)
        logits, labels = np.concatenate(self._logits), np.concatenate(self._labels)
        told = np.flatnonzero(~self._members[labels].all(axis=1))
        kept = told[:: max(1, -(-len(told) // _MOST_PIXELS))]
        return logits[kept], labels[kept]


def calibrated(logits: NDArray[np.float32], calibration: Calibration) -> NDArray[np.float32]:
    """Logits (classes, height, width) as the softmax is to see them."""
    if not calibration.is_vector:
        return np.asarray(logits / np.float32(calibration.temperature))
    filled = calibration.filled(len(logits))
    scale, bias = (np.array(numbers, dtype=np.float32)[:, None, None] for numbers in (filled.scale, filled.bias))
    return np.asarray((logits * scale + bias) / np.float32(filled.temperature))


def _read_ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items, the next one always under way in a thread."""
    iterator = iter(items)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="geoseg-validation") as thread:
        waiting = thread.submit(next, iterator, None)
        while (item := waiting.result()) is not None:
            waiting = thread.submit(next, iterator, None)
            yield item
