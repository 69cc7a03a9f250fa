"""The page of an adaptation tells all of it, and nothing in it is taken for HTML."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser

import pytest

from geoseg.adaptation.page import Picture, adaptation_html, write_page
from geoseg.errors import OutputError

PNG = b"\x89PNG fake"
ACCOUNT = {
    "outcome": "adapted",
    "reason": "style-75: consistency 0.812, +0.120",
    "chosen": "style-75",
    "model": "tiny",
    "targets": ["a.tif", "b.tif"],
    "settings": {"method": "auto", "recipe": "guarded", "windows": 96, "steps": 150},
    "expected_miou": {
        "before": {"mean_iou": 0.41, "low": 0.35, "high": 0.47},
        "after": {"mean_iou": 0.62, "low": 0.56, "high": 0.68},
    },
    "shift": {
        "verdict": "radiometric",
        "sentence": "The bands differ.",
        "distances": {"bands": 0.913, "layers": None, "prior": 0.05},
        "spread": {"bands": 0.2},
        "unsaid": ["No class prior: no labels."],
    },
    "candidates": [
        {"adapter": "source", "label": "source", "consistency": 0.692, "gain": 0.0, "p_value": None,
         "verdict": "source", "reason": "", "seconds": 0.0, "parameters": {}},
        {"adapter": "style", "label": "style-75", "consistency": 0.812, "gain": 0.12, "p_value": 0.001,
         "verdict": "chosen", "reason": "", "seconds": 12.3456, "parameters": {"rate": 0.0005, "plain": True}},
        {"adapter": "tent", "label": "tent-20", "consistency": 0.95, "gain": 0.258, "p_value": 0.0,
         "verdict": "refused", "reason": "class water vanished", "seconds": 3.0, "parameters": {}},
        {"adapter": "adabn", "label": "adabn-0", "consistency": None, "gain": None, "p_value": None,
         "verdict": "refused", "reason": "not finite", "seconds": 1.0, "parameters": {}},
    ],
    "refused": {"adversarial": "it learns from the model's source as well"},
    "seconds": 61.2,
}  # fmt: skip


class Reader(HTMLParser):
    """Collects tags and text; all that is opened is closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text, self.sources = [], [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def text_of(html):
    return " ".join(" ".join(Reader(html).text).split())


def poisoned(value):
    """The same with something like HTML in every text."""
    if isinstance(value, dict):
        return {key if key.isidentifier() else f"{key}<b>": poisoned(each) for key, each in value.items()}
    if isinstance(value, list):
        return [poisoned(each) for each in value]
    return f"{value}<script>'\"&" if isinstance(value, str) else value


def test_every_candidate_is_told_with_score_verdict_and_reason():
    text = text_of(adaptation_html(ACCOUNT))
    for candidate in ACCOUNT["candidates"]:
        assert candidate["label"] in text
        assert candidate["reason"] in text
    for told in ("0.692", "+0.120", "0.001", "12.3", "rate 0.0005; plain True", "class water vanished"):
        assert told in text


def test_outcome_shift_and_expectation_are_told():
    text = text_of(adaptation_html(ACCOUNT))
    for told in ("The model was adapted.", "style-75: consistency 0.812", "radiometric.", "0.913", "0.410", "0.620",
                 "No class prior", "it learns from the model's source", "a.tif, b.tif"):  # fmt: skip
        assert told in text


def test_the_steadiest_comes_first_what_is_not_known_last_and_the_choice_is_marked():
    html = adaptation_html(ACCOUNT)
    places = [html.index(f"<td>{label}</td>") for label in ("tent-20", "style-75", "source", "adabn-0")]
    assert places == sorted(places)
    marked = re.findall(r'<tr class="(\w+)"><td>([\w-]+)</td>', html)
    assert marked == [("refused", "tent-20"), ("chosen", "style-75"), ("refused", "adabn-0")]


def test_bars_are_as_long_as_the_consistency():
    assert "width:81.2%" in adaptation_html(ACCOUNT)


def test_pictures_are_in_the_page_and_nothing_is_fetched():
    picture = Picture(title="a.tif", images={"scene": PNG, "map before": PNG, "map after": PNG})
    read = Reader(adaptation_html(ACCOUNT, [picture]))
    assert read.tags.count("img") == 3
    assert len(read.sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in read.sources)
    assert "script" not in read.tags


def test_nothing_that_is_told_is_taken_for_html():
    picture = Picture(title="a<script>.tif", images={'map"><script>': PNG})
    html = adaptation_html(poisoned(copy.deepcopy(ACCOUNT)), [picture])
    read = Reader(html)
    assert "script" not in read.tags
    assert "b" not in read.tags
    assert "<script>" in " ".join(read.text)


@pytest.mark.parametrize("key", sorted(ACCOUNT))
def test_what_is_missing_is_left_out(key):
    account = {name: value for name, value in ACCOUNT.items() if name != key}
    assert "tiny" in adaptation_html(account) or key == "model"


def test_a_page_appears_whole_or_not_at_all(tmp_path):
    write_page(tmp_path / "deep" / "report.html", ACCOUNT)
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["report.html"]
    assert (tmp_path / "deep" / "report.html").read_text() == adaptation_html(ACCOUNT)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_page(tmp_path / "file" / "report.html", ACCOUNT)
