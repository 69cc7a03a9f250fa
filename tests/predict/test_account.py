"""What a run tells and records of itself is what it did, and changes nothing of what it makes."""

from __future__ import annotations

import json
import logging
import os
import pickle
import re
from itertools import pairwise

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.config.predict import PredictSettings
from geoseg.errors import SceneError
from geoseg.events import VERBOSE, Event
from geoseg.predict import predict_scene
from geoseg.predict.plan import plan_prediction
from geoseg.predict.rasters import task_of
from geoseg.predict.run_record import name_of
from geoseg.tiling.blocks import split_into_blocks

SIZE = (150, 230)
RGB = np.random.default_rng(3).integers(1, 256, (3, *SIZE), dtype=np.uint8)
TILE, STRIDE = 64, 32
GPKG_VARIES = {"created"}


@pytest.fixture(autouse=True)
def _fast(monkeypatch, fake_engine):
    monkeypatch.setattr("geoseg.predict.task.engine_for", lambda _: fake_engine())


@pytest.fixture
def events():
    """What is told, as it comes."""
    told, logger = [], logging.getLogger("geoseg")
    level = logger.level

    class Listener(logging.Handler):
        def emit(self, record):
            if isinstance(record.msg, Event):
                told.append(record.msg)

    listener = Listener()
    logger.addHandler(listener)
    logger.setLevel(VERBOSE)
    yield told
    logger.removeHandler(listener)
    logger.setLevel(level)


@pytest.fixture
def predict(tiny_model, tmp_path):
    """Map a scene; gives the prediction and the record of the run."""

    def run(scene, folder="out", **options):
        usual = {"model": str(tiny_model), "vector": False, "block_rows": 40, "overlap": 32}
        made = predict_scene(scene, tmp_path / folder, **(usual | options))
        return made, json.loads(made.run_record.read_text())

    return run


def half_empty():
    image = RGB.copy()
    image[:, :, :100] = 0
    image[:, 100:] = 0
    return image


def tiles_by_hand(valid):
    """(all, those that hold a valid pixel), one by one."""
    rows, cols = (range(0, max(size - TILE, 0) + STRIDE, STRIDE) for size in valid.shape)
    places = [(row, col) for row in rows for col in cols]
    return len(places), sum(valid[row : row + TILE, col : col + TILE].any() for row, col in places)


def kinds(events):
    return [event.kind for event in events]


def test_the_tiles_and_pixels_of_a_record_are_those_counted_by_hand(predict, write_scene):
    image = half_empty()
    _, record = predict(write_scene(image, nodata=0))
    every, computed = tiles_by_hand(image.any(axis=0))
    assert record["tiles"] == {"total": every, "computed": computed, "skipped": every - computed}
    assert 0 < computed < every
    assert record["pixels"]["scene"] == record["pixels"]["map"] == SIZE[0] * SIZE[1]
    assert record["pixels"]["decided"] == np.count_nonzero(image.any(axis=0))
    assert 0 < record["pixels"]["computed"] <= computed * TILE**2


@settings(max_examples=8)
@given(rows=st.integers(1, 160), options=st.sampled_from([{}, {"aoi": "500010,4999880,500100,4999990,EPSG:32633"}]))
def test_the_blocks_share_the_tiles_whatever_they_are(tmp_path_factory, tiny_model, rows, options):
    folder = tmp_path_factory.mktemp("run")
    made = predict_scene(
        scene_in(folder), folder / "out", model=str(tiny_model), vector=False, block_rows=rows, overlap=32, **options
    )
    record = json.loads(made.run_record.read_text())
    assert record["tiles"]["computed"] + record["tiles"]["skipped"] == record["tiles"]["total"]
    assert record["blocks"]["computed"] == record["blocks"]["total"] == -(-made.grid.height // rows)


def scene_in(folder):
    import rasterio  # noqa: PLC0415 - only here

    path = folder / "scene.tif"
    profile = {"driver": "GTiff", "count": 3, "height": SIZE[0], "width": SIZE[1], "dtype": "uint8", "nodata": 0}
    with rasterio.open(path, "w", crs="EPSG:32633", transform=Affine(1, 0, 5e5, 0, -1, 5e6), **profile) as dataset:
        dataset.write(half_empty())
    return path


@pytest.mark.parametrize("pixel", [1.0, 0.6])
def test_every_block_is_told_once_with_what_it_took(predict, write_scene, events, pixel):
    scene = write_scene(RGB, transform=Affine(pixel, 0, 5e5, 0, -pixel, 5e6))
    made, record = predict(scene, grid="scene")
    assert kinds(events)[:2] == ["started", "plan"]
    assert kinds(events)[-1] == "finished"
    assert kinds(events).count("finished") == 1
    blocks = [event.facts for event in events if event.kind == "block"]
    assert [block["block"] for block in blocks] == list(range(1, record["blocks"]["total"] + 1))
    assert {block["blocks"] for block in blocks} == {len(blocks)}
    assert sum(block["rows"] * block["cols"] for block in blocks) == made.grid.height * made.grid.width
    for above, below in pairwise(blocks):
        assert below["row"] == above["row"] + above["rows"]
    assert sum(block["tiles"] for block in blocks) == record["tiles"]["computed"]
    assert all({"read", "write", "took", "worker", "peak_bytes"} <= set(block) for block in blocks)
    assert sum(block.get("network", 0) for block in blocks) == pytest.approx(
        record["work_seconds"]["network"], abs=0.01
    )
    assert sum(block["took"] for block in blocks) <= record["seconds"]["total"] + 0.01 * len(blocks)


def test_all_events_from_the_plan_on_have_the_name_of_the_run(predict, write_scene, events):
    _, record = predict(write_scene(RGB))
    assert {event.facts.get("run_id") for event in events[1:]} == {record["run_id"]}
    assert {event.facts["scene"] for event in events} == {events[0].facts["scene"]}


def test_the_layers_are_told_with_their_sizes(predict, write_scene, events):
    made, _ = predict(write_scene(RGB), vector=True)
    layers = {event.facts["layer"]: event.facts for event in events if event.kind == "layer"}
    assert {layer: facts["file"] for layer, facts in layers.items()} == made.outputs
    assert layers["class_raster"]["bytes"] == made.class_raster.stat().st_size


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (SceneError("no\nmore"), "error"),
        (ZeroDivisionError("1/0"), "defect"),
        (SystemExit(), "ended"),
    ],
)
def test_a_run_that_ends_early_says_why_once_and_goes_on_later(predict, write_scene, events, error, reason):
    scene = write_scene(RGB)

    def progress(_stage, done, _total):
        if done >= 90:
            raise error

    with pytest.raises(type(error)):
        predict(scene, progress=progress)
    assert kinds(events)[-1] == "failed"
    assert kinds(events).count("failed") == 1
    assert events[-1].facts["reason"] == reason
    assert events[-1].facts.get("error") == (" ".join(str(error).split()) or None)
    done = events[-1].facts["blocks_done"]
    assert 1 <= done < 4
    events.clear()
    _, record = predict(scene)
    resumed = [event.facts["block"] for event in events if event.kind == "block" and event.facts["resumed"]]
    assert resumed == list(range(1, done + 1))
    assert record["blocks"] == {"total": 4, "computed": 4 - done, "resumed": done}
    assert "failed" not in kinds(events)


def test_a_scene_that_cannot_be_opened_fails_in_two_events(predict, tmp_path, events):
    with pytest.raises(SceneError):
        predict(tmp_path / "none.tif")
    assert kinds(events) == ["started", "failed"]


def test_layers_are_the_same_bytes_whoever_listens_and_whenever_they_are_made(predict, write_scene, events):
    scene = write_scene(RGB)
    first, one = predict(scene, "first", vector=True)
    events.clear()
    logging.getLogger("geoseg").setLevel(logging.WARNING)
    second, other = predict(scene, "second", vector=True)
    assert events == []
    assert first.class_raster.read_bytes() == second.class_raster.read_bytes()
    assert first.confidence.read_bytes() == second.confidence.read_bytes()
    assert content_of(first.geopackage) == content_of(second.geopackage)
    assert one["input"] == other["input"]
    assert one["run_id"] == other["run_id"]
    assert one["started"] != other["started"]


def content_of(geopackage):
    """All tables of a GeoPackage but its own lists, and of the run all but the time."""
    import sqlite3  # noqa: PLC0415 - only here

    with sqlite3.connect(geopackage) as database:
        names = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        names = [name for name in names if not re.match(r"gpkg_|rtree_|sqlite_|layer_styles", name)]
        tables = {name: database.execute(f'select * from "{name}"').fetchall() for name in names}  # noqa: S608
    tables["run"] = [row for row in tables["run"] if not GPKG_VARIES & set(row)]
    assert len(tables) >= 2
    return tables


def test_seconds_and_versions_are_there(predict, write_scene):
    made, record = predict(write_scene(RGB), vector=True)
    assert list(record["seconds"]) == ["plan", "map", "cogs", "polygons", "item", "total"]
    parts = [value for stage, value in record["seconds"].items() if stage != "total"]
    assert 0 < sum(parts) <= record["seconds"]["total"] + 0.01
    assert {"geoseg", "python", "gdal", "torch"} <= set(record["versions"])
    assert record["engine"]["name"] == "torch"
    assert record["engine"]["device"] == "cpu"
    assert record["engine"]["precision"] in {"fp32", "bf16"}
    assert (record["engine"]["tile"], record["engine"]["overlap"]) == (TILE, 32)
    assert record["memory"]["peak_bytes"] >= record["memory"]["worker_peak_bytes"] > 0
    assert record["started"] < record["ended"]
    item = json.loads(made.stac_item.read_text())
    assert item["assets"]["run"]["href"] == f"./{made.run_record.name}"
    assert item["assets"]["run"]["roles"] == ["metadata"]


def test_the_record_names_no_folder_and_no_machine(predict, write_scene, tmp_path):
    made, record = predict(write_scene(RGB))
    text = made.run_record.read_text()
    assert str(tmp_path) not in text
    assert not re.search(r'"/', text)
    assert record["options"]["model"] == "tiny.zip"
    assert record["input"]["files"][0]["name"] == "scene.tif"
    assert record["input"]["files"][0]["bytes"] == (tmp_path / "scene.tif").stat().st_size


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/u/a b.tif", "a b.tif"),
        ("C:\\u\\a.tif", "a.tif"),
        ("https://u:secret@host/x/a.tif?sig=1/2", "a.tif"),
        ("/vsicurl/https://host/a.tif", "a.tif"),
        ("s3://bucket/", "bucket"),
        ("a#1.tif", "a#1.tif"),
        ("scl=3,8-10", "scl=3,8-10"),
    ],
)
def test_of_a_path_only_the_name_is_told(path, name):
    assert name_of(path) == name


def test_the_record_is_no_part_of_what_a_run_goes_on_from(predict, write_scene, events):
    scene = write_scene(RGB)
    made, _ = predict(scene, keep_blocks=True)
    made.run_record.write_text("{}")
    events.clear()
    _, record = predict(scene, keep_blocks=True, overwrite=True)
    assert record["blocks"]["computed"] == 0
    assert record["tiles"]["computed"] == 0
    assert [event.facts["resumed"] for event in events if event.kind == "block"] == [True] * 4


@pytest.mark.parametrize("grid", ["model", "scene"])
@pytest.mark.parametrize("pixel", [1.0, 0.6])
def test_a_block_computed_elsewhere_brings_along_what_it_took(tiny_model, write_scene, grid, pixel):
    scene = write_scene(half_empty(), nodata=0, transform=Affine(pixel, 0, 5e5, 0, -pixel, 5e6))
    settings = PredictSettings(model=str(tiny_model), engine="torch", grid=grid, overlap=32)
    plan = plan_prediction(scene, settings)
    task = task_of(plan, settings)
    for block in split_into_blocks(plan.output.window, rows=40, cuts=(70,)):
        work = pickle.loads(pickle.dumps(task(block))).work  # noqa: S301 - our own bytes
        assert work.tiles + work.skipped == task.tiles_under(block)
        assert work.pixels <= work.tiles * plan.grid.tile**2
        assert 0 < work.seconds["read"] <= work.wall
        assert ("network" in work.seconds) == (work.tiles > 0)
        assert work.worker.endswith(f":{os.getpid()}")
