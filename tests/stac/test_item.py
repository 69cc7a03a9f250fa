"""An item says what its files are; what the schemas of STAC and pystac's own classes ask for is there."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import jsonschema
import pystac
import pytest
from affine import Affine
from pyproj import CRS
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource

from geoseg.classes import ClassMap
from geoseg.errors import OutputError
from geoseg.georef import GeoRef
from geoseg.stac.item import ItemFacts, ModelLink, href_of, stac_item, write_stac_item

NORTH_UP = Affine(10, 0, 500_000, 0, -10, 5_000_000)
FACTS = ItemFacts(
    id="scene 1",
    grid=GeoRef(crs=CRS.from_epsg(32633).to_wkt(), transform=NORTH_UP, height=100, width=200),
    classes=ClassMap.of([(1, "low vegetation", "#00ff7f"), (4, "low-vegetation!", "#0000ff"), (9, "水", "#123456")]),
    created=datetime(2026, 11, 21, 12, 30, 15, 999, tzinfo=UTC),
    software={"geoseg": "0.1.0", "torch": "2.6"},
    lineage="Mapped.",
    scene="../scene%201.tif",
    model=ModelLink(name="landcover-rgb", href="../model/model.json"),
)


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    names = {
        "classes": "scene 1.classes.tif",
        "confidence": "scene 1.confidence.tif",
        "probabilities": "scene 1.probabilities.tif",
        "polygons": "scene 1.gpkg",
        "style": "scene 1.classes.qml",
        "names": "scene 1.classes.tif.aux.xml",
    }
    for name in names.values():
        (tmp_path / name).write_bytes(name.encode())
    return {key: tmp_path / name for key, name in names.items()}


def core_errors(item: dict) -> list[str]:
    """What the schemas of STAC 1.1.0 say, which come with pystac."""
    schemas = get_local_schema_cache()
    registry = Registry().with_resources([(uri, Resource.from_contents(schema)) for uri, schema in schemas.items()])
    schema = schemas["https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"]
    found = jsonschema.Draft7Validator(schema, registry=registry).iter_errors(item)
    return [error.message for error in found]


NOWHERE = replace(FACTS.grid, crs=None)
VARIANTS = {
    "all": FACTS,
    "no CRS": replace(FACTS, grid=NOWHERE),
    "moon": replace(FACTS, grid=replace(FACTS.grid, crs=CRS.from_user_input("IAU_2015:30100").to_wkt())),
    "alone": replace(FACTS, scene=None, model=None),
    "dated": replace(FACTS, acquired=datetime(2026, 5, 1, 23, tzinfo=timezone(timedelta(hours=-2)))),
    "between": replace(FACTS, acquired=(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))),
}


@pytest.mark.parametrize("facts", VARIANTS.values(), ids=VARIANTS)
def test_an_item_is_valid_stac_and_pystac_reads_the_same_again(facts, files, tmp_path):
    path = write_stac_item(tmp_path / "scene.stac.json", facts, files)
    written = json.loads(path.read_text())
    assert core_errors(written) == []
    assert "null" not in json.dumps(written["assets"])
    again = pystac.Item.from_file(path).to_dict(include_self_link=False, transform_hrefs=False)
    assert again == written


def test_the_schemas_see_an_item_that_is_wrong(files):
    written = stac_item(FACTS, files).to_dict()
    written["properties"]["datetime"] = "yesterday"
    assert core_errors(written)


def test_extensions_say_grid_bytes_bands_and_classes(files):
    item = stac_item(FACTS, files)
    projection = ProjectionExtension.ext(item)
    assert (projection.code, projection.wkt2) == ("EPSG:32633", None)
    assert projection.shape == [100, 200]
    assert projection.transform == list(NORTH_UP)[:6]
    assert projection.bbox == [500_000, 4_999_000, 502_000, 5_000_000]
    for key, path in files.items():
        info = FileExtension.ext(item.assets[key])
        assert info.size == path.stat().st_size
        assert info.checksum == "1220" + hashlib.sha256(path.read_bytes()).hexdigest()
    for key, bands in {"classes": 1, "confidence": 1, "probabilities": 3}.items():
        described = RasterExtension.ext(item.assets[key]).bands
        assert described is not None
        assert len(described) == bands == len(item.assets[key].extra_fields["bands"])
        assert {(band.nodata, band.data_type) for band in described} == {(255, "uint8")}
        assert described[0].spatial_resolution == FACTS.grid.gsd
    classes = ClassificationExtension.ext(item.assets["classes"]).classes
    assert classes is not None
    assert [(each.value, each.title, each.color_hint) for each in classes] == [
        (1, "low vegetation", "00FF7F"),
        (4, "low-vegetation!", "0000FF"),
        (9, "水", "123456"),
        (255, "No data", None),
    ]
    of_polygons = ClassificationExtension.ext(item.assets["polygons"]).classes
    assert of_polygons is not None
    assert [each.value for each in of_polygons] == [1, 4, 9]
    assert all(re.fullmatch(r"[0-9A-Za-z\-_]+", each.name or "") for each in classes)


def test_classes_have_names_of_their_own_whatever_they_are_called(files):
    strange = ClassMap.of([(0, "a b", "#000000"), (1, "a/b", "#000001"), (2, "a_b_1", "#000002"), (3, "!", "#000003")])
    item = stac_item(replace(FACTS, classes=strange), files)
    classes = ClassificationExtension.ext(item.assets["classes"]).classes
    assert classes is not None
    assert len({each.name for each in classes}) == 5
    assert [each.value for each in classes] == [0, 1, 2, 3, 255]


def test_the_scene_and_the_model_are_what_it_derives_from(files):
    links = stac_item(FACTS, files).to_dict(include_self_link=False)["links"]
    assert [(each["rel"], each["href"]) for each in links] == [
        ("derived_from", "../scene%201.tif"),
        ("derived_from", "../model/model.json"),
    ]
    assert links[1]["mlm:name"] == "landcover-rgb"


def test_the_time_is_that_of_the_scene_and_else_it_says_that_it_is_not(files):
    dated = stac_item(VARIANTS["dated"], files)
    assert dated.datetime == datetime(2026, 5, 2, 1, tzinfo=UTC)
    assert "description" not in dated.properties
    between = stac_item(VARIANTS["between"], files).to_dict()["properties"]
    assert between["datetime"] is None
    assert (between["start_datetime"], between["end_datetime"]) == ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z")
    undated = stac_item(FACTS, files)
    assert undated.datetime == datetime(2026, 11, 21, 12, 30, 15, tzinfo=UTC)
    assert "does not tell" in undated.properties["description"]


def test_without_a_crs_there_is_neither_geometry_nor_projection(files):
    item = stac_item(VARIANTS["no CRS"], files).to_dict()
    assert item["geometry"] is None
    assert "bbox" not in item
    assert not [key for key in item["properties"] if key.startswith("proj:")]
    moon = stac_item(VARIANTS["moon"], files)
    assert moon.geometry is None
    assert ProjectionExtension.ext(moon).code == "IAU_2015:30100"


def test_a_crs_without_a_code_is_told_in_full(files):
    wkt = CRS.from_proj4("+proj=laea +lat_0=10 +lon_0=20 +ellps=GRS80").to_wkt()
    projection = ProjectionExtension.ext(stac_item(replace(FACTS, grid=replace(FACTS.grid, crs=wkt)), files))
    assert (projection.code, projection.wkt2) == (None, wkt)


def test_files_here_are_named_from_the_item_and_others_as_they_are(tmp_path):
    folder = tmp_path / "a_geoseg"
    assert href_of(tmp_path / "a scene.tif", folder) == "../a%20scene.tif"
    assert href_of("/vsicurl/https://example.org/a.tif", folder) == "https://example.org/a.tif"
    for elsewhere in ("https://example.org/a.tif", "s3://bucket/a.tif", "/vsizip/a.zip/a.tif", 'NETCDF:"a.nc":x'):
        assert href_of(elsewhere, folder) == elsewhere


def test_an_item_that_cannot_be_written_is_an_error_the_user_can_mend(files, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_stac_item(tmp_path / "missing" / "a.stac.json", FACTS, files)
    with pytest.raises(OutputError, match="cannot be read"):
        stac_item(FACTS, {"polygons": tmp_path / "missing.gpkg"})
