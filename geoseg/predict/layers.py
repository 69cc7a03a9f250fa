"""The raster layers of one block, and what its classes cover."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import ClassMap
from geoseg.georef import GeoRef
from geoseg.inference.decide import Decision
from geoseg.predict.tally import Counts, Tally
from geoseg.predict.work import BlockWork
from geoseg.raster.block_files import EncodedLayer, LayerEncoder
from geoseg.raster.layout import RasterLayout, class_layout, confidence_layout, probabilities_layout
from geoseg.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedBlock:
    """All that is known of a block that was computed; it travels from where that was."""

    window: Window
    """Where it lies."""

    layers: Mapping[str, EncodedLayer]
    """Its pixels: `classes`, `confidence` and, where wanted, `probabilities`."""

    tally: Counts
    """What its classes cover."""

    seen: tuple[Window, ...]
    """The pixels of the scene that it was made from."""

    digest: str
    """Of those pixels."""

    lost: tuple[Window, ...]
    """Those of them that could not be read."""

    work: BlockWork = field(default_factory=BlockWork)
    """What it took; no part of the map."""


class BlockMaker:
    """Takes the decided rows of a block from top to bottom. A context manager."""

    def __init__(self, block: Window, georef: GeoRef, classes: ClassMap, *, planes: int) -> None:
        """Begin a block.

        Args:
            block: where it lies.
            georef: grid of the whole raster.
            classes: the legend.
            planes: classes whose probabilities are kept; 0 = none.
        """
        self._block, self._tally = block, Tally(georef, classes)
        self._open = ExitStack()
        self._encoders = {
            layer: self._open.enter_context(LayerEncoder(block, len(layout.descriptions), layout.predictor))
            for layer, layout in layouts_of(classes, with_probabilities=planes > 0).items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, decision: Decision) -> None:
        """Append rows of the block."""
        self._tally.add(decision)
        self._encoders["classes"].write(decision.class_ids)
        self._encoders["confidence"].write(decision.confidence)
        if decision.probabilities is not None:
            self._encoders["probabilities"].write(decision.probabilities)

    def finish(self, *, seen: tuple[Window, ...], digest: str, lost: tuple[Window, ...]) -> FinishedBlock:
        """The block, when all of its rows came."""
        return FinishedBlock(
            window=self._block,
            layers={layer: encoder.finish() for layer, encoder in self._encoders.items()},
            tally=self._tally.counts(),
            seen=seen,
            digest=digest,
            lost=lost,
        )


def layouts_of(classes: ClassMap, *, with_probabilities: bool) -> dict[str, RasterLayout]:
    """What the raster layers of a map hold, by name."""
    layouts = {"classes": class_layout(classes), "confidence": confidence_layout()}
    return layouts | ({"probabilities": probabilities_layout(classes)} if with_probabilities else {})


def rows_of(decision: Decision, top: int, bottom: int) -> Decision:
    """The rows of a decision from `top` to `bottom`, half-open, in pixels of the raster."""
    window = decision.window
    rows = slice(top - window.row, bottom - window.row)
    return Decision(
        window=Window.between(top, bottom, window.col, window.right),
        class_ids=decision.class_ids[rows],
        confidence=decision.confidence[rows],
        probabilities=_rows(decision.probabilities, rows),
    )


def _rows(planes: NDArray[np.uint8] | None, rows: slice) -> NDArray[np.uint8] | None:
    return None if planes is None else planes[:, rows]
