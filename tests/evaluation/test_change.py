"""What changed between two maps: counted pixel by pixel, drawn as polygons, the same by both."""

from __future__ import annotations

import contextlib
import csv
import json
import logging
import sqlite3
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio import features

from geoseg.classes import ClassMap
from geoseg.config.diff import DiffSettings
from geoseg.config.vectorize import VectorizeSettings
from geoseg.errors import ConfigError, LabelError, OutputError
from geoseg.evaluation import change
from geoseg.evaluation.diff import diff
from geoseg.georef import GeoRef
from geoseg.polygons import vectorize_raster
from geoseg.raster.sidecar import write_class_sidecar
from geoseg.vector.blocks import ClassRasters

UTM = rasterio.CRS.from_epsg(32633)
NORTH_UP = Affine(10, 0, 500_000, 0, -10, 5_000_000)
NAMES = {1: "water", 2: "forest", 7: "crop"}
OTHER = {7: "Water", 1: "forest ", 2: "built"}


def write_map(path: Path, ids: np.ndarray, names: dict[int, str] | None = None, **profile: object) -> Path:
    defaults = {"driver": "GTiff", "dtype": ids.dtype, "crs": UTM, "transform": NORTH_UP, "nodata": 255}
    height, width = ids.shape
    with rasterio.open(path, "w", count=1, height=height, width=width, **(defaults | profile)) as dataset:
        dataset.write(ids, 1)
    if names:
        write_class_sidecar(path, ClassMap.of((id_, name, f"#0000{id_:02x}") for id_, name in names.items()), {})
    return path


def some_ids(shape: tuple[int, int], seed: int, ids: tuple[int, ...] = (1, 2, 7, 255)) -> np.ndarray:
    coarse = np.random.default_rng(seed).choice(np.array(ids, dtype=np.uint8), size=shape)
    return coarse.repeat(3, axis=0).repeat(3, axis=1)


def by_names(matrix: change.ChangeMatrix) -> dict[tuple[str | None, str | None], int]:
    return {(each.from_class, each.to_class): each.pixels for each in matrix.transitions}


def counted(one: np.ndarray, other: np.ndarray, names: dict[int, str], names_after: dict[int, str]):
    """The slow way: one pixel after the other."""
    found: dict[tuple[str | None, str | None], int] = {}
    canonical = {name.strip().lower(): name for name in (*names_after.values(), *names.values())}
    for here, there in zip(one.ravel().tolist(), other.ravel().tolist(), strict=True):
        key = tuple(
            None if value == 255 else canonical[known[value].strip().lower()]
            for value, known in ((here, names), (there, names_after))
        )
        found[key] = found.get(key, 0) + 1
    return found


@settings(max_examples=15)
@given(
    one=hnp.arrays(np.uint8, (9, 7), elements=st.sampled_from([1, 2, 7, 255])),
    other=hnp.arrays(np.uint8, (9, 7), elements=st.sampled_from([1, 2, 7, 255])),
)
def test_every_pixel_is_counted_once_under_the_names_of_its_classes(tmp_path, one, other):
    one[0, 0], other[0, 0] = 1, 7
    before = write_map(tmp_path / "a.tif", one, NAMES)
    after = write_map(tmp_path / "b.tif", other, OTHER)
    matrix = diff(before, after, None, DiffSettings())
    assert by_names(matrix) == counted(one, other, NAMES, OTHER)
    assert matrix.pixels.sum() == one.size


@pytest.mark.parametrize(
    ("crs", "transform"),
    [(UTM, NORTH_UP), (rasterio.CRS.from_epsg(4326), Affine(0.01, 0, 15, 0, -0.01, 48)), (None, Affine.scale(3, -3))],
    ids=["utm", "degrees", "no CRS"],
)
def test_polygons_and_matrix_and_pixels_say_the_same(tmp_path, monkeypatch, crs, transform):
    monkeypatch.setattr(change, "BLOCK_ROWS", 7)
    monkeypatch.setattr(change, "_PIECE_ROWS", 3)
    one, other = some_ids((12, 11), 1), some_ids((12, 11), 2)
    before = write_map(tmp_path / "a.tif", one, NAMES, crs=crs, transform=transform)
    after = write_map(tmp_path / "b.tif", other, NAMES, crs=crs, transform=transform)
    out = tmp_path / "changes.gpkg"
    matrix = diff(before, after, out, DiffSettings(workers=2))
    layer = pyogrio.read_dataframe(out, layer="changes")
    assert layer.geometry.is_valid.all()
    sums = layer.groupby(["from_class", "to_class"]).area_px.sum().to_dict()
    changes = {key: each for each in matrix.transitions if each.is_change for key in [(each.from_class, each.to_class)]}
    assert sums == {key: each.pixels for key, each in changes.items()}
    ids = {name: id_ for id_, name in NAMES.items()}
    shapes = (
        (geometry, ids[row.from_class] * 10 + ids[row.to_class])
        for geometry, row in zip(layer.geometry, layer.itertuples(), strict=True)
    )
    burnt = features.rasterize(shapes, out_shape=one.shape, transform=transform, fill=0, dtype="int32")
    is_change = (one != other) & (one != 255) & (other != 255)
    assert np.array_equal(burnt, np.where(is_change, one.astype(np.int32) * 10 + other, 0))
    if crs is None:
        assert layer.area_m2.isna().all()
        return
    ground = GeoRef(crs=crs.to_wkt(), transform=transform, height=one.shape[0], width=one.shape[1])
    areas = ground.pixel_areas(ground.window)
    assert areas is not None
    assert layer.area_m2.sum() == pytest.approx(areas[is_change].sum(), rel=1e-9)
    told = layer.groupby(["from_class", "to_class"]).area_m2.sum()
    assert told.to_dict() == pytest.approx({key: each.area_m2 for key, each in changes.items()}, rel=1e-9)


def test_the_file_holds_matrix_run_and_style_and_the_csv_the_same(tmp_path):
    before = write_map(tmp_path / "a.tif", some_ids((9, 9), 1), NAMES)
    after = write_map(tmp_path / "b.tif", some_ids((9, 9), 2), NAMES)
    out = tmp_path / "new" / "changes.gpkg"
    matrix = diff(before, after, out, DiffSettings())
    assert sorted(path.name for path in out.parent.iterdir()) == ["changes.csv", "changes.gpkg"]
    with contextlib.closing(sqlite3.connect(out)) as database:
        rows = database.execute("SELECT from_class, to_class, area_px, area_m2 FROM change_matrix").fetchall()
        keys = {key for (key,) in database.execute("SELECT key FROM run")}
        ((style,),) = database.execute("SELECT styleQML FROM layer_styles").fetchall()
    assert {(one, other): pixels for one, other, pixels, _ in rows} == by_names(matrix)
    assert {"run_id", "sha256 of before", "sha256 of after"} <= keys
    assert "water to forest" in style
    with out.with_suffix(".csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert {(row["from_class"] or None, row["to_class"] or None): int(row["area_px"]) for row in table} == by_names(
        matrix
    )


def test_equal_maps_have_an_empty_layer(tmp_path):
    before = write_map(tmp_path / "a.tif", some_ids((4, 4), 1), NAMES)
    matrix = diff(before, before, tmp_path / "c.gpkg", DiffSettings())
    assert len(matrix.changes) == 0
    assert pyogrio.read_info(tmp_path / "c.gpkg", layer="changes")["features"] == 0


def test_a_raster_on_another_grid_is_read_on_the_first_ones_and_that_is_said(tmp_path, caplog):
    ids = some_ids((10, 10), 3, (1, 2, 7))
    before = write_map(tmp_path / "a.tif", ids, NAMES)
    finer = Affine(5, 0, 500_000, 0, -5, 5_000_000)
    after = write_map(tmp_path / "b.tif", ids.repeat(2, axis=0).repeat(2, axis=1), NAMES, transform=finer)
    with caplog.at_level(logging.WARNING):
        matrix = diff(before, after, None, DiffSettings())
    assert matrix.pixels.sum() == ids.size
    assert len(matrix.changes) == 0
    assert "b.tif: lies on another grid" in caplog.text


def test_classes_that_only_one_map_has_are_named(tmp_path, caplog):
    ids = some_ids((4, 4), 1)
    before, after = write_map(tmp_path / "a.tif", ids, NAMES), write_map(tmp_path / "b.tif", ids, OTHER)
    with caplog.at_level(logging.WARNING):
        diff(before, after, None, DiffSettings())
    assert "a.tif: only this map has the classes crop" in caplog.text
    assert "b.tif: only this map has the classes built" in caplog.text


def test_a_raster_without_names_is_matched_by_ids_and_that_is_said(tmp_path, caplog):
    one, other = some_ids((4, 4), 1), some_ids((4, 4), 2)
    bare, named = write_map(tmp_path / "a.tif", one), write_map(tmp_path / "b.tif", other, NAMES)
    with caplog.at_level(logging.WARNING):
        matrix = diff(bare, named, None, DiffSettings())
    assert by_names(matrix) == counted(one, other, NAMES, NAMES)
    assert "a.tif: names no classes" in caplog.text
    nameless = diff(bare, bare, None, DiffSettings())
    assert {name for pair in by_names(nameless) for name in pair} == {"class 1", "class 2", "class 7", None}


def write_polygons(path: Path, ids: np.ndarray, grid: dict[str, object] | None) -> Path:
    """As geoseg writes them, as far as `diff` looks at them."""
    shapes = features.shapes(ids, mask=ids != 255, connectivity=4, transform=NORTH_UP)
    found = [(shapely.geometry.shape(shape), int(value)) for shape, value in shapes]
    geometry = shapely.to_wkb(np.array([shape for shape, _ in found], dtype=object))
    fields = [
        np.array([value for _, value in found], dtype=np.int16),
        np.array([NAMES[value] for _, value in found], object),
    ]
    pyogrio.raw.write(
        path,
        geometry,
        fields,
        ["class_id", "class_name"],
        layer="landcover",
        driver="GPKG",
        geometry_type="Polygon",
        crs="EPSG:32633",
    )
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE class_summary (class_id INTEGER, class_name TEXT, colour TEXT)")
        rows = [(id_, name, f"#0000{id_:02x}") for id_, name in NAMES.items()]
        database.executemany("INSERT INTO class_summary VALUES (?, ?, ?)", rows)
        database.execute("CREATE TABLE run (key TEXT, value TEXT)")
        database.execute("INSERT INTO run VALUES ('grid', ?)", (json.dumps(grid),))
    return path


GRID = {"transform": list(NORTH_UP)[:6], "height": 30, "width": 33}


@pytest.mark.parametrize("kinds", ["raster vector", "vector raster", "vector vector", "vector bare"])
def test_polygons_are_compared_as_their_rasters_are(tmp_path, kinds):
    ids = [some_ids((10, 11), 1), some_ids((10, 11), 2)]
    paths = [
        write_polygons(tmp_path / f"{number}.gpkg", pixels, GRID)
        if kind == "vector"
        else write_map(tmp_path / f"{number}.tif", pixels, NAMES if kind == "raster" else None)
        for number, (kind, pixels) in enumerate(zip(kinds.split(), ids, strict=True))
    ]
    matrix = diff(*paths, None, DiffSettings())
    assert by_names(matrix) == counted(*ids, NAMES, NAMES)
    assert set(matrix.colours) >= {"#000001", "#000002", "#000007"}


def test_polygons_that_tell_no_grid_need_a_raster(tmp_path):
    path = write_polygons(tmp_path / "a.gpkg", some_ids((10, 11), 1), None)
    with pytest.raises(LabelError, match="neither tells the grid"):
        diff(path, path, None, DiffSettings())


def test_maps_without_a_common_class_pixel_or_place_are_refused(tmp_path):
    ids = some_ids((4, 4), 1, (1, 2))
    before = write_map(tmp_path / "a.tif", ids, {1: "water", 2: "forest"})
    strange = write_map(tmp_path / "b.tif", ids, {1: "street", 2: "square"})
    empty = write_map(tmp_path / "c.tif", np.full((12, 12), 255, np.uint8), NAMES)
    far = write_map(tmp_path / "d.tif", ids, NAMES, transform=Affine(10, 0, 600_000, 0, -10, 5_000_000))
    for other, message in ((strange, "no class in common"), (empty, "no pixel has a class"), (far, "do not overlap")):
        with pytest.raises(LabelError, match=message):
            diff(before, other, None, DiffSettings())


def test_more_changes_than_a_layer_holds_are_refused_but_counted(tmp_path):
    one, other = np.meshgrid(np.arange(20, dtype=np.uint8), np.arange(20, dtype=np.uint8))
    before, after = write_map(tmp_path / "a.tif", one), write_map(tmp_path / "b.tif", other)
    assert len(diff(before, after, None, DiffSettings()).changes) == 380
    with pytest.raises(LabelError, match="380 different changes occur, 254 at most"):
        diff(before, after, tmp_path / "c.gpkg", DiffSettings())
    assert not (tmp_path / "c.gpkg").exists()


def test_outputs_are_not_replaced_unless_asked_and_are_geopackages(tmp_path):
    before = write_map(tmp_path / "a.tif", some_ids((4, 4), 1), NAMES)
    out = tmp_path / "c.gpkg"
    out.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        diff(before, before, out, DiffSettings())
    assert out.read_text() == "mine"
    diff(before, before, out, DiffSettings(overwrite=True))
    with pytest.raises(ConfigError, match="GeoPackage"):
        diff(before, before, tmp_path / "c.shp", DiffSettings())


def changes_to(before: Path, out: Path) -> None:
    diff(before, before, out, DiffSettings(overwrite=True))


def polygons_to(before: Path, out: Path) -> None:
    vectorize_raster(ClassRasters(class_raster=before), out, VectorizeSettings(overwrite=True))


@pytest.mark.parametrize("write", [changes_to, polygons_to])
def test_a_file_that_another_program_holds_stays_as_it_is(tmp_path, write):
    before = write_map(tmp_path / "a.tif", some_ids((4, 4), 1), NAMES)
    out = tmp_path / "c.gpkg"
    changes_to(before, out)
    with contextlib.closing(sqlite3.connect(out, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        old = out.read_bytes()
        with pytest.raises(OutputError, match="another program is using it"):
            write(before, out)
        assert out.read_bytes() == old
