"""Footprints in a file are the same however the other polygons are shaped."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.classes import ClassMap
from geoseg.errors import ConfigError
from geoseg.georef import GeoRef
from geoseg.raster.writer import class_raster_writer, probabilities_writer
from geoseg.vector.columns import Provenance
from geoseg.vector.options import VectorOptions
from geoseg.vector.run_table import RunRecord
from geoseg.vector.vectorize import ClassRasters, vectorize

CLASSES = ClassMap.of([(0, "other", "#dddddd"), (1, "building", "#ff0000")])
GEOREF = GeoRef(
    crs=CRS.from_epsg(32633).to_wkt(), transform=Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000), height=120, width=90
)
HOUSES = [shapely.box(10, 8, 30, 24), shapely.box(50, 40, 72, 60), shapely.box(20, 70, 34, 100)]


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> ClassRasters:
    """Three turned houses and the share of each pixel that they cover."""
    folder = tmp_path_factory.mktemp("town")
    houses = shapely.union_all([shapely.affinity.rotate(house, 20) for house in HOUSES])
    cols, rows = np.meshgrid(np.arange(GEOREF.width), np.arange(GEOREF.height))
    covered = shapely.area(shapely.intersection(shapely.box(cols, rows, cols + 1, rows + 1), houses))
    class_ids = (covered > 0.5).astype(np.uint8)
    with class_raster_writer(folder / "classes.tif", GEOREF, CLASSES) as writer:
        writer.write(GEOREF.window, class_ids)
    with probabilities_writer(folder / "probabilities.tif", GEOREF, CLASSES) as writer:
        writer.write(GEOREF.window, np.rint(100 * np.stack([1 - covered, covered])).astype(np.uint8))
    return ClassRasters(class_raster=folder / "classes.tif", probabilities=folder / "probabilities.tif")


def footprints(town: ClassRasters, out: Path, **options: object) -> geopandas.GeoDataFrame:
    vectorize(
        town,
        out,
        classes=CLASSES,
        options=VectorOptions(regularize=("building",), workers=1, **options),
        record=RunRecord(provenance=Provenance(run_id="1")),
    )
    return geopandas.read_file(out, layer="footprints").sort_values("region_id", ignore_index=True)


def test_every_building_has_a_rectangle_where_it_stands(town, tmp_path):
    layer = footprints(town, tmp_path / "out.gpkg")
    assert len(layer) == len(HOUSES)
    assert [len(outline.exterior.coords) for outline in layer.geometry] == [5, 5, 5]
    expected = [0.25 * house.area for house in HOUSES]
    assert layer.area.tolist() == pytest.approx(expected, rel=0.03)
    assert layer.area_m2.tolist() == pytest.approx(expected, rel=0.03)
    assert np.allclose(np.minimum(layer.angle % 90, 90 - layer.angle % 90), 20, atol=1.5)
    assert layer.iou.between(0.85, 1).all()


@pytest.mark.parametrize("shape", [{"smooth": True}, {"simplify": 1.0}, {"smooth": True, "simplify": 0.4}])
def test_footprints_do_not_depend_on_the_shape_of_the_coverage(town, tmp_path, shape):
    plain = footprints(town, tmp_path / "plain.gpkg")
    shaped = footprints(town, tmp_path / "shaped.gpkg", **shape)
    assert shaped.equals(plain)


@pytest.mark.parametrize("rows", [7, 31])
def test_footprints_do_not_depend_on_the_blocks(town, tmp_path, monkeypatch, rows):
    whole = footprints(town, tmp_path / "whole.gpkg")
    monkeypatch.setattr("geoseg.vector.vectorize.BLOCK_ROWS", rows)
    assert footprints(town, tmp_path / "parts.gpkg").equals(whole)


def test_a_class_that_is_not_there_is_named(town, tmp_path):
    with pytest.raises(ConfigError, match="church"):
        vectorize(
            town,
            tmp_path / "out.gpkg",
            classes=CLASSES,
            options=VectorOptions(regularize=("church",)),
            record=RunRecord(provenance=Provenance(run_id="1")),
        )
