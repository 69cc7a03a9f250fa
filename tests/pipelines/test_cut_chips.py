from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import yaml
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from geoseg.cli.messages import reported
from geoseg.config.train import load_train_settings
from geoseg.errors import ConfigError, OutputError
from geoseg.training.regions import close_regions, label_sets, open_regions
from geoseg.training.train import train_model
from geoseg.window import Window
from pipelines import cut_chips
from pipelines.chips.windows import ChipPlan
from pipelines.cut_chips import cut_chips as cut

PLAN = ChipPlan(size=64, overlap=16)
TRANSFORM = Affine(1, 0, 5e5, 0, -1, 5e6)
SIDE, GAP = 160, 200
VALUES = {
    "name": "tiny",
    "classes": [
        {"id": 4, "name": "dark", "colour": "#000000"},
        {"id": 2, "name": "bright", "colour": "#ffffff"},
        {"id": 9, "name": "third", "colour": "#ff0000"},
    ],
    "bands": ["red", "nir", "swir"],
    "optional_bands": ["swir"],
    "gsd": 1.0,
    "scales": {"uint8": 0.004, "uint16": 0.0001, "float32": 1.0},
    "network": {"encoder": "tu-test_resnet", "options": {"decoder_channels": [8, 8, 8, 8, 8]}},
    "blocks": {"side": 50, "buffer": 4, "val": 0.2, "test": 0.2},
    "tile": 64,
    "overlap": 32,
    "chip": 32,
    "batch_size": 2,
    "iterations": 2,
    "validate_every": 1,
    "precision": "fp32",
    "device": "cpu",
}


@pytest.fixture
def config(write_scene, tmp_path):
    """A training on two scenes split by blocks, and one of floats with polygons and labels that leave classes open."""
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        labels = np.kron(rng.integers(0, 3, (8, 8), dtype=np.uint8), np.ones((20, 20), np.uint8))
        image = np.stack([labels * 80, 255 - labels * 60]) + rng.integers(1, 9, (2, SIDE, SIDE))
        image[:, :40, :30] = 0
        transform = TRANSFORM @ Affine.translation(GAP * (name == "b"), 0)
        write_scene(image.astype(np.uint8), f"in/{name}_scene.tif", transform=transform, nodata=0)
        write_scene(labels[None], f"in/{name}_labels.tif", transform=transform)
    floats = rng.uniform(0, 1, (3, SIDE, SIDE)).astype(np.float32)
    floats[:, 5:9, :] = np.nan
    write_scene(floats, "in/c.tif", transform=TRANSFORM)
    boxes = [shapely.box(5e5 + 10, 5e6 - 60, 5e5 + 40, 5e6 - 8), shapely.box(5e5 + 90, 5e6 - 120, 5e5 + 130, 5e6 - 70)]
    layer = geopandas.GeoDataFrame({"kind": ["dark", "not dark"]}, geometry=boxes, crs="EPSG:32633")
    layer.to_file(tmp_path / "in/c.gpkg")
    rasters = {
        "scene": "in/*_scene.tif",
        "labels": "in/*_labels.tif",
        "label_map": {0: None, 1: "dark", 2: "bright"},
        "bands": [1, 2, None],
        "split": "blocks",
        "weight": 2.0,
    }
    polygons = {
        "name": "fields",
        "scene": "in/c.tif",
        "labels": "in/c.gpkg",
        "attribute": "kind",
        "label_map": {"dark": "dark", "not dark": ["bright", "third"]},
        "bands": [3, 1, 2],
        "scale": 0.5,
        "offset": 0.1,
    }
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump({**VALUES, "sources": [rasters, polygons]}))
    return path


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_of(folder):
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def corner_of(transform):
    return round(TRANSFORM.f - transform.f), round(transform.c - TRANSFORM.c)


def painted(path):
    """What a training sees of each source and split, on one canvas of the ground, and how it takes it.

    Numbers are NaN where not valid; labels are names of classes, empty where unknown.
    """
    settings = load_train_settings(path)
    regions, canvases, ways = open_regions(settings, cache_mb=64), {}, {}
    names = np.array([*label_sets(settings).names, *[""] * 256][:256], dtype=object)
    for split, region in ((split, region) for split, part in regions.items() for region in part):
        chip = region.scene.read(region.window, within=region.window)
        row, col = corner_of(region.scene.georef.of_window(region.window).transform)
        image, labels = canvases.setdefault(
            (region.source, split),
            (np.full((len(chip.image), SIDE, SIDE + GAP), np.nan), np.full((SIDE, SIDE + GAP), None, dtype=object)),
        )
        there = slice(row, row + region.window.height), slice(col, col + region.window.width)
        image[:, *there] = np.where(chip.valid, chip.image, np.nan)
        labels[there] = names[chip.labels]
        way = (region.scale, region.offset, region.weight, region.layout, {names[code] for code in region.legend})
        assert ways.setdefault((region.source, split), way) == way
    close_regions(regions)
    return canvases, ways


@given(
    st.integers(0, 50),
    st.integers(1, 200),
    st.integers(1, 70).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))),
)
def test_windows_cover_a_part_without_leaving_it(low, length, shape):
    size, overlap = shape
    part = Window(row=low, col=3, height=length, width=max(1, length // 2))
    windows = list(ChipPlan(size=size, overlap=overlap).windows(part))
    covered = np.zeros((low + length, 3 + part.width), dtype=int)
    for window in windows:
        assert part.intersect(window) == window
        assert window.shape == (min(size, part.height), min(size, part.width))
        covered[window.row : window.bottom, window.col : window.right] += 1
    assert (covered[low:, 3:] > 0).all()
    assert len(set(windows)) == len(windows)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"size": 8, "overlap": 8}, {"least_labelled": 1.5}, {"overlap": -1}])
def test_impossible_plans_are_refused(wrong):
    with pytest.raises(ConfigError, match="--"):
        ChipPlan(**wrong)


def test_training_sees_on_chips_the_very_pixels_of_the_scenes(config, tmp_path):
    cut(config, tmp_path / "out", PLAN)
    scenes, ways = painted(config)
    chips, ways_of_chips = painted(tmp_path / "out" / "train.yaml")
    assert ways_of_chips == ways
    assert set(chips) == set(scenes) == {("fields", "train"), ("in", "train"), ("in", "val"), ("in", "test")}
    for key, (image, labels) in scenes.items():
        image_of_chips, labels_of_chips = chips[key]
        there = labels_of_chips != None  # noqa: E711 - of each pixel
        assert not (labels[~there].astype(bool)).any()  # what is left out has no labels
        assert (labels_of_chips[there] == labels[there]).all()
        assert np.array_equal(image_of_chips[:, there], image[:, there], equal_nan=True)
        assert np.isfinite(image_of_chips).any()
    assert {*chips["fields", "train"][1].flat} == {None, "", "dark", "bright|third"}


def test_chips_of_scenes_hold_what_the_scenes_hold_there(config, tmp_path):
    cut(config, tmp_path / "out", PLAN)
    for row in rows_of(tmp_path / "out"):
        window = rasterio.windows.Window(int(row["col"]), int(row["row"]), int(row["width"]), int(row["height"]))
        with rasterio.open(tmp_path / row["scene"]) as scene, rasterio.open(tmp_path / "out" / row["image"]) as chip:
            bands = [3, 1, 2] if row["source"] == "fields" else [1, 2]
            expected = scene.read(bands, window=window)
            valid = np.isfinite(expected).all(axis=0) & (scene.dataset_mask(window=window) != 0)
            assert np.array_equal(chip.dataset_mask() != 0, valid)
            assert np.array_equal(chip.read()[:, valid], expected[:, valid])
            assert chip.transform == scene.transform @ Affine.translation(window.col_off, window.row_off)
            assert chip.crs == scene.crs
            assert chip.descriptions == ("red", "nir", "swir")[: chip.count]
        with rasterio.open(tmp_path / "out" / row["labels"]) as labels:
            values = labels.read(1)
            assert labels.nodata == 255
            assert (values != 255).any()
            assert not (values[~valid] != 255).any()
            assert labels.colormap(1)[9] == (255, 0, 0, 255)
        if row["source"] != "fields":
            with rasterio.open(tmp_path / row["scene"].replace("_scene", "_labels")) as file:
                reference = np.array([255, 4, 2])[file.read(1, window=window)]
            assert np.array_equal(values, np.where(valid, reference, 255))
        assert float(row["unlabelled_share"]) == pytest.approx((values == 255).mean(), abs=1e-6)
        assert float(row["nodata_share"]) == pytest.approx((~valid).mean(), abs=1e-6)
        assert float(row["share_4"]) == pytest.approx((values == 4).mean(), abs=1e-6)


def test_chips_keep_to_the_ground_of_their_split(config, tmp_path):
    cut(config, tmp_path / "out", PLAN)
    parts = {}
    regions = open_regions(load_train_settings(config), cache_mb=64)
    for split, region in ((split, region) for split, part in regions.items() for region in part):
        if region.source == "in":
            parts.setdefault((split, Path(region.scene.name).name), []).append(region.window)
    close_regions(regions)
    rows = [row for row in rows_of(tmp_path / "out") if row["source"] == "in"]
    assert {row["split"] for row in rows} == {"train", "val", "test"}
    for row in rows:
        window = Window(row=int(row["row"]), col=int(row["col"]), height=int(row["height"]), width=int(row["width"]))
        assert any(part.intersect(window) == window for part in parts[row["split"], Path(row["scene"]).name])


def test_a_training_on_the_archive_runs(config, tmp_path, monkeypatch):
    monkeypatch.setattr("geoseg.training.finishing._draw", lambda *_: None)
    cut(config, tmp_path / "out", PLAN)
    settings = load_train_settings(tmp_path / "out" / "train.yaml")
    result = train_model(settings, tmp_path / "run")
    assert {source.name for source in result.test.sources} == {"in"}


def test_the_manifest_tells_digests_and_no_path_of_this_machine(config, tmp_path):
    cut(config, tmp_path / "out", PLAN)
    rows = rows_of(tmp_path / "out")
    assert len({row["chip"] for row in rows}) == len(rows) > 10
    for row in rows:
        for kind in ("image", "labels"):
            assert hashlib.sha256((tmp_path / "out" / row[kind]).read_bytes()).hexdigest() == row[f"{kind}_sha256"]
    assert {row["crs"] for row in rows} == {"EPSG:32633"}
    for name in ("manifest.csv", "train.yaml"):
        assert str(tmp_path) not in (tmp_path / "out" / name).read_text()


def without_marks(files):
    return {name: data for name, data in files.items() if not name.startswith(".cut")}


def test_the_same_scenes_give_the_same_bytes_anywhere(config, tmp_path):
    cut(config, tmp_path / "out", PLAN)
    cut(config, tmp_path / "again", PLAN)
    assert without_marks(files_of(tmp_path / "out")) == without_marks(files_of(tmp_path / "again"))


def test_a_run_that_was_stopped_goes_on_and_one_that_is_done_cuts_nothing(config, tmp_path, monkeypatch):
    whole = cut(config, tmp_path / "whole", PLAN)
    real = cut_chips.cut_scene
    done = []

    def stopped(job, plan, output):
        if len(done) == 1:
            next(iter(output.rglob("*_labels.tif"))).write_bytes(b"cut")
            raise KeyboardInterrupt
        done.append(job.stem)
        return real(job, plan, output)

    monkeypatch.setattr(cut_chips, "cut_scene", stopped)
    with pytest.raises(KeyboardInterrupt):
        cut(config, tmp_path / "out", PLAN)
    assert not (tmp_path / "out" / "train.yaml").exists()
    monkeypatch.setattr(cut_chips, "cut_scene", real)
    assert cut(config, tmp_path / "out", PLAN).skipped == 0
    assert without_marks(files_of(tmp_path / "out")) == without_marks(files_of(tmp_path / "whole"))
    assert cut(config, tmp_path / "out", PLAN).skipped == whole.scenes == 3


def test_other_scenes_and_options_leave_no_chip_behind(config, tmp_path):
    cut(config, tmp_path / "out", PLAN)
    with rasterio.open(tmp_path / "in/a_labels.tif", "r+") as labels:
        labels.write(np.zeros((1, SIDE, SIDE), dtype=np.uint8))
        labels.write(np.ones((1, 60, SIDE), dtype=np.uint8), window=rasterio.windows.Window(0, 100, SIDE, 60))
    assert cut(config, tmp_path / "out", PLAN).skipped == 2
    values = yaml.safe_load(config.read_text())
    config.write_text(
        yaml.safe_dump(
            {**values, "sources": [{**values["sources"][0], "scene": "in/b_scene.tif", "labels": "in/b_labels.tif"}]}
        )
    )
    cut(config, tmp_path / "out", ChipPlan(size=100))
    cut(config, tmp_path / "fresh", ChipPlan(size=100))
    assert without_marks(files_of(tmp_path / "out")) == without_marks(files_of(tmp_path / "fresh"))


def test_chips_with_few_labels_are_left_out(config, tmp_path):
    every = cut(config, tmp_path / "every", PLAN).chips
    most = cut(config, tmp_path / "most", ChipPlan(size=64, overlap=16, least_labelled=0.7)).chips
    assert 0 < most < every
    assert all(float(row["unlabelled_share"]) <= 0.3 for row in rows_of(tmp_path / "most"))
    values = yaml.safe_load(config.read_text())
    fields = values["sources"][1]
    config.write_text(yaml.safe_dump({**values, "sources": [fields, {**fields, "split": "val"}]}))
    with pytest.raises(ConfigError, match="no scene has a chip"):
        cut(config, tmp_path / "none", ChipPlan(size=64, least_labelled=1.0))


def test_a_folder_with_something_else_is_left_alone(config, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds something else"):
        cut(config, tmp_path / "out", PLAN)
    assert files_of(tmp_path / "out") == {"thesis.txt": b"mine"}


def test_a_mark_that_was_tampered_with_removes_nothing_outside(config, tmp_path):
    cut(config, tmp_path / "out", PLAN)
    for name in ("image", "labels"):
        (tmp_path / f"victim_{name}.tif").write_text("mine")
    row = {"chip": "../victim", "bytes": [4, 4]}
    (tmp_path / "out" / ".cut" / "99_x.y.json").write_text(json.dumps({"rows": [row]}))
    cut(config, tmp_path / "out", PLAN)
    assert (tmp_path / "victim_image.tif").exists()


def test_the_command_says_where_the_config_is(config, tmp_path, capsys):
    called = [str(config), "-o", str(tmp_path / "out"), "--size", "64", "--json"]
    assert reported(cut_chips.command, called, prog_name="cut_chips") == 0
    told = json.loads(capsys.readouterr().out)
    assert Path(told["config"]).exists()
    assert told["chips"] == len(rows_of(tmp_path / "out"))
    assert reported(cut_chips.command, [str(tmp_path / "no.yaml"), "-o", "x"], prog_name="cut_chips") == 1
