"""Polygons of class rasters, of geoseg's own and of any other."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from affine import Affine

from geoseg.classes import ClassMap
from geoseg.config.vectorize import VectorizeSettings
from geoseg.errors import ConfigError, ModelError, OutputError, SceneError
from geoseg.georef import GeoRef
from geoseg.polygons import vectorize_raster
from geoseg.raster.sidecar import write_class_sidecar
from geoseg.stac.item import ItemFacts, ModelLink, write_stac_item
from geoseg.vector.blocks import ClassRasters

UTM = rasterio.CRS.from_epsg(32633)
NORTH_UP = Affine(10, 0, 500_000, 0, -10, 5_000_000)
LEGEND = ClassMap.of([(1, "water", "#0000ff"), (3, "forest", "#00ff00"), (9, "ice", "#ffffff")])


def some_ids(dtype: str = "uint8", nodata: int = 255) -> np.ndarray:
    coarse = np.random.default_rng(4).choice(np.array([1, 3, nodata]), size=(8, 9))
    return coarse.repeat(4, axis=0).repeat(4, axis=1).astype(dtype)


def write_raster(path: Path, pixels: np.ndarray, **profile: object) -> Path:
    bands = pixels[np.newaxis] if pixels.ndim == 2 else pixels
    count, height, width = bands.shape
    defaults = {"driver": "GTiff", "dtype": pixels.dtype, "crs": UTM, "transform": NORTH_UP}
    with rasterio.open(path, "w", count=count, height=height, width=width, **(defaults | profile)) as dataset:
        dataset.write(bands)
    return path


def made_of(path: Path, out: Path | None = None, **settings: object):
    return vectorize_raster(ClassRasters(class_raster=path), out, VectorizeSettings(workers=1, **settings))


def classes_in(path: Path) -> dict[str, int]:
    layer = pyogrio.read_dataframe(path, layer="landcover")
    return layer.groupby("class_name").area_px.sum().to_dict()


@pytest.mark.parametrize(
    ("dtype", "nodata", "declared"),
    [("uint8", 255, None), ("uint8", 0, 0), ("int16", -9999, -9999), ("uint16", 65535, 65535), ("int32", 255, None)],
)
def test_rasters_of_any_whole_numbers_give_the_same_polygons(tmp_path, dtype, nodata, declared):
    path = write_raster(tmp_path / "map.tif", some_ids(dtype, nodata), nodata=declared)
    write_class_sidecar(path, LEGEND, {})
    made = made_of(path)
    assert made.path == tmp_path / "map.gpkg"
    ids = some_ids()
    expected = {"water": int((ids == 1).sum()), "forest": int((ids == 3).sum())}
    assert classes_in(made.path) == expected
    assert {each.name: each.pixels for each in made.summary.classes} == expected | {"ice": 0}
    assert made.summary.polygons == pyogrio.read_info(made.path, layer="landcover")["features"]


def test_a_raster_without_names_gets_classes_by_its_ids(tmp_path):
    made = made_of(write_raster(tmp_path / "map.tif", some_ids()))
    assert set(classes_in(made.path)) == {"class 1", "class 3"}
    assert len({each.colour for each in made.summary.classes}) == 2


def test_a_legend_may_come_from_a_file_or_a_model(tmp_path, tiny_model):
    legend = tmp_path / "legend.yaml"
    legend.write_text("classes: {1: sea, 3: {name: wood, colour: '#112233'}}\ntitle: of a training\n")
    path = write_raster(tmp_path / "map.tif", some_ids())
    made = made_of(path, tmp_path / "a.gpkg", classes=str(legend))
    assert {each.name: each.colour for each in made.summary.classes}["wood"] == "#112233"
    assert set(classes_in(made.path)) == {"sea", "wood"}
    with pytest.raises(SceneError, match="holds class 1, which is not in the legend"):
        made_of(path, tmp_path / "b.gpkg", classes=str(tiny_model))
    with pytest.raises(ModelError, match="no packaged model"):
        made_of(path, tmp_path / "b.gpkg", classes="no-such-model")
    assert not (tmp_path / "b.gpkg").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: none\n", "no key classes"),
        ("classes: []\n", "at least 1 item"),
        ("classes: {1: a, 2: a}\n", "stands twice"),
        ("classes: {300: a}\n", "less than or equal to 254"),
        ("classes: [{id: 1, name: a, colour: red}]\n", "must look like"),
    ],
)
def test_a_legend_that_is_none_is_told_in_one_line(tmp_path, text, message):
    legend = tmp_path / "legend.yaml"
    legend.write_text(text)
    path = write_raster(tmp_path / "map.tif", some_ids())
    with pytest.raises(ConfigError, match=message):
        made_of(path, classes=str(legend))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.ones((4, 4), dtype="float32"), "class ids are whole"),
        (np.full((4, 4), 300, dtype="int16"), "class ids are 0 to 254"),
        (np.full((4, 4), -1, dtype="int16"), "class ids are 0 to 254"),
        (np.ones((3, 4, 4), dtype="uint8"), "has 3 bands"),
        (np.full((4, 4), 255, dtype="uint8"), "nodata everywhere"),
    ],
    ids=["floats", "too large", "negative", "a picture", "nothing"],
)
def test_what_is_no_class_raster_is_refused_and_nothing_is_left(tmp_path, pixels, message):
    path = write_raster(tmp_path / "map.tif", pixels)
    with pytest.raises(SceneError, match=message):
        made_of(path)
    assert [each.name for each in tmp_path.iterdir()] == ["map.tif"]


def test_what_cannot_be_is_refused_before_pixels_are_read(tmp_path):
    path = write_raster(tmp_path / "map.tif", some_ids())
    with pytest.raises(ConfigError, match="give --probabilities"):
        made_of(path, smooth=True)
    with pytest.raises(ConfigError, match="end in"):
        made_of(path, tmp_path / "map.shp")
    with pytest.raises(SceneError, match="cannot be read"):
        made_of(tmp_path / "missing.tif")
    (tmp_path / "map.gpkg").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        made_of(path)
    assert (tmp_path / "map.gpkg").read_text() == "mine"
    assert made_of(path, overwrite=True).path.stat().st_size > 100


@pytest.mark.parametrize("suffix", [".parquet", ".fgb"])
def test_other_formats_hold_the_same_polygons(tmp_path, suffix):
    path = write_raster(tmp_path / "map.tif", some_ids())
    made = made_of(path, tmp_path / f"out{suffix}")
    assert made.stac_item == tmp_path / "out.stac.json"
    assert made.path.stat().st_size > 0
    item = json.loads(made.stac_item.read_text())
    assert item["assets"]["polygons"]["href"] == f"./out{suffix}"


def described(path: Path) -> Path:
    """The item of a prediction, as `geoseg predict` writes it beside its class raster."""
    with rasterio.open(path) as dataset:
        grid = GeoRef(crs=UTM.to_wkt(), transform=NORTH_UP, height=dataset.height, width=dataset.width)
    facts = ItemFacts(
        id="s",
        grid=grid,
        classes=LEGEND,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        software={"geoseg": "0"},
        lineage="Mapped.",
        acquired=datetime(2024, 5, 31, tzinfo=UTC),
        scene="../the%20scene.tif",
        model=ModelLink(name="landcover-rgb", href="../model.json"),
    )
    return write_stac_item(path.with_name("s.stac.json"), facts, {"classes": path})


def test_the_item_of_a_prediction_gets_the_polygons_and_keeps_the_rest(tmp_path):
    path = write_raster(tmp_path / "s.classes.tif", some_ids())
    before = json.loads(described(path).read_text())
    made = made_of(path)
    assert made.path == tmp_path / "s.gpkg"
    assert made.stac_item == tmp_path / "s.stac.json"
    after = json.loads(made.stac_item.read_text())
    assert set(after["assets"]) == {"classes", "polygons"}
    assert after["assets"]["polygons"]["file:size"] == made.path.stat().st_size
    for key in ("properties", "links", "geometry", "id"):
        assert after[key] == before[key]
    row = pyogrio.read_dataframe(made.path, layer="landcover", max_features=1).iloc[0]
    assert (row.scene, str(row.acquired)[:10], row.model) == ("the scene.tif", "2024-05-31", "landcover-rgb")


def test_polygons_elsewhere_get_an_item_of_their_own_that_leads_to_the_raster(tmp_path):
    path = write_raster(tmp_path / "s.classes.tif", some_ids())
    before = described(path).read_text()
    made = made_of(path, tmp_path / "new" / "coarse.gpkg", mapping_unit=5000)
    item = json.loads(made.stac_item.read_text())
    assert made.stac_item == tmp_path / "new" / "coarse.stac.json"
    assert [link["href"] for link in item["links"]] == ["../s.classes.tif"]
    assert item["properties"]["datetime"] == "2024-05-31T00:00:00Z"
    assert (tmp_path / "s.stac.json").read_text() == before
    assert made.summary.merges is not None


def test_the_same_run_has_the_same_id_and_options_change_it(tmp_path):
    path = write_raster(tmp_path / "map.tif", some_ids())

    def run_id(name: str, **settings: object) -> str:
        made = made_of(path, tmp_path / name, **settings)
        with contextlib.closing(sqlite3.connect(made.path)) as database:
            ((value,),) = database.execute("SELECT value FROM run WHERE key = 'run_id'").fetchall()
        return str(value)

    assert run_id("a.gpkg") == run_id("b.gpkg")
    assert run_id("a.gpkg", overwrite=True) != run_id("c.gpkg", mapping_unit=900)
