"""A comparison as one web page that needs nothing else: no script, no other file, no network."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from html import escape

from geoseg.errors import one_line
from geoseg.evaluation.figures import confusion_png, reliability_png
from geoseg.evaluation.pool import POOLED, Comparison
from geoseg.evaluation.scores import Evaluation

_MOST_ZONES = 200
_NUMBER = re.compile(r"-|-?\d[\d.,]*( %)?")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_OVERALL = {
    "pixel_accuracy": "pixel accuracy",
    "mean_pixel_accuracy": "mean pixel accuracy",
    "mean_iou": "mean IoU",
    "mean_iou_of_reference": "mean IoU of the reference's classes",
    "frequency_weighted_iou": "frequency-weighted IoU",
    "kappa": "kappa",
    "mean_boundary_f": "mean boundary F-score",
    "expected_calibration_error": "expected calibration error",
}
_OF_CLASS = {
    "iou": "IoU",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "boundary_f": "boundary F",
    "reference_pixels": "reference px",
    "mapped_pixels": "mapped px",
}
_STYLE = """
:root { color-scheme: light dark; --line: #8886; --faint: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; }
.number { text-align: right; }
tr:hover td { background: var(--faint); }
tr.pooled td { font-weight: 600; }
i.swatch { display: inline-block; width: .9em; height: .9em; margin-right: .5em; vertical-align: -.1em;
  border: 1px solid var(--line); }
img { max-width: 100%; height: auto; background: #fff; }
p.note { opacity: .75; max-width: 48rem; }
"""

_Row = Sequence[str]


def report_html(comparison: Comparison) -> str:
    """The page, as HTML: scores, classes, confusion, calibration and zones of all maps together, and of each."""
    several = len(comparison.scenes) > 1
    title = "Map against reference" if not several else f"{len(comparison.scenes)} maps against their references"
    parts = [f"<h1>{title}</h1>", *_sources(comparison), *_overall(comparison), *_evaluation(comparison.pooled)]
    if several:
        for name, scene in zip(comparison.names, comparison.scenes, strict=True):
            parts += [f"<h2>{_shown(name)}</h2>", _classes(scene)]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _sources(comparison: Comparison) -> Iterator[str]:
    if len(comparison.paths) == 1:
        only = comparison.paths[0]
        yield f"<p>{_shown(str(only.predicted))}<br>against {_shown(str(only.reference))}</p>"


def _overall(comparison: Comparison) -> Iterator[str]:
    several = len(comparison.scenes) > 1
    keys = list(comparison.pooled.overall())
    header = ("scene", "pixels", *(_OVERALL[key] for key in keys))
    rows = [_overall_row(name, scene, keys) for name, scene in zip(comparison.names, comparison.scenes, strict=True)]
    if several:
        rows.append(_overall_row(POOLED, comparison.pooled, keys))
    yield "<h2>Scores</h2>"
    yield _table(header, rows, pooled_last=several)
    if comparison.pooled.unmapped_pixels:
        yield _note(f"{comparison.pooled.unmapped_share:.2%} of the reference is not mapped and counts in no score.")
    boundary = comparison.pooled.boundary
    if boundary is not None:
        yield _note(f"Boundaries agree where they lie at most {boundary.tolerance:.3g} {boundary.unit} apart.")


def _overall_row(name: str, evaluation: Evaluation, keys: Sequence[str]) -> _Row:
    scores = evaluation.overall()
    return _shown(name), f"{evaluation.pixels:,}", *(_score(scores.get(key)) for key in keys)


def _evaluation(evaluation: Evaluation) -> Iterator[str]:
    yield "<h2>Classes</h2>"
    yield _classes(evaluation)
    yield "<h2>Confusion matrix</h2>"
    yield _image(confusion_png(evaluation), "Confusion matrix, per cent of each class of the reference")
    yield _confusion(evaluation)
    if evaluation.reliability is not None:
        yield "<h2>Calibration</h2>"
        yield _note("A map that is right in 80 % of the pixels whose confidence is 80 % lies on the dashed line.")
        yield _image(reliability_png(evaluation.reliability), "Accuracy over confidence")
    if evaluation.zones:
        yield "<h2>Zones, the worst first</h2>"
        yield _zones(evaluation)


def _classes(evaluation: Evaluation) -> str:
    rows = []
    scores = evaluation.by_class()
    keys = [key for key in _OF_CLASS if not scores or key in scores[0]]
    for swatch, scores_of in zip(_swatches(evaluation), scores, strict=True):
        cells = (f"{value:,}" if isinstance(value, int) else _score(value) for value in map(scores_of.get, keys))
        rows.append((swatch + _shown(str(scores_of["name"])), *cells))
    return _table(("class", *(_OF_CLASS[key] for key in keys)), rows)


def _confusion(evaluation: Evaluation) -> str:
    names = [_shown(name) for name in evaluation.class_names]
    swatches = _swatches(evaluation)
    rows = [
        (swatch + name, *(f"{count:,}" for count in counts))
        for swatch, name, counts in zip(swatches, names, evaluation.confusion.counts.tolist(), strict=True)
    ]
    return _table(("reference (rows), pixels mapped as", *names), rows)


def _zones(evaluation: Evaluation) -> str:
    shown = evaluation.zones[:_MOST_ZONES]
    columns = ("pixel_accuracy", "mean_iou", "frequency_weighted_iou", "kappa")
    rows = [
        (_shown(zone.zone.name), f"{zone.confusion.pixels:,}", *(_score(zone.as_json()[key]) for key in columns))
        for zone in shown
    ]
    table = _table(("zone", "pixels", *(_OVERALL[key] for key in columns)), rows)
    left = len(evaluation.zones) - len(shown)
    return table + (_note(f"{left:,} better ones are in zones.csv.") if left else "")


def _swatches(evaluation: Evaluation) -> list[str]:
    colours = evaluation.colours or (None,) * len(evaluation.class_ids)
    return [
        f'<i class="swatch" style="background:{each}"></i>' if each and _COLOUR.fullmatch(each) else ""
        for each in colours
    ]


def _table(header: _Row, rows: Sequence[_Row], *, pooled_last: bool = False) -> str:
    """A table of finished cells; columns of numbers stand flush right."""
    right = [column > 0 and all(_NUMBER.fullmatch(row[column]) for row in rows) for column in range(len(header))]
    number = ' class="number"'
    lines = [
        "".join(f"<th{number if is_right else ''}>{cell}</th>" for cell, is_right in zip(header, right, strict=True))
    ]
    lines += [
        "".join(f"<td{number if is_right else ''}>{cell}</td>" for cell, is_right in zip(row, right, strict=True))
        for row in rows
    ]
    marks = [""] * (len(lines) - 1) + [' class="pooled"' if pooled_last else ""]
    body = "\n".join(f"<tr{mark}>{line}</tr>" for mark, line in zip(marks, lines, strict=True))
    return f'<div class="wide"><table>\n{body}\n</table></div>'


def _image(png: bytes, text: str) -> str:
    return f'<p><img alt="{escape(text)}" src="data:image/png;base64,{base64.b64encode(png).decode()}"></p>'


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _shown(text: str) -> str:
    """Text of a file as HTML that shows all it holds."""
    return escape(one_line(text))


def _score(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-"
