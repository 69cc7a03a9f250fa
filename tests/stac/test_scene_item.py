"""STAC items as scenes: which assets are bands, what their numbers mean, and where they may lie."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from affine import Affine

from geoseg.errors import SceneError
from geoseg.raster.acquisition import acquired_of
from geoseg.raster.scene import Access, describe_scene, open_scene

RANDOM = np.random.default_rng(12)
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
SIDE = 120
NUMBERS = {
    name: RANDOM.integers(1200, 9000, (1, SIDE * 10 // size, SIDE * 10 // size), dtype=np.uint16)
    for name, size in {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B05": 20, "B06": 20, "B11": 20, "B09": 60}.items()
}
COMMON = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "B05": "rededge", "B06": "rededge"}
COMMON |= {"B11": "swir16", "B09": "nir09"}


@pytest.fixture
def item(tmp_path, write_scene):
    """Write an item like those of Sentinel-2 level 2A, with its assets; gives its path."""

    def made(name="item.json", *, assets=None, style="1.0", scale=None, folder="in", **properties):
        (tmp_path / folder).mkdir(exist_ok=True)
        described = {}
        for code, image in NUMBERS.items():
            size = 10 * SIDE / image.shape[1]
            grid = Affine(size, 0, 5e5, 0, -size, 5e6)
            write_scene(image, f"{folder}/{code}.tif", transform=grid, nodata=0, blockxsize=32, blockysize=32)
            described[code] = asset(code, style, scale)
        picture = {"href": "./B02.tif", "type": COG, "roles": ["visual"], "eo:bands": [{"common_name": "red"}]}
        described |= {"visual": picture, "thumbnail": {"href": "t.jpg", "type": "image/jpeg"}}
        described |= {"metadata": {"href": "m.xml", "type": "application/xml"}}
        text = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": "S2A",
            "properties": {"datetime": "2024-05-01T10:11:12Z", "platform": "sentinel-2a"} | properties,
            "assets": described if assets is None else assets,
        }
        path = tmp_path / folder / name
        path.write_text(json.dumps(text))
        return path

    return made


def asset(code, style, scale):
    numbers = {} if scale is None else {"scale": scale[0], "offset": scale[1]}
    base = {"href": f"./{code}.tif", "type": COG, "roles": ["data"]}
    if style == "1.1":
        told = {f"raster:{key}": value for key, value in numbers.items()}
        return base | {"bands": [{"name": code, "eo:common_name": COMMON[code]} | told]}
    band = {"name": code, "common_name": COMMON[code]}
    return base | {"eo:bands": [band]} | ({"raster:bands": [{"nodata": 0} | numbers]} if numbers else {})


def read_all(path, **options):
    with open_scene(path, **options) as scene:
        return scene.read(scene.georef.window)


@pytest.mark.parametrize("style", ["1.0", "1.1"])
def test_bands_are_found_by_common_name_on_the_grid_of_the_finest(item, style):
    path = item(style=style)
    patch = read_all(path, bands=["red", "nir", "swir16"])
    assert np.array_equal(patch.image[:2], np.concatenate([NUMBERS["B04"], NUMBERS["B08"]]))
    assert patch.image.shape == (3, SIDE, SIDE)
    assert describe_scene(path, bands=["swir16", "nir09"]).georef.width == SIDE // 2


def test_bands_that_share_a_common_name_are_told_by_their_codes(item):
    path = item()
    patch = read_all(path, bands=["rededge075"])
    assert np.array_equal(patch.image, NUMBERS["B06"])
    patch = read_all(path, bands=["B05"])
    assert np.array_equal(patch.image, NUMBERS["B05"])


def test_a_folder_with_one_item_is_its_scene(item):
    path = item()
    (path.parent / "other.json").write_text('{"type": "FeatureCollection", "features": []}')
    assert describe_scene(path.parent, bands=["red"]).files == describe_scene(path, bands=["red"]).files


def test_an_item_tells_when_the_scene_was_taken(item):
    assert acquired_of(describe_scene(item(), bands=["red"])) == datetime(2024, 5, 1, 10, 11, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("scale", "properties", "shift"),
    [
        ((1e-4, -0.1), {}, -1000),
        ((1e-4, 0), {}, 0),
        ((1e-4, -0.1), {"earthsearch:boa_offset_applied": True}, 0),
        ((1e-4, -0.1), {"earthsearch:boa_offset_applied": False}, -1000),
        (None, {"s2:processing_baseline": "05.09"}, -1000),
        (None, {"s2:processing_baseline": "03.01"}, 0),
        (None, {"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True}, 0),
        (None, {}, 0),
    ],
)
@pytest.mark.parametrize("style", ["1.0", "1.1"])
def test_numbers_mean_what_the_item_says(item, style, scale, properties, shift):
    patch = read_all(item(style=style, scale=scale, **properties), bands=["red"])
    assert np.array_equal(patch.image, NUMBERS["B04"].astype(np.int32) + shift)


def test_an_offset_that_had_to_be_assumed_is_told(item):
    told = describe_scene(item(**{"s2:processing_baseline": "05.09"}), bands=["red"]).remarks
    assert any("processing baseline 04.00" in remark for remark in told)


def test_landsat_becomes_reflectance(item):
    patch = read_all(item(scale=(2.75e-5, -0.2)), bands=["red", "swir16"])
    assert patch.image.dtype == np.float32
    assert np.allclose(patch.image[0], NUMBERS["B04"][0] * 2.75e-5 - 0.2, atol=1e-6)


def test_bands_of_one_asset_are_read_together(item, write_scene):
    image = RANDOM.integers(1, 255, (4, 20, 30), dtype=np.uint8)
    item()
    write_scene(image, "in/naip.tif", photometric="minisblack")
    bands = [{"name": name, "common_name": name} for name in ("red", "green", "blue", "nir")]
    path = item(assets={"image": {"href": "naip.tif", "type": COG, "eo:bands": bands}})
    source = describe_scene(path, bands=["nir", "red"])
    assert len(source.files) == 1
    assert np.array_equal(read_all(path, bands=["nir", "red"]).image, image[[3, 0]])


def test_of_one_band_in_several_assets_the_finest_tiff_counts(item):
    item()
    assets = {
        "B02_20m": asset("B05", "1.0", None) | {"eo:bands": [{"name": "B02", "common_name": "blue"}], "gsd": 20},
        "B02_10m": asset("B02", "1.0", None) | {"gsd": 10},
        "blue-jp2": {"href": "none.jp2", "type": "image/jp2", "gsd": 10, "eo:bands": [{"common_name": "blue"}]},
    }
    assert describe_scene(item(assets=assets), bands=["blue"]).georef.width == SIDE


def test_nodata_of_the_item_counts_where_the_file_has_none(item, write_scene):
    image = NUMBERS["B02"].copy()
    image[0, :5] = 0
    item()
    write_scene(image, "in/bare.tif")
    told = {"href": "bare.tif", "type": COG, "eo:bands": [{"common_name": "blue"}], "raster:bands": [{"nodata": 0}]}
    assert np.array_equal(read_all(item(assets={"blue": told})).valid, image[0] != 0)


def test_a_quality_asset_masks(item, write_scene):
    scl = RANDOM.integers(0, 12, (1, SIDE // 2, SIDE // 2), dtype=np.uint8)
    path = item()
    write_scene(scl, "in/SCL.tif", transform=Affine(20, 0, 5e5, 0, -20, 5e6))
    text = json.loads(path.read_text())
    text["assets"]["scl"] = {"href": "SCL.tif", "type": COG, "roles": ["data"], "raster:bands": [{"nodata": 0}]}
    path.write_text(json.dumps(text))
    valid = read_all(path, bands=["red"], access=Access(mask="scl=3,8-10")).valid
    assert np.array_equal(valid, ~np.isin(scl[0].repeat(2, 0).repeat(2, 1), [3, 8, 9, 10]))
    assert "SCL" not in describe_scene(path).bands


@pytest.mark.parametrize(
    ("href", "shown"),
    [
        ("../secret.tif", r"secret\.tif"),
        ("file:///etc/passwd", "/etc/passwd"),
        ("/etc/passwd", "/etc/passwd"),
        ("https://evil.org/a.tif", "evil.org"),
        ("https://evil.org@host/a.tif", "host"),
        ("s3://bucket/a.tif", "s3://bucket"),
        ("/vsicurl/https://evil.org/a.tif", "evil.org"),
        ("/vsizip//etc/a.zip/b.tif", "/vsizip/"),
        ("GTIFF_RAW:/etc/passwd", "GTIFF_RAW"),
    ],
)
def test_assets_elsewhere_are_refused_in_one_line(item, href, shown):
    path = item(assets={"red": {"href": href, "type": COG, "eo:bands": [{"common_name": "red"}]}})
    with pytest.raises(SceneError, match=rf"points at .*{shown}.* --allow") as caught:
        open_scene(path)
    assert "\n" not in str(caught.value)


def test_only_assets_that_are_read_have_to_be_allowed(item, tmp_path, write_scene):
    item()
    write_scene(NUMBERS["B02"], "other.tif")
    told = {"href": "../other.tif", "type": COG, "eo:bands": [{"common_name": "blue"}]}
    path = item(assets={"B04": asset("B04", "1.0", None), "blue": told})
    assert np.array_equal(read_all(path, bands=["red"]).image, NUMBERS["B04"])
    with pytest.raises(SceneError, match="points at"):
        read_all(path, bands=["blue"])
    assert np.array_equal(read_all(path, bands=["blue"], access=Access(allow=(str(tmp_path),))).image, NUMBERS["B02"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "its item is no object"),
        ('{"type": "FeatureCollection"}', "is no STAC item"),
        ('{"type": "Feature", "assets": []}', "its assets is no object"),
        ('{"type": "Feature", "assets": {"a": 1}}', "its asset a is no object"),
        ('{"type": "Feature", "assets": {}, "properties": 1}', "its properties is no object"),
        ('{"type": "Feature", "assets": {"a": {"href": 1, "type": "image/tiff"}}}', "no assets with spectral bands"),
        ('{"type": "Feature", "assets": {"a": {"href": "a.tif", "eo:bands": 3}}}', "no assets with spectral bands"),
    ],
)
def test_what_is_no_item_is_one_line(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SceneError, match=message) as caught:
        open_scene(tmp_path / "a.json")
    assert "\n" not in str(caught.value)
