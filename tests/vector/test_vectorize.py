"""The GeoPackage says about every pixel what the class raster says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.features
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyproj import CRS

from geoseg.classes import ClassMap
from geoseg.errors import ConfigError, SceneError
from geoseg.georef import GeoRef
from geoseg.raster.writer import class_raster_writer, confidence_writer, probabilities_writer
from geoseg.vector.columns import LANDCOVER, Provenance
from geoseg.vector.options import VectorOptions
from geoseg.vector.run_table import RunRecord
from geoseg.vector.vectorize import ClassRasters, ClassSummary, vectorize

CLASSES = ClassMap.of([(4, "forest", "#00ff00"), (0, "water", "#0000ff"), (9, "crops & fields", "#ffff00")])
UTM = CRS.from_epsg(32633).to_wkt()
NORTH_UP = Affine(2.0, 0.0, 500_000.0, 0.0, -2.0, 5_000_000.0)
ROTATED = Affine.translation(500_000.0, 5_000_000.0) @ Affine.rotation(30.0) @ Affine.scale(2.0, -3.0)
SOUTH_UP = Affine(2.0, 0.0, 500_000.0, 0.0, 2.0, 5_000_000.0)
RECORD = RunRecord(provenance=Provenance(run_id="run 1", scene="scene.tif", model="demo"))
RASTERS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.sampled_from([0, 4, 9, 255]),
)


def run(
    folder: Path,
    class_ids: np.ndarray,
    *,
    mapping_unit: float = 0,
    crs: str | None = UTM,
    transform: Affine = NORTH_UP,
) -> tuple[geopandas.GeoDataFrame, list[ClassSummary]]:
    """Write the rasters with 60 % confidence everywhere, vectorize, and read the polygons by region id."""
    georef = GeoRef(crs=crs, transform=transform, height=class_ids.shape[0], width=class_ids.shape[1])
    with class_raster_writer(folder / "classes.tif", georef, CLASSES) as writer:
        writer.write(georef.window, class_ids)
    with confidence_writer(folder / "confidence.tif", georef) as writer:
        writer.write(georef.window, np.where(class_ids == 255, 255, 60).astype(np.uint8))
    out = folder / "out.gpkg"
    summary = vectorize(
        ClassRasters(class_raster=folder / "classes.tif", confidence=folder / "confidence.tif"),
        out,
        classes=CLASSES,
        options=VectorOptions(mapping_unit=mapping_unit, workers=1),
        record=RECORD,
    )
    layer = geopandas.read_file(out, layer="landcover", engine="pyogrio")
    return layer.sort_values("region_id", ignore_index=True), summary.classes


def table_of(path: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


@settings(max_examples=15, deadline=None)
@given(class_ids=RASTERS, transform=st.sampled_from([NORTH_UP, ROTATED, SOUTH_UP]))
def test_burning_the_polygons_gives_the_class_raster_back(tmp_path_factory, class_ids, transform):
    layer, summaries = run(tmp_path_factory.mktemp("burn"), class_ids, transform=transform)
    burnt = np.full(class_ids.shape, 255, dtype=np.uint8)
    if len(layer):
        pairs = zip(layer.geometry, layer.class_id, strict=True)
        rasterio.features.rasterize(pairs, out=burnt, transform=transform)
    assert np.array_equal(burnt, class_ids)
    assert layer.is_valid.all()
    planar = layer.area / abs(transform.determinant)
    assert np.allclose(planar, layer.area_px, rtol=1e-6)
    assert layer.area_px.sum() == np.count_nonzero(class_ids != 255) == sum(each.pixels for each in summaries)


@settings(max_examples=6, deadline=None)
@given(class_ids=RASTERS, block_rows=st.integers(1, 9), mapping_unit=st.sampled_from([0.0, 13.0]))
def test_the_content_does_not_depend_on_the_blocks(tmp_path_factory, class_ids, block_rows, mapping_unit):
    folder = tmp_path_factory.mktemp("blocks")
    whole, expected = run(folder, class_ids, mapping_unit=mapping_unit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("geoseg.vector.vectorize.BLOCK_ROWS", block_rows)
        in_blocks, summaries = run(folder, class_ids, mapping_unit=mapping_unit)
    assert in_blocks.equals(whole)
    assert summaries == expected


def test_columns_are_those_an_analyst_needs(tmp_path):
    layer, _ = run(tmp_path, np.array([[0, 0, 9], [0, 255, 9]], dtype=np.uint8))
    columns = ["geometry" if name == "geom" else name for name in LANDCOVER.names]
    assert list(layer.columns) == columns
    assert layer.run_id.tolist() == ["run 1", "run 1"]
    assert layer.scene.tolist() == ["scene.tif", "scene.tif"]
    assert layer.class_id.tolist() == [0, 9]
    assert layer.class_name.tolist() == ["water", "crops & fields"]
    assert layer.area_px.tolist() == [3, 2]
    assert layer.region_id.tolist() == [1, 2]
    assert layer.confidence.tolist() == [0.6, 0.6]
    assert layer.crs.equals(CRS.from_wkt(UTM))


def test_areas_are_those_on_the_ground_not_on_the_map(tmp_path):
    mercator = CRS.from_epsg(3857).to_wkt()
    class_ids = np.zeros((20, 20), dtype=np.uint8)
    north = Affine(10.0, 0.0, 1_000_000.0, 0.0, -10.0, 8_399_900.0)
    layer, (_, water, _) = run(tmp_path, class_ids, crs=mercator, transform=north)
    assert layer.area_m2.item() == pytest.approx(40_000 * 0.25, rel=0.01)
    assert water.area == layer.area_m2.item()


def test_the_mapping_unit_is_measured_on_the_ground(tmp_path):
    class_ids = np.zeros((9, 9), dtype=np.uint8)
    class_ids[2:4, 2:4] = 4
    class_ids[6, 6] = 9
    layer, summaries = run(tmp_path, class_ids, mapping_unit=10.0)
    assert layer.class_id.tolist() == [0, 4]
    assert [each.polygons for each in summaries] == [1, 1, 0]
    assert layer.area_px.tolist() == [77, 4]


def test_without_a_crs_areas_are_in_pixels(tmp_path):
    class_ids = np.array([[0, 0, 0, 9]], dtype=np.uint8)
    layer, summaries = run(tmp_path, class_ids, mapping_unit=2, crs=None, transform=Affine.identity())
    assert layer.crs is None or not layer.crs.is_geographic
    assert layer.area_m2.isna().all()
    assert layer.area_px.tolist() == [4]
    assert [each.area for each in summaries] == [None, None, None]
    assert [each.share for each in summaries] == [0.0, 1.0, 0.0]


def test_a_raster_without_a_valid_pixel_gives_an_empty_layer_that_opens(tmp_path):
    layer, summaries = run(tmp_path, np.full((5, 4), 255, dtype=np.uint8))
    assert len(layer) == 0
    assert next(iter(layer.columns)) == "class_id"
    assert layer.crs.equals(CRS.from_wkt(UTM))
    assert {(each.polygons, each.pixels, each.share, each.confidence) for each in summaries} == {(0, 0, 0.0, None)}
    assert pyogrio.read_info(tmp_path / "out.gpkg", layer="landcover")["geometry_type"] == "Polygon"


def test_the_class_table_covers_the_legend_and_equals_what_is_returned(tmp_path):
    _, summaries = run(tmp_path, np.array([[0, 0, 9], [0, 255, 9]], dtype=np.uint8))
    rows = table_of(
        tmp_path / "out.gpkg",
        "SELECT class_id, class_name, colour, polygons, area_px, area_m2, share, mean_confidence"
        " FROM class_summary ORDER BY rowid",
    )
    assert rows == [
        (
            each.class_id,
            each.name,
            each.colour,
            each.polygons,
            each.pixels,
            each.area,
            each.share,
            each.confidence,
        )
        for each in summaries
    ]
    assert [each.class_id for each in summaries] == [4, 0, 9]
    assert sum(each.share for each in summaries) == pytest.approx(1)


def test_the_file_is_whole_by_itself_and_readable_by_older_programs(tmp_path):
    run(tmp_path, np.array([[0, 4]], dtype=np.uint8))
    path = tmp_path / "out.gpkg"
    assert {file.name for file in tmp_path.iterdir()} == {"out.gpkg", "classes.tif", "confidence.tif"}
    assert table_of(path, "PRAGMA user_version") == [(10300,)]
    assert table_of(path, "PRAGMA journal_mode") == [("delete",)]
    assert table_of(path, "PRAGMA integrity_check") == [("ok",)]
    assert table_of(path, "SELECT table_name, data_type FROM gpkg_contents ORDER BY 1") == [
        ("class_summary", "attributes"),
        ("landcover", "features"),
        ("layer_styles", "attributes"),
        ("review", "features"),
        ("run", "attributes"),
    ]
    assert ("rtree_landcover_geom",) in table_of(path, "SELECT name FROM sqlite_master")


def test_the_style_is_the_default_of_the_layer(tmp_path):
    run(tmp_path, np.array([[0, 4]], dtype=np.uint8))
    query = "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles ORDER BY 1"
    ((table, column, default, style), review) = table_of(tmp_path / "out.gpkg", query)
    assert (table, column, default) == ("landcover", "geom", 1)
    assert review[:3] == ("review", "geom", 1)
    assert 'attr="class_id"' in style


def test_polygons_of_a_finished_layer_are_a_valid_coverage(tmp_path):
    class_ids = np.random.default_rng(3).choice(np.array([0, 4, 9, 255], np.uint8), size=(40, 30))
    layer, _ = run(tmp_path, class_ids, mapping_unit=12.0)
    assert shapely.coverage_is_valid(layer.geometry.to_numpy())


def test_progress_rises_to_the_end(tmp_path):
    run(tmp_path, np.zeros((700, 3), dtype=np.uint8))
    told: list[tuple[int, int]] = []
    vectorize(
        ClassRasters(class_raster=tmp_path / "classes.tif", confidence=tmp_path / "confidence.tif"),
        tmp_path / "out.gpkg",
        classes=CLASSES,
        options=VectorOptions(workers=1),
        record=RECORD,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(512, 1400), (700, 1400), (1212, 1400), (1400, 1400)]


@pytest.mark.parametrize("calls", [1, 3])
def test_an_interrupt_gets_through_and_leaves_no_scratch_file(tmp_path, calls):
    run(tmp_path, np.zeros((700, 3), dtype=np.uint8))
    left = iter(range(calls - 1))

    def interrupt(_done: int, _total: int) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    (tmp_path / "out.gpkg").unlink()
    with pytest.raises(KeyboardInterrupt):
        vectorize(
            ClassRasters(class_raster=tmp_path / "classes.tif", confidence=tmp_path / "confidence.tif"),
            tmp_path / "out.gpkg",
            classes=CLASSES,
            options=VectorOptions(workers=1),
            record=RECORD,
            progress=interrupt,
        )
    assert {file.name for file in tmp_path.iterdir()} <= {"classes.tif", "confidence.tif", "out.gpkg"}


def test_a_class_that_is_not_in_the_legend_is_named(tmp_path):
    with pytest.raises(SceneError, match="class 7"):
        run(tmp_path, np.array([[0, 7]], dtype=np.uint8))


def test_rasters_of_different_size_are_refused(tmp_path):
    run(tmp_path, np.zeros((4, 3), dtype=np.uint8))
    (tmp_path / "other").mkdir()
    run(tmp_path / "other", np.zeros((4, 4), dtype=np.uint8))
    with pytest.raises(SceneError, match="one prediction"):
        vectorize(
            ClassRasters(class_raster=tmp_path / "classes.tif", confidence=tmp_path / "other" / "confidence.tif"),
            tmp_path / "out.gpkg",
            classes=CLASSES,
            options=VectorOptions(workers=1),
            record=RECORD,
        )


def probabilities_of(class_ids: np.ndarray, seed: int) -> np.ndarray:
    """Percentages that speak for the class of each pixel, by how much is drawn."""
    drawn = np.random.default_rng(seed).dirichlet(np.ones(len(CLASSES)), size=class_ids.shape)
    own = CLASSES.indices_of_ids()[np.where(class_ids == 255, 0, class_ids)]
    best = drawn.argmax(axis=-1)
    rows, cols = np.indices(class_ids.shape)
    top = drawn[rows, cols, best].copy()
    drawn[rows, cols, best] = drawn[rows, cols, own]
    drawn[rows, cols, own] = top
    percent = np.rint(100 * np.moveaxis(drawn, -1, 0)).astype(np.uint8)
    percent[:, class_ids == 255] = 255
    return percent


@settings(max_examples=8, deadline=None)
@given(
    class_ids=RASTERS,
    seed=st.integers(0, 99),
    smooth=st.booleans(),
    simplify=st.sampled_from([0.0, 1.0, 3.0, 50.0]),
    method=st.sampled_from(["dp", "vw"]),
    mapping_unit=st.sampled_from([0.0, 13.0]),
)
def test_generalized_polygons_are_one_valid_coverage_of_the_same_ground(
    tmp_path_factory, class_ids, seed, smooth, simplify, method, mapping_unit
):
    folder = tmp_path_factory.mktemp("shapes")
    plain, _ = run(folder, class_ids, mapping_unit=mapping_unit)
    georef = GeoRef(crs=UTM, transform=NORTH_UP, height=class_ids.shape[0], width=class_ids.shape[1])
    with probabilities_writer(folder / "probabilities.tif", georef, CLASSES) as writer:
        writer.write(georef.window, probabilities_of(class_ids, seed))
    vectorize(
        ClassRasters(class_raster=folder / "classes.tif", probabilities=folder / "probabilities.tif"),
        folder / "shaped.gpkg",
        classes=CLASSES,
        options=VectorOptions(
            mapping_unit=mapping_unit,
            smooth=smooth,
            simplify=simplify,
            simplify_method=method,
            workers=1,
            boundaries=True,
        ),
        record=RECORD,
    )
    shaped = geopandas.read_file(folder / "shaped.gpkg", layer="landcover").sort_values("region_id", ignore_index=True)
    assert shaped.is_valid.all()
    assert shapely.coverage_is_valid(shaped.geometry.to_numpy())
    assert shaped.area.sum() == pytest.approx(plain.area.sum(), abs=1e-6)
    assert shaped[["class_id", "area_px", "area_m2"]].equals(plain[["class_id", "area_px", "area_m2"]])
    assert [len(each.interiors) for each in shaped.geometry] == [len(each.interiors) for each in plain.geometry]


def test_boundaries_to_be_smoothed_need_probabilities(tmp_path):
    run(tmp_path, np.zeros((4, 3), dtype=np.uint8))
    with pytest.raises(ConfigError, match="probabilities"):
        vectorize(
            ClassRasters(class_raster=tmp_path / "classes.tif"),
            tmp_path / "new.gpkg",
            classes=CLASSES,
            options=VectorOptions(smooth=True),
            record=RECORD,
        )


def test_strict_polygons_are_those_of_gdal(tmp_path):
    class_ids = np.random.default_rng(5).choice(np.array([0, 4, 9, 255], np.uint8), size=(60, 50))
    run(tmp_path, class_ids)
    vectorize(
        ClassRasters(class_raster=tmp_path / "classes.tif"),
        tmp_path / "strict.gpkg",
        classes=CLASSES,
        options=VectorOptions(strict=True),
        record=RECORD,
    )
    layer = geopandas.read_file(tmp_path / "strict.gpkg", layer="landcover")
    ours = sorted(zip(layer.class_id, shapely.to_wkb(shapely.normalize(layer.geometry.to_numpy())), strict=True))
    shapes = rasterio.features.shapes(class_ids, mask=class_ids != 255, connectivity=4, transform=NORTH_UP)
    gdal = [(int(value), shapely.geometry.shape(outline)) for outline, value in shapes]
    assert ours == sorted((value, shapely.to_wkb(shapely.normalize(outline))) for value, outline in gdal)


@pytest.mark.parametrize(("by", "joined"), [("border", "crops & fields"), ("probability", "forest")])
def test_small_regions_join_by_border_or_by_their_second_class(tmp_path, by, joined):
    class_ids = np.full((8, 8), 9, dtype=np.uint8)
    class_ids[:, :3] = 4
    class_ids[3, 3] = 0  # one side beside forest, three beside crops
    run(tmp_path, class_ids)
    georef = GeoRef(crs=UTM, transform=NORTH_UP, height=8, width=8)
    percent = np.zeros((3, 8, 8), dtype=np.uint8)
    for band, class_id in enumerate(CLASSES.ids):
        percent[band][class_ids == class_id] = 100
    percent[:, 3, 3] = 40, 55, 5  # forest, water, crops
    with probabilities_writer(tmp_path / "probabilities.tif", georef, CLASSES) as writer:
        writer.write(georef.window, percent)
    vectorize(
        ClassRasters(class_raster=tmp_path / "classes.tif", probabilities=tmp_path / "probabilities.tif"),
        tmp_path / "out.gpkg",
        classes=CLASSES,
        options=VectorOptions(mapping_unit=10.0, mapping_by=by),
        record=RECORD,
    )
    layer = geopandas.read_file(tmp_path / "out.gpkg", layer="landcover")
    grown = {"forest": 24, "crops & fields": 39}
    grown[joined] += 1
    assert dict(zip(layer.class_name, layer.area_px, strict=True)) == grown


@pytest.mark.parametrize("dtype", ["float32", "complex_int16"])
def test_numbers_that_are_no_class_ids_are_refused(tmp_path, dtype):
    shape = {"height": 2, "width": 2, "count": 1}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", dtype=dtype, transform=NORTH_UP, **shape):
        pass
    with pytest.raises(SceneError, match=f"holds {dtype} numbers"):
        vectorize(
            ClassRasters(class_raster=tmp_path / "a.tif"),
            tmp_path / "out.gpkg",
            classes=CLASSES,
            options=VectorOptions(),
            record=RECORD,
        )
    assert not (tmp_path / "out.gpkg").exists()
