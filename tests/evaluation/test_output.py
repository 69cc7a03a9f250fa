from __future__ import annotations

import csv
import json
from html.parser import HTMLParser

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
from affine import Affine
from PIL import Image

from geoseg.classes import ClassMap
from geoseg.config.evaluate import EvaluateSettings
from geoseg.errors import OutputError
from geoseg.evaluation.output import write_comparison
from geoseg.evaluation.pool import ScenePaths, compare
from geoseg.georef import GeoRef
from geoseg.raster.writer import class_raster_writer, confidence_writer

LEGEND = ClassMap.of([(1, "water & <ice>", "#0000ff"), (2, "forest", "#00ff00"), (3, "road", "#888888")])
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects what a page asks for."""

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.tags, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for key, value in attrs if key in {"src", "href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def scene(folder, name, crs, seed):
    rng = np.random.default_rng(seed)
    georef = GeoRef(
        crs=rasterio.crs.CRS.from_epsg(crs).to_wkt() if crs else None,
        transform=Affine(2, 0, 500_000, 0, -2, 3_000_000),
        height=30,
        width=50,
    )
    labels = rng.integers(1, 4, (30, 50), dtype=np.uint8)
    mapped = np.where(rng.random(labels.shape) < 0.8, labels, 2).astype(np.uint8)
    confidence = rng.integers(30, 101, labels.shape, dtype=np.uint8)
    paths = [folder / f"{name}{ending}" for ending in (".classes.tif", ".labels.tif", ".confidence.tif")]
    for path, values in zip(paths, (mapped, labels), strict=False):
        with class_raster_writer(path, georef, LEGEND) as writer:
            writer.write(georef.window, values)
    with confidence_writer(paths[2], georef) as writer:
        writer.write(georef.window, confidence)
    return ScenePaths(predicted=paths[0], reference=paths[1], confidence=paths[2])


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    scenes = [scene(folder, "east", 32633, 1), scene(folder, "west", 32632, 2), scene(folder, "bare", None, 3)]
    return compare(scenes, EvaluateSettings(by="block", block_size=40))


@pytest.fixture(scope="module")
def written(tmp_path_factory, comparison):
    folder = tmp_path_factory.mktemp("out") / "scores"
    return folder, write_comparison(comparison, folder, overwrite=False)


@pytest.fixture
def folder(written):
    return written[0]


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_every_file_is_there_and_no_other(written):
    folder, made = written
    assert sorted(path.name for path in made) == sorted(path.name for path in folder.iterdir())
    assert {path.name for path in made} == {
        "scores.json",
        "scores.csv",
        "scenes.csv",
        "zones.csv",
        "confusion_matrix.csv",
        "confusion_matrix.png",
        "reliability.csv",
        "reliability.png",
        "report.html",
        "blocks.gpkg",
    }


def test_without_confidence_and_zones_their_files_are_not_there(tmp_path, comparison):
    plain = comparison.paths[0]
    alone = compare([ScenePaths(predicted=plain.predicted, reference=plain.reference)], EvaluateSettings())
    made = {path.name for path in write_comparison(alone, tmp_path / "scores", overwrite=False)}
    assert made.isdisjoint({"reliability.csv", "reliability.png", "zones.csv", "blocks.gpkg"})


def test_tables_have_a_row_for_each_scene_and_class_and_all_together(folder, comparison):
    scores = rows(folder / "scores.csv")
    assert [row["scene"] for row in scores] == [name for name in ("east", "west", "bare", "pooled") for _ in range(3)]
    assert float(scores[-3]["iou"]) == pytest.approx(comparison.pooled.confusion.iou[0])
    assert [row["scene"] for row in rows(folder / "scenes.csv")] == ["east", "west", "bare", "pooled"]
    confusion = [[int(row[name]) for name in LEGEND.names] for row in rows(folder / "confusion_matrix.csv")]
    assert confusion == comparison.pooled.confusion.counts.tolist()
    assert sum(int(row["pixels"]) for row in rows(folder / "zones.csv")) == comparison.pooled.pixels
    assert sum(int(row["pixels"]) for row in rows(folder / "reliability.csv")) == comparison.pooled.pixels


def test_the_json_file_holds_scenes_and_all_together(folder, comparison):
    text = json.loads((folder / "scores.json").read_text())
    assert [each["scene"] for each in text["scenes"]] == ["east", "west", "bare"]
    assert text["pooled"]["mean_iou"] == pytest.approx(comparison.pooled.mean_iou)
    assert text["pooled"]["pixels"] == sum(each["pixels"] for each in text["scenes"])


def test_the_page_is_whole_and_asks_for_nothing(folder):
    page = Page()
    html = (folder / "report.html").read_text()
    page.feed(html)
    assert page.open == []
    assert page.sources
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert "script" not in page.tags
    assert "url(" not in html
    assert "@import" not in html
    assert "water & <ice>" in "".join(page.text)
    assert html.count('style="background:#00ff00"') >= 2


def test_numbers_on_the_page_stand_flush_right(folder):
    html = (folder / "report.html").read_text()
    assert '<td class="number">1,500</td>' in html
    assert "<td>east</td>" in html


def test_pictures_can_be_opened(folder):
    for name in ("confusion_matrix.png", "reliability.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 200


def test_blocks_lie_where_their_scene_lies_a_layer_for_each_crs(folder, comparison):
    layers = [name for name, _ in pyogrio.list_layers(folder / "blocks.gpkg")]
    assert layers == ["blocks", "blocks_2", "blocks_3"]
    tables = [geopandas.read_file(folder / "blocks.gpkg", layer=name) for name in layers]
    assert {table.crs.to_epsg() for table in tables if table.crs and table.crs.to_epsg()} == {32632, 32633}
    assert sum(table["pixels"].sum() for table in tables) == comparison.pooled.pixels
    for table in tables:
        left, bottom, right, top = table.total_bounds
        assert (left, top) == (500_000, 3_000_000)
        assert (right, bottom) == (500_100, 2_999_940)


def test_files_there_are_kept_unless_they_may_be_replaced(tmp_path, comparison):
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(OutputError, match="exists already: pass --overwrite"):
        write_comparison(comparison, tmp_path, overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "mine"
    write_comparison(comparison, tmp_path, overwrite=True)
    assert (tmp_path / "report.html").read_text() != "mine"


def test_nothing_is_left_where_a_file_cannot_be_written(tmp_path, comparison, monkeypatch):
    def refuse(*_, **__):
        raise pyogrio.errors.DataSourceError("no space")

    monkeypatch.setattr(geopandas.GeoDataFrame, "to_file", refuse)
    with pytest.raises(OutputError, match=r"blocks\.gpkg: cannot be written: no space"):
        write_comparison(comparison, tmp_path / "scores", overwrite=False)
    assert not (tmp_path / "scores").exists()


def test_maps_of_one_name_are_told_apart(comparison):
    twice = compare(comparison.paths[:1] * 2, EvaluateSettings())
    first = str(comparison.paths[0].predicted)
    assert twice.names == (f"{first} (1)", f"{first} (2)")
    assert comparison.names == ("east", "west", "bare")
