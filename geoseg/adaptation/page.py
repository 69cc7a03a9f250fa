"""An adaptation as one web page that needs nothing else: no script, no other file, no network."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from geoseg.errors import OutputError, one_line

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --faint: #8882; --bar: #3a7d5c; --off: #999; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
tr.chosen td { font-weight: 600; background: var(--faint); }
tr.refused td { opacity: .75; }
.bar { display: inline-block; width: 8rem; height: .7em; background: var(--faint); margin-right: .5em; }
.bar i { display: block; height: 100%; background: var(--bar); }
tr.refused .bar i { background: var(--off); }
figure { display: inline-block; margin: 0 .6rem .6rem 0; }
figure img { display: block; max-width: 18rem; height: auto; image-rendering: pixelated; background: #fff; }
figcaption, p.note, small { opacity: .75; }
p.note { max-width: 52rem; }
"""

_OUTCOMES = {
    "adapted": "The model was adapted",
    "kept-source": "The model was kept as it was",
    "unusable": "The scenes are too different for the model",
}
_VERDICTS = {
    "source": "the model as it was",
    "chosen": "chosen",
    "passed": "saw no harm; a steadier one was chosen",
    "refused": "refused",
}
_DISTANCES = {
    "bands": "bands, standard deviations of the reference",
    "layers": "inputs of normalisation layers",
    "layers_matched": "the same once the bands are matched",
    "prior": "shares of the classes, 0 to 1",
    "features": "share of pixels with features far from the reference's",
}

_Cell = tuple[str, bool]  # HTML, whether it is a number
_Row = Sequence[_Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Some images side by side."""

    title: str
    """What they show."""

    images: Mapping[str, bytes]
    """PNG by caption, in order."""


def write_page(file: Path, account: Mapping[str, Any], pictures: Sequence[Picture] = ()) -> None:
    """Write the page of an adaptation; it appears whole or not at all.

    Args:
        file: to write; one of that name is replaced.
        account: as in adaptation.json (see `AdaptResult.as_json`).
        pictures: of scenes and their maps.

    Raises:
        OutputError: if it cannot be written.
    """
    partial = file.with_name(f".geoseg-{file.name}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(adaptation_html(account, pictures), encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror}") from error


def adaptation_html(account: Mapping[str, Any], pictures: Sequence[Picture] = ()) -> str:
    """The page as HTML: the outcome, what is expected, every candidate with its verdict, the shift, pictures.

    Args:
        account: as in adaptation.json; what is missing is left out.
        pictures: of scenes and their maps.
    """
    title = f"{account.get('model', 'model')} on other ground"
    outcome = _OUTCOMES.get(str(account.get("outcome")), str(account.get("outcome")))
    parts = [
        f"<h1>{_shown(title)}</h1>",
        f"<p><strong>{_shown(outcome)}.</strong> {_shown(str(account.get('reason', '')))}</p>",
        *_facts(account),
        *_expected(account.get("expected_miou") or {}),
        *_candidates(account.get("candidates") or (), str(account.get("chosen"))),
        *_refused(account.get("refused") or {}),
        *_shift(account.get("shift") or {}),
        *_pictures(pictures),
    ]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_shown(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _facts(account: Mapping[str, Any]) -> Iterator[str]:
    settings = account.get("settings") or {}
    facts = {
        "scenes": ", ".join(map(str, account.get("targets") or ())),
        "method": settings.get("method"),
        "recipe": settings.get("recipe"),
        "windows": settings.get("windows"),
        "steps": settings.get("steps"),
        "seconds": account.get("seconds"),
    }
    yield _table((), [(_text(name), _text(value)) for name, value in facts.items() if value not in (None, "")])


def _expected(expected: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (
            _text(when),
            _number(found["mean_iou"]),
            _number(found["low"]),
            _number(found["high"]),
            (_share_bar(found["mean_iou"]), False),
        )
        for when in ("before", "after")
        if (found := expected.get(when))
    ]
    if rows:
        yield "<h2>What to expect on these scenes</h2>"
        yield _table(("", "mean IoU", "at least", "at most", ""), rows)
        yield _note(
            "Estimated without labels. Nine of ten corrupted views of the model's own ground lay between the two ends; "
            "on other ground fewer do."
        )


def _candidates(candidates: Sequence[Mapping[str, Any]], chosen: str) -> Iterator[str]:
    yield "<h2>Candidates, the steadiest first</h2>"
    ordered = sorted(candidates, key=lambda each: -(each["consistency"] if _known(each.get("consistency")) else -1.0))
    header = ("candidate", "adapter", "consistency", "", "gain", "p", "guard", "seconds", "made with")
    kinds = [
        "chosen" if each.get("label") == chosen else "refused" if each.get("verdict") == "refused" else ""
        for each in ordered
    ]
    yield _table(header, [_candidate(each) for each in ordered], kinds=kinds)
    yield _note(
        "Consistency is the class-averaged IoU of maps of held-out windows and of maps of the same windows turned, "
        "mirrored and brightened. A gain is believed where p, the share of bootstrap draws without one, is small."
    )


def _candidate(candidate: Mapping[str, Any]) -> _Row:
    verdict = _VERDICTS.get(str(candidate.get("verdict")), str(candidate.get("verdict")))
    reason = candidate.get("reason")
    made = "; ".join(f"{name} {_short(value)}" for name, value in (candidate.get("parameters") or {}).items())
    return (
        _text(candidate.get("label")),
        _text(candidate.get("adapter")),
        (_share_bar(candidate.get("consistency")), False),
        _number(candidate.get("consistency")),
        _number(candidate.get("gain"), signed=True),
        _number(candidate.get("p_value")),
        _text(f"{verdict}: {reason}" if reason else verdict),
        _number(candidate.get("seconds"), places=1),
        (f"<small>{_shown(made)}</small>", False),
    )


def _refused(refused: Mapping[str, Any]) -> Iterator[str]:
    if refused:
        yield "<h2>Adapters that gave nothing</h2>"
        yield _table(("adapter", "reason"), [(_text(name), _text(reason)) for name, reason in refused.items()])


def _shift(shift: Mapping[str, Any]) -> Iterator[str]:
    if not shift:
        return
    yield "<h2>The shift</h2>"
    yield f"<p><strong>{_shown(str(shift.get('verdict')))}.</strong> {_shown(str(shift.get('sentence', '')))}</p>"
    distances, spread = shift.get("distances") or {}, shift.get("spread") or {}
    rows = [
        (_text(text), _number(distances[name]), _number(spread.get(name)))
        for name, text in _DISTANCES.items()
        if _known(distances.get(name))
    ]
    if rows:
        yield _table(("distance from the reference", "here", "parts of the reference"), rows)
    for sentence in shift.get("unsaid") or ():
        yield _note(str(sentence))


def _pictures(pictures: Sequence[Picture]) -> Iterator[str]:
    if pictures:
        yield "<h2>Maps</h2>"
    for picture in pictures:
        figures = "".join(_figure(caption, png) for caption, png in picture.images.items())
        yield f"<h3>{_shown(picture.title)}</h3>\n<div>{figures}</div>"


def _figure(caption: str, png: bytes) -> str:
    told = _shown(caption)
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return f'<figure><img alt="{told}" src="{source}"><figcaption>{told}</figcaption></figure>'


def _table(header: Sequence[str], rows: Sequence[_Row], *, kinds: Sequence[str] = ()) -> str:
    """A table of finished cells, each row of a kind."""
    right = [bool(rows) and all(row[column][1] for row in rows) for column in range(len(header))]
    head = "".join(_cell("th", _shown(cell), is_number=flush) for cell, flush in zip(header, right, strict=True))
    lines = [f"<tr>{head}</tr>"] if header else []
    for row, kind in zip(rows, kinds or [""] * len(rows), strict=True):
        cells = "".join(_cell("td", html, is_number=is_number) for html, is_number in row)
        mark = f' class="{kind}"' if kind else ""
        lines.append(f"<tr{mark}>{cells}</tr>")
    body = "\n".join(lines)
    return f'<div class="wide"><table>\n{body}\n</table></div>'


def _cell(tag: str, html: str, *, is_number: bool) -> str:
    mark = ' class="number"' if is_number else ""
    return f"<{tag}{mark}>{html}</{tag}>"


def _share_bar(share: object) -> str:
    """A bar for a share of 1; empty where it is not known."""
    if not _known(share):
        return ""
    return f'<span class="bar"><i style="width:{min(max(float(str(share)), 0.0), 1.0):.1%}"></i></span>'


def _text(value: object) -> _Cell:
    return _shown("" if value is None else str(value)), False


def _number(value: object, *, signed: bool = False, places: int = 3) -> _Cell:
    if not _known(value):
        return "-", True
    return f"{float(str(value)):{'+' if signed else ''}.{places}f}", True


def _known(value: object) -> bool:
    """True for a number that is one."""
    return isinstance(value, int | float) and value == value  # noqa: PLR0124 - NaN alone differs from itself


def _shown(text: str) -> str:
    """Text as HTML that shows all it holds."""
    return escape(one_line(text))


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _note(text: str) -> str:
    return f'<p class="note">{_shown(text)}</p>'
