"""Pictures of a comparison as PNG. Draws numbers, computes none."""

from __future__ import annotations

import io

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from geoseg.evaluation.reliability import BINS, Reliability
from geoseg.evaluation.scores import Evaluation

_MOST_LABELLED = 20  # classes whose cells have room for a number
_DARK = 0.6
_GREEN, _GREY = "#1b7837", "#7f7f7f"


@rc_context({"text.parse_math": False})  # a dollar in the name of a class begins no formula
def confusion_png(evaluation: Evaluation) -> bytes:
    """The confusion matrix: what each class of the reference was mapped as, per cent of its pixels."""
    counts, names = evaluation.confusion.counts, evaluation.class_names
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    side = 2.2 + 0.55 * min(len(names), 2 * _MOST_LABELLED)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Greens", vmin=0, vmax=1)
    axes.set(xlabel="mapped as", ylabel="reference")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    if len(names) <= _MOST_LABELLED:
        for row, col in np.argwhere(counts).tolist():
            tint = "white" if shares[row, col] > _DARK else "black"
            axes.text(col, row, f"{100 * shares[row, col]:.1f}", ha="center", va="center", color=tint, fontsize=8)
    axes.set_title("per cent of each class of the reference", fontsize=9)
    return _png(figure)


def reliability_png(reliability: Reliability) -> bytes:
    """Accuracy over confidence, above how many pixels have that confidence."""
    figure = Figure(figsize=(5, 5.5), layout="constrained")
    curve, amount = figure.subplots(2, height_ratios=(4, 1), sharex=True)
    known = reliability.pixels > 0
    curve.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle="--", label="what it should be")
    curve.plot(
        reliability.confidence[known], reliability.accuracy[known], color=_GREEN, marker="o", markersize=4, label="map"
    )
    curve.set(ylabel="share of pixels that are right", ylim=(0, 1), xlim=(0, 1))
    curve.set_title(f"expected calibration error {reliability.error:.3f}", fontsize=9)
    curve.legend(frameon=False)
    middles = (np.arange(BINS) + 0.5) / BINS
    amount.bar(middles, reliability.pixels / reliability.pixels.sum().clip(min=1), width=0.9 / BINS, color=_GREEN)
    amount.set(xlabel="confidence", ylabel="pixels")
    amount.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
