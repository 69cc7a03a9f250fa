"""A vector file holds all columns, opens by itself in any program, and is the same in every format."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import date
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Geod

from geoseg.errors import ConfigError
from geoseg.vector.vector_file import write_vector

COLUMNS = [
    *("class_id", "class_name", "area_m2", "area_px", "perimeter_m", "confidence", "confidence_p10"),
    *("second_class", "second_class_name", "touches_edge", "region_id", "scene", "acquired", "model", "run_id"),
]
CLASS_IDS = np.array([[0, 0, 9, 9], [0, 255, 9, 4], [0, 0, 9, 9], [0, 0, 9, 9]], dtype=np.uint8)
ODD = {"fid", "ogc_fid", "objectid"}


def probabilities() -> np.ndarray:
    """(classes, rows + 2, width): water is sure of itself, and everywhere crops are the next."""
    return np.repeat(np.array([10, 60, 30], np.uint8), 6 * 4).reshape(3, 6, 4)


@pytest.fixture
def written(small_map, tmp_path):
    """Writes a map; gives the path."""

    def write(name="map.gpkg", class_ids=CLASS_IDS, **options):
        options = {"confidence": np.full(class_ids.shape, 60, np.uint8), **options}
        made = small_map(class_ids, **options)
        path = tmp_path / name
        write_vector(path, made.layers(), crs=made.georef.crs, tables=lambda: made.tables)
        return path

    return write


def table_of(path: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def test_landcover_has_every_column(written):
    layer = geopandas.read_file(written(probabilities=probabilities()), layer="landcover")
    assert list(layer.columns) == [*COLUMNS, "geometry"]
    layer = layer.set_index("region_id")
    water = layer.loc[1]
    assert (water.class_id, water.class_name, water.area_px) == (0, "water", 7)
    assert water.area_m2 == pytest.approx(28, rel=1e-3)
    assert water.perimeter_m == pytest.approx(2 * (4 + 2 + 4 + 2 + 2), rel=1e-3)
    assert (water.confidence, water.confidence_p10) == (0.6, 0.6)
    assert (water.second_class, water.second_class_name) == (9, "crops & fields")
    assert layer.touches_edge.tolist() == [True, True, True]
    assert (water.scene, water.model, water.run_id) == ("scene.tif", "demo", "0123456789abcdef")
    assert water.acquired.date() == date(2024, 5, 6)


def test_what_is_not_known_is_null(written):
    path = written(confidence=None, crs=None)
    columns = "area_m2, perimeter_m, confidence, confidence_p10, second_class, second_class_name"
    assert table_of(path, f"SELECT DISTINCT {columns} FROM landcover") == [(None,) * 6]  # noqa: S608
    assert table_of(path, "SELECT DISTINCT mean_confidence, area_m2 FROM class_summary") == [(None, None)]
    assert table_of(path, "SELECT COUNT(*) FROM review") == [(0,)]


def test_areas_add_up_to_the_raster_and_to_the_table_of_classes(written):
    class_ids = np.random.default_rng(0).choice(np.array([0, 4, 9, 255], np.uint8), size=(50, 40))
    path = written(class_ids=class_ids)
    classes = "SELECT class_id, SUM(area_px), SUM(area_m2), COUNT(*) FROM landcover GROUP BY 1 ORDER BY 1"
    summary = "SELECT class_id, area_px, area_m2, polygons FROM class_summary ORDER BY 1"
    for row, (id_, pixels, area, polygons) in zip(table_of(path, classes), table_of(path, summary), strict=True):
        assert row[:2] == (id_, pixels) == (id_, np.count_nonzero(class_ids == id_))
        assert row[2] == pytest.approx(area, rel=1e-12)
        assert row[3] == polygons


@pytest.mark.parametrize(
    ("epsg", "transform"),
    [
        (32633, Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0)),
        (3857, Affine(10.0, 0.0, 1_000_000.0, 0.0, -10.0, 6_106_854.0)),
        (3857, Affine(10.0, 0.0, 1_000_000.0, 0.0, -10.0, 8_399_738.0)),
        (4326, Affine(1e-4, 0.0, 15.0, 0.0, -1e-4, 60.0)),
        (32633, Affine.translation(500_000, 5_000_000) @ Affine.rotation(30.0) @ Affine.scale(7.0, -3.0)),
    ],
)
def test_perimeters_are_geodesic(written, epsg, transform):
    class_ids = np.random.default_rng(1).choice(np.array([0, 4, 9], np.uint8), size=(30, 20))
    crs = CRS.from_epsg(epsg)
    layer = geopandas.read_file(written(class_ids=class_ids, crs=crs.to_wkt(), transform=transform), layer="landcover")
    geod = Geod(ellps="WGS84")
    expected = [
        sum(geod.geometry_length(ring) for ring in (polygon.exterior, *polygon.interiors))
        for polygon in layer.to_crs(4326).geometry
    ]
    assert layer.perimeter_m.to_numpy() == pytest.approx(expected, rel=2e-3)


def test_the_file_is_whole_by_itself_and_readable_by_older_programs(written):
    path = written()
    assert [file.name for file in path.parent.iterdir()] == ["map.gpkg"]
    assert table_of(path, "PRAGMA user_version") == [(10300,)]
    assert table_of(path, "PRAGMA journal_mode") == [("delete",)]
    assert table_of(path, "PRAGMA integrity_check") == [("ok",)]
    contents = dict(table_of(path, "SELECT table_name, data_type FROM gpkg_contents"))
    assert {name for name, kind in contents.items() if kind == "features"} == {"landcover", "boundaries", "review"}
    assert {name for name, kind in contents.items() if kind == "attributes"} == {"class_summary", "run", "layer_styles"}
    indexed = table_of(path, "SELECT table_name FROM gpkg_extensions WHERE extension_name = 'gpkg_rtree_index'")
    assert sorted(indexed) == [("boundaries",), ("landcover",), ("review",)]


def test_names_of_columns_trouble_no_program(written):
    path = written()
    for layer, *_ in pyogrio.list_layers(path):
        names = [name for _, name, *_ in table_of(path, f"PRAGMA table_info('{layer}')")]
        assert all(len(name) <= 31 and name.isascii() and "." not in name for name in (layer, *names))
        assert not ODD & {name.lower() for name in names}


def test_every_layer_opens_with_a_style_of_its_own(written):
    query = "SELECT f_table_name, f_geometry_column, useAsDefault FROM layer_styles ORDER BY 1"
    assert table_of(written(), query) == [("boundaries", "geom", 1), ("landcover", "geom", 1), ("review", "geom", 1)]


def test_the_run_is_told(written):
    told = dict(table_of(written(), "SELECT key, value FROM run"))
    assert (told["run_id"], told["scene"], told["acquired"]) == ("0123456789abcdef", "scene.tif", "2024-05-06")
    assert json.loads(told["options"]) == {"simplify": 1.5}
    assert told["created"].endswith("Z")


def test_points_of_the_review_lie_inside_their_regions(written):
    class_ids = np.random.default_rng(4).choice(np.array([0, 4, 9], np.uint8), size=(20, 20))
    percent = np.random.default_rng(5).integers(30, 100, class_ids.shape).astype(np.uint8)
    path = written(class_ids=class_ids, confidence=percent)
    points = geopandas.read_file(path, layer="review")
    polygons = geopandas.read_file(path, layer="landcover").set_index("region_id").loc[points.region_id]
    assert points["rank"].tolist() == [1, 2, 3, 4, 5]
    assert shapely.contains(polygons.geometry.to_numpy(), points.geometry.to_numpy()).all()
    assert points.class_id.tolist() == polygons.class_id.tolist()
    assert points.confidence.tolist() == polygons.confidence.tolist()


@pytest.mark.parametrize("name", ["map.parquet", "map.fgb", "MAP.PARQUET"])
def test_other_formats_hold_the_same_polygons(written, name):
    expected = geopandas.read_file(written(), layer="landcover").sort_values("region_id", ignore_index=True)
    path = written(name)
    found = geopandas.read_parquet(path) if "par" in name.lower() else geopandas.read_file(path)
    found = found.drop(columns="bbox", errors="ignore").sort_values("region_id", ignore_index=True)
    assert list(found.columns) == list(expected.columns)
    assert found.crs.equals(expected.crs)
    assert shapely.equals_identical(found.geometry.to_numpy(), expected.geometry.to_numpy()).all()
    for column in set(COLUMNS) - {"acquired"}:
        assert found[column].astype(object).where(found[column].notna(), None).tolist() == (
            expected[column].astype(object).where(expected[column].notna(), None).tolist()
        )
    assert [str(day)[:10] for day in found.acquired] == ["2024-05-06"] * len(found)


def test_geoparquet_can_be_read_by_its_boxes(written):
    path = written("map.parquet")
    whole = geopandas.read_parquet(path)
    west, _, _, north = whole.total_bounds
    part = geopandas.read_parquet(path, bbox=(west, north - 1, west + 1, north))
    assert part.region_id.tolist() == [1]
    geo = json.loads(pq.read_metadata(path).metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geometry"]["bbox"] == pytest.approx(whole.total_bounds.tolist())
    assert shapely.is_ccw(shapely.get_exterior_ring(whole.geometry.to_numpy())).all()
    assert json.loads(pq.read_metadata(path).metadata[b"geoseg.run"])[0] == {
        "key": "run_id",
        "value": "0123456789abcdef",
    }


@pytest.mark.parametrize("name", ["map.gpkg", "map.parquet", "map.fgb"])
@pytest.mark.parametrize("crs", [None, CRS.from_epsg(32633).to_wkt()])
def test_a_map_without_regions_is_a_file_without_features(written, name, crs):
    path = written(name, class_ids=np.full((3, 4), 255, np.uint8), crs=crs)
    found = geopandas.read_parquet(path) if name.endswith("t") else geopandas.read_file(path, layer="landcover")
    assert len(found) == 0
    assert "class_id" in found.columns


def test_an_unknown_format_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ConfigError, match=r"map\.shp.*\.gpkg, \.parquet, \.fgb"):
        write_vector(tmp_path / "map.shp", [], crs=None)


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="needs gdal-bin")
def test_ogrinfo_has_nothing_to_complain_about(written):
    run = subprocess.run(["ogrinfo", "-al", "-so", str(written())], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    for layer in ("landcover", "boundaries", "review", "class_summary", "run"):
        assert f"Layer name: {layer}\n" in run.stdout
    assert "FID Column = id" in run.stdout
