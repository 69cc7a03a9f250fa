"""The course of a run from its metrics: a table and a figure. Knows no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Records = Sequence[Mapping[str, object]]

_COLUMNS = ("iteration", "seconds", "loss", "learning_rate", "waiting", "val_mean_iou")
_MOST_SOURCES = 10  # as many colours as can be told apart


def metrics_table(records: Records) -> list[list[object]]:
    """One row for each logged step, after the names of the columns; the last ones are mean IoU by source.

    Args:
        records: lines of metrics.jsonl; those of one iteration share a row.
    """
    rows: dict[int, dict[str, object]] = {}
    for record in records:
        rows.setdefault(cast("int", record["iteration"]), {}).update(record)
    sources = sorted({name for row in rows.values() for name in _by_source(row)})
    table: list[list[object]] = [[*_COLUMNS, *(f"val_mean_iou {name}" for name in sources)]]
    for _, row in sorted(rows.items()):
        scores = _by_source(row)
        table.append([*(row.get(name) for name in _COLUMNS), *(scores.get(name) for name in sources)])
    return table


@rc_context({"text.parse_math": False})  # a dollar in the name of a class begins no formula
def draw_curves(records: Records) -> Figure:
    """Loss, learning rate and validation mean IoU by iteration, the last also by source."""
    figure = Figure(figsize=(7, 7), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    top.plot(*_series(records, "loss"), color="#4d4d4d", linewidth=0.9)
    top.set(ylabel="training loss")
    right = top.twinx()
    right.plot(*_series(records, "learning_rate"), color="#b35806", linewidth=0.9, linestyle="--")
    right.set_ylabel("learning rate", color="#b35806")
    right.tick_params(axis="y", colors="#b35806")
    _draw_scores(bottom, records)
    bottom.set(xlabel="iteration", ylabel="validation mean IoU", ylim=(0, 1))
    bottom.grid(axis="y", color="#e0e0e0", linewidth=0.6)
    return figure


def _draw_scores(axes: Axes, records: Records) -> None:
    sources = sorted({name for record in records for name in _by_source(record)})
    axes.plot(*_series(records, "val_mean_iou"), color="black", marker="o", markersize=3, label="mean")
    for number, name in enumerate(sources[:_MOST_SOURCES]):
        scored = [{"iteration": record["iteration"], **_by_source(record)} for record in records]
        axes.plot(*_series(scored, name), color=f"C{number}", linewidth=0.9, marker=".", label=name)
    if sources:
        axes.legend(loc="lower right", fontsize="small", ncols=2)


def _by_source(record: Mapping[str, object]) -> dict[str, object]:
    """Mean IoU of each source in a record, where there are several."""
    scores = record.get("val")
    sources = scores.get("sources") if isinstance(scores, Mapping) else None
    return {name: part["mean_iou"] for name, part in sources.items()} if isinstance(sources, Mapping) else {}


def _series(records: Records, key: str) -> tuple[list[float], list[float]]:
    found = [(record["iteration"], record[key]) for record in records if record.get(key) is not None]
    return [float(cast("int", at)) for at, _ in found], [float(cast("float", value)) for _, value in found]
