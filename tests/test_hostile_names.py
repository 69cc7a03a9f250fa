"""Names of classes, scenes and models end up in pages, styles, pictures, databases and terminals as plain text."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from geoseg.adaptation.page import Picture, adaptation_html
from geoseg.classes import ClassMap
from geoseg.cli.app import run
from geoseg.config.evaluate import EvaluateSettings
from geoseg.config.vectorize import VectorizeSettings
from geoseg.data.confusion import ConfusionMatrix
from geoseg.errors import ConfigError, SceneError, has_hidden_characters, one_line
from geoseg.evaluation.pool import ScenePaths, compare
from geoseg.evaluation.report import report_html
from geoseg.evaluation.sample_style import sample_style
from geoseg.georef import GeoRef
from geoseg.polygons import vectorize_raster
from geoseg.raster.sidecar import sidecar_path, write_class_sidecar, write_class_style
from geoseg.raster.writer import class_raster_writer
from geoseg.training.pictures import draw_confusion, small_png
from geoseg.training.scoring import SourceScore
from geoseg.vector.style import footprint_style, polygon_style, review_style
from geoseg.vector.vectorize import ClassRasters

HOSTILE = (
    '"><script>alert(1)</script>',
    "'; DROP TABLE landcover; --",
    "</title></td><img src=x onerror=alert(1)>",
    "$\\frac{$ & ]]> <![CDATA[ &amp;",
    "%s {0} [red]x[/red]",
)
PLAIN = tuple("abcde")


def legend_of(names):
    return ClassMap.of((number, name, "#102030") for number, name in enumerate(names, start=1))


LEGEND = legend_of(HOSTILE)


def shape(element):
    """Tags and their nesting, without texts."""
    return element.tag, [shape(child) for child in element]


@pytest.mark.parametrize("style", [polygon_style, footprint_style, review_style, sample_style])
def test_styles_have_no_more_elements_than_with_plain_names(style):
    keywords = {"pixel_side": 1.0} if style is sample_style else {}
    hostile = ET.fromstring(style(LEGEND, "class_id", **keywords))  # noqa: S314 - our own text
    plain = ET.fromstring(style(legend_of(PLAIN), "class_id", **keywords))  # noqa: S314
    assert shape(hostile) == shape(plain)
    assert [each.get("label") for each in hostile.iter("category")][:5] == list(HOSTILE)


def test_sidecars_have_no_more_elements_than_with_plain_names(tmp_path):
    for name, legend in (("hostile.tif", LEGEND), ("plain.tif", legend_of(PLAIN))):
        write_class_style(tmp_path / name, legend)
        write_class_sidecar(tmp_path / name, legend, {})
    for path in (lambda raster: raster.with_suffix(".qml"), sidecar_path):
        hostile, plain = (ET.parse(path(tmp_path / name)).getroot() for name in ("hostile.tif", "plain.tif"))  # noqa: S314
        assert shape(hostile) == shape(plain)


class Tags(HTMLParser):
    """The tags of a page with the names of their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, sorted(name for name, _ in attrs)))

    def handle_data(self, data):
        self.text += data


def class_raster(path, legend):
    path.parent.mkdir(exist_ok=True)
    georef = GeoRef(crs=None, transform=Affine(1, 0, 0, 0, -1, 0), height=10, width=10)
    ids = np.repeat(np.arange(1, 6, dtype=np.uint8), 20).reshape(10, 10)
    with class_raster_writer(path, georef, legend) as writer:
        writer.write(georef.window, ids)
    write_class_sidecar(path, legend, {})
    return path


def test_the_page_of_a_comparison_has_no_more_tags_than_with_plain_names(tmp_path):
    pages = []
    for folder, legend in (("<b>hostile $", LEGEND), ("plain", legend_of(PLAIN))):
        path = class_raster(tmp_path / folder / "m.tif", legend)
        comparison = compare([ScenePaths(predicted=path, reference=path)], EvaluateSettings())
        pages.append(Tags(report_html(comparison)))
    assert pages[0].tags == pages[1].tags
    assert all(name in pages[0].text for name in HOSTILE)


def test_the_page_of_an_adaptation_has_no_more_tags_than_with_plain_names():
    def page(text):
        account = dict.fromkeys(("model", "outcome", "reason", "chosen"), text)
        candidate = dict.fromkeys(("adapter", "label", "verdict", "reason"), text) | {"parameters": {text: text}}
        account |= {"targets": [text], "settings": {"method": text}, "candidates": [candidate], "refused": {text: text}}
        account |= {"shift": {"verdict": text, "sentence": text, "unsaid": [text]}}
        return Tags(adaptation_html(account, [Picture(title=text, images={text: b"png"})]))

    for name in HOSTILE:
        assert page(name).tags == page("plain").tags


def test_pictures_take_no_name_for_a_formula():
    score = SourceScore(name="$x$ \\frac{", names=HOSTILE, confusion=ConfusionMatrix(np.eye(5, dtype=np.int64)))
    assert small_png(draw_confusion([("$\\alpha{", score)])).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name", ["m.gpkg", "'; DROP TABLE a;--.gpkg", '"b".gpkg', "a;b.gpkg", "a\nb.gpkg", "%s#?.gpkg"]
)
def test_names_in_a_geopackage_are_values(tmp_path, name):
    path = class_raster(tmp_path / "m.tif", LEGEND)
    made = vectorize_raster(ClassRasters(class_raster=path), tmp_path / "out" / name, VectorizeSettings(workers=1)).path
    assert sorted(file.name for file in made.parent.iterdir()) == sorted([name, Path(name).stem + ".stac.json"])
    with contextlib.closing(sqlite3.connect(made)) as database:
        found = {each for (each,) in database.execute("SELECT DISTINCT class_name FROM landcover")}
        tables = {each for (each,) in database.execute("SELECT table_name FROM gpkg_contents")}
    assert found == set(HOSTILE)
    assert {"landcover", "layer_styles"} <= tables


@pytest.mark.parametrize(
    "name", ["a\x00", "\x1b[31mred", "a\nb", "\u202egnp", "\u2066x", "\x9b", "\ud800", "\uffff", "x" * 251]
)
def test_a_class_has_a_name_that_can_be_seen(name):
    with pytest.raises(ConfigError, match="characters that can be seen"):
        ClassMap.of([(1, name, "#000000")])


def test_names_in_other_scripts_are_names():
    names = ("Wälder & Wiesen", "水", "лес", "غابة", "वन", "🌲")
    assert legend_of(names).names == names


def test_errors_and_warnings_show_what_a_name_holds(tmp_path, capsys):
    path = tmp_path / "\x1b[31m\u202ered\n.tif"
    path.write_text("no raster")
    assert run(["vectorize", str(path)]) == 1
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert not has_hidden_characters(shown.strip())
    assert "\\x1b[31m\\u202ered" in shown


def test_a_name_that_is_no_utf8_is_one_line(tmp_path, capsys):
    path = os.fsencode(tmp_path) + b"/a\xff.tif"
    Path(os.fsdecode(path)).write_bytes(b"")
    assert run(["vectorize", os.fsdecode(path)]) == 1
    shown = capsys.readouterr().err
    assert "is no UTF-8: rename the file" in shown
    assert shown.count("\n") == 1


def test_an_error_is_one_line_of_bounded_length():
    assert str(SceneError("a\n b\t\x07" + "x" * 10**6)).startswith("a b \\x07xxx")
    assert len(str(SceneError("x " * 10**6))) <= 2000
    assert one_line("short and plain: ä €") == "short and plain: ä €"
