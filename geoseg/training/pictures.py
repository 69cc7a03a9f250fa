"""Confusion matrices and samples of the best weights as figures. Knows no files."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image
from scipy import special

from geoseg.classes import ClassMap
from geoseg.data.chips import IGNORED
from geoseg.data.confusion import ConfusionMatrix
from geoseg.models.calibration import Calibration
from geoseg.training.judging import SourceKey, View, calibrated
from geoseg.training.scoring import SourceScore

_MOST_SAMPLES = 6
_MOST_CELLS_WITH_TEXT = 12  # classes; more leave no room
_DARK = 0.55
_GREY = (0.75, 0.75, 0.75)
_STRIPES = 12  # across a chip
_CONFIDENCE = "cividis"
_SMALL_DPI = 70
_SMALL_COLOURS = 128

Scores = Sequence[tuple[str, SourceScore]]
"""The ground that was scored, validation or test, and the score of a source there."""


def confusion_table(scores: Scores) -> list[list[object]]:
    """One row for each pair of a reference and a predicted class, after the names of the columns."""
    table: list[list[object]] = [["ground", "source", "reference", "predicted", "pixels", "share_of_reference"]]
    for ground, score in scores:
        shares = _row_shares(score.confusion)
        for row, reference in enumerate(score.names):
            for col, predicted in enumerate(score.names):
                pixels, share = int(score.confusion.counts[row, col]), float(shares[row, col])
                told = None if math.isnan(share) else round(share, 5)
                table.append([ground, score.name, reference, predicted, pixels, told])
    return table


@rc_context({"text.parse_math": False})  # a dollar in the name of a class begins no formula
def draw_confusion(scores: Scores) -> Figure:
    """A panel for each source: share of the pixels of a reference class (row) that were decided as a class (column)."""
    cols = min(2, len(scores)) or 1
    rows = max(1, math.ceil(len(scores) / cols))
    side = max([3.5, *(0.75 * len(score.names) + 1.8 for _, score in scores)])
    figure = Figure(figsize=(side * cols, side * rows), layout="constrained")
    panels = figure.subplots(rows, cols, squeeze=False).ravel()
    for axes, (ground, score) in zip(panels, scores, strict=False):
        axes.set_title(f"{ground}: {score.name}, mean IoU {score.mean_iou:.3f}", fontsize=10)
        _draw_matrix(axes, score.names, score.confusion)
    for axes in panels[len(scores) :]:
        axes.set_axis_off()
    return figure


def _draw_matrix(axes: Axes, names: Sequence[str], confusion: ConfusionMatrix) -> None:
    shares, places = _row_shares(confusion), range(len(names))
    axes.imshow(np.nan_to_num(shares), vmin=0, vmax=1, cmap="Blues")
    axes.set_xticks(places, names, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(places, names, fontsize=8)
    axes.set(xlabel="decided", ylabel="reference")
    if len(names) > _MOST_CELLS_WITH_TEXT:
        return
    for (row, col), pixels in np.ndenumerate(confusion.counts):
        if pixels:
            share = shares[row, col]
            text = f"{_short(int(pixels))}\n{share:.0%}" if not math.isnan(share) else _short(int(pixels))
            colour = "white" if share > _DARK else "black"
            axes.text(col, row, text, ha="center", va="center", fontsize=7, color=colour)


def _row_shares(confusion: ConfusionMatrix) -> NDArray[np.float64]:
    """Counts over the sum of their row; NaN in a row without pixels."""
    totals = confusion.counts.sum(axis=1, keepdims=True)
    shares = np.full(confusion.counts.shape, np.nan)
    return np.asarray(np.divide(confusion.counts, totals, out=shares, where=totals > 0))


def _short(pixels: int) -> str:
    """A count in few characters: 950, 12k, 3.4M."""
    for factor, letter in ((1_000_000, "M"), (1_000, "k")):
        if pixels >= factor:
            number = pixels / factor
            return f"{number:.1f}{letter}" if number < 10 else f"{number:.0f}{letter}"  # noqa: PLR2004 - two digits
    return str(pixels)


class SampleBoard:
    """Keeps the views with the most labels, as many of each source as there is room for."""

    def __init__(self, *, sources: int) -> None:
        """Start empty.

        Args:
            sources: how many will come.
        """
        self._room = max(1, _MOST_SAMPLES // max(1, sources))
        self._kept: dict[SourceKey, list[tuple[tuple[int, int], View]]] = {}

    def see(self, view: View) -> None:
        """As in `Viewer`; a view that is worth no more than the kept ones is let go."""
        known = view.labels[view.labels != IGNORED]
        kept = self._kept.setdefault(view.source, [])
        kept.append(((len(np.unique(known)), len(known)), view))
        kept.sort(key=lambda entry: entry[0], reverse=True)
        del kept[self._room :]

    def views(self) -> tuple[View, ...]:
        """At most six, source by source."""
        return tuple(view for _, kept in sorted(self._kept.items()) for _, view in kept)[:_MOST_SAMPLES]


@rc_context({"text.parse_math": False})  # a dollar in the name of a class begins no formula
def draw_samples(
    views: Sequence[View],
    legend: ClassMap,
    *,
    members: NDArray[np.bool_],
    bands: Sequence[str],
    calibration: Calibration,
) -> Figure:
    """A row for each view: scene, truth, map and confidence.

    Args:
        views: of the best weights.
        legend: classes in the order of the logits.
        members: (codes, classes), True where a class is one of a label's.
        bands: names of the chips' bands.
        calibration: of the logits.
    """
    figure = Figure(figsize=(10.5, 2.4 * max(1, len(views)) + 0.7), layout="constrained")
    panels = figure.subplots(max(1, len(views)), 4, squeeze=False)
    colours = np.array([to_rgb(entry.colour) for entry in legend.classes])
    for axes, title in zip(panels[0], ("scene", "truth", "map", "confidence"), strict=True):
        axes.set_title(title)
    for row, view in zip(panels, views, strict=False):
        shares = special.softmax(calibrated(view.logits, calibration), axis=0)
        valid = view.chip.valid
        row[0].imshow(_picture(view, bands))
        row[1].imshow(_truth(view.labels, colours, members))
        row[2].imshow(np.where(valid[..., None], colours[shares.argmax(axis=0)], 1.0))
        row[3].imshow(np.where(valid, shares.max(axis=0), np.nan), vmin=0, vmax=1, cmap=_CONFIDENCE)
        row[0].set_ylabel(view.source[0], fontsize=8)
    for axes in panels.ravel():
        axes.set(xticks=[], yticks=[])
    figure.colorbar(ScalarMappable(Normalize(0, 1), _CONFIDENCE), ax=panels[:, 3], shrink=0.8)
    handles = list(_legend_entries(legend, colours, members))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)), fontsize=8)
    return figure


def small_png(figure: Figure) -> bytes:
    """A figure as PNG in few pixels and colours, to go with a package."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=_SMALL_DPI, format="png")
    drawn.seek(0)
    Image.open(drawn).convert("RGB").quantize(_SMALL_COLOURS).save(small, format="png", optimize=True)
    return small.getvalue()


def _legend_entries(legend: ClassMap, colours: NDArray[np.float64], members: NDArray[np.bool_]) -> Iterator[Patch]:
    for entry, colour in zip(legend.classes, colours, strict=True):
        yield Patch(facecolor=tuple(colour), edgecolor="grey", linewidth=0.4, label=entry.name)
    if len(members) > len(legend):
        yield Patch(facecolor=_GREY, edgecolor="grey", hatch="///", linewidth=0.4, label="several classes possible")
    yield Patch(facecolor="white", edgecolor="grey", linewidth=0.4, label="unknown")


def _truth(labels: NDArray[np.uint8], colours: NDArray[np.float64], members: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Class colours; a label of several classes is striped in their colours over grey, unknown is white."""
    classes = len(colours)
    known = labels < len(members)
    picture = np.ones((*labels.shape, 3))
    single = labels < classes
    picture[single] = colours[labels[single]]
    height, width = labels.shape
    diagonal = np.add.outer(np.arange(height), np.arange(width)) * _STRIPES // max(width, _STRIPES)
    for code in np.unique(labels[known & ~single]).tolist():
        open_classes = np.flatnonzero(members[code])
        stripe = diagonal % (2 * len(open_classes))
        palette = np.array([shade for index in open_classes for shade in (colours[index], _GREY)])
        here = labels == code
        picture[here] = palette[stripe[here]]
    return picture


def _picture(view: View, bands: Sequence[str]) -> NDArray[np.float64]:
    """(height, width, 3): red, green, blue or else the first bands, each stretched from its 2nd to 98th percentile."""
    names = [name.lower() for name in bands]
    colours = ("red", "green", "blue")
    places = [names.index(name) for name in colours] if set(colours) <= set(names) else list(range(min(3, len(names))))
    if len(places) < len(colours):
        places = [places[0]] * len(colours)
    stretched = np.stack([_stretched(view.chip.image[place], view.chip.valid) for place in places], axis=-1)
    return np.where(view.chip.valid[..., None], stretched, 1.0)


def _stretched(band: NDArray[np.generic], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    values = np.asarray(band, dtype=np.float64)
    seen = values[valid & ~np.isnan(values)]
    if not seen.size:
        return np.full(values.shape, 0.5)
    low, high = np.percentile(seen, (2, 98))
    return np.asarray(np.nan_to_num(np.clip((values - low) / max(high - low, 1e-9), 0, 1), nan=0.5))
