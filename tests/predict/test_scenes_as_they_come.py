"""However a scene is delivered, its map is that of the one file; of an area, that of the whole inside it."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from geoseg.cli.app import run
from geoseg.errors import SceneError
from geoseg.predict import predict_scene

RANDOM = np.random.default_rng(13)
SIZE = (150, 170)
SMOOTH = np.kron(RANDOM.integers(1500, 9000, (3, 15, 17)), np.ones((10, 10), dtype=int)).astype(np.uint16)
PIXELS = SMOOTH + RANDOM.integers(0, 300, (3, *SIZE), dtype=np.uint16)
GRID = Affine(1, 0, 5e5, 0, -1, 5e6)
NAMES = ("red", "green", "blue")
COG = "image/tiff; application=geotiff"


@pytest.fixture
def predict(tiny_model, tmp_path):
    """Map a scene without polygons; gives class ids and their grid."""

    def mapped(scene, folder, **options):
        options = {"model": str(tiny_model), "vector": False, "block_rows": 40} | options
        made = predict_scene(scene, tmp_path / folder, **options)
        with rasterio.open(made.class_raster) as ids:
            return ids.read(1), made.grid

    return mapped


@pytest.fixture
def whole(write_scene):
    path = write_scene(PIXELS, "whole.tif", transform=GRID)
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = NAMES
    return path


def band_files(write_scene, folder):
    for place, name in enumerate(NAMES):
        write_scene(PIXELS[place : place + 1], f"{folder}/{name}.tif", transform=GRID)


def as_tiles(write_scene, tmp_path, _whole):
    (tmp_path / "tiles").mkdir()
    for row in (0, 90):
        for col in (0, 61):
            part = PIXELS[:, row : row + 90 if row == 0 else None, col : col + 61 if col == 0 else None]
            path = write_scene(part, f"tiles/t{row}_{col}.tif", transform=GRID @ Affine.translation(col, row))
            with rasterio.open(path, "r+") as dataset:
                dataset.descriptions = NAMES
    return f"{tmp_path}/tiles/*.tif"


def as_band_files(write_scene, tmp_path, _whole):
    (tmp_path / "bands").mkdir()
    band_files(write_scene, "bands")
    return tmp_path / "bands"


def as_vrt(_write_scene, tmp_path, whole):
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{n}"><Description>{name}</Description><SimpleSource><SourceFilename '
        f'relativeToVRT="1">{whole.name}</SourceFilename><SourceBand>{n}</SourceBand></SimpleSource></VRTRasterBand>'
        for n, name in enumerate(NAMES, start=1)
    )
    place = "<SRS>EPSG:32633</SRS><GeoTransform>500000, 1, 0, 5000000, 0, -1</GeoTransform>"
    vrt = f'<VRTDataset rasterXSize="{SIZE[1]}" rasterYSize="{SIZE[0]}">{place}{bands}</VRTDataset>'
    (tmp_path / "scene.vrt").write_text(vrt)
    return tmp_path / "scene.vrt"


def as_item(write_scene, tmp_path, _whole):
    (tmp_path / "item").mkdir()
    band_files(write_scene, "item")
    assets = {
        name: {"href": f"{name}.tif", "type": COG, "eo:bands": [{"name": name, "common_name": name}]} for name in NAMES
    }
    text = {"type": "Feature", "stac_version": "1.0.0", "properties": {}, "assets": assets}
    (tmp_path / "item" / "item.json").write_text(json.dumps(text))
    return tmp_path / "item"


WAYS = {"tiles": as_tiles, "band files": as_band_files, "VRT": as_vrt, "item": as_item}


@pytest.mark.parametrize("way", WAYS)
def test_the_map_is_that_of_one_file(predict, whole, write_scene, tmp_path, way):
    expected, grid = predict(whole, "one")
    found, same = predict(WAYS[way](write_scene, tmp_path, whole), "other")
    assert np.array_equal(found, expected)
    assert same == grid
    assert len(np.unique(expected)) > 1


@pytest.mark.parametrize(("scale", "offset"), [(1e-4, -0.1), (2.5e-5, 0.05)])
def test_a_declared_scale_gives_the_map_of_the_file_with_it_applied(predict, whole, write_scene, scale, offset):
    applied = (PIXELS * scale + offset).astype(np.float32)
    expected, _ = predict(write_scene(applied, "applied.tif", transform=GRID), "one")
    with rasterio.open(whole, "r+") as dataset:
        dataset.scales, dataset.offsets = (scale,) * 3, (offset,) * 3
    found, _ = predict(whole, "other")
    assert (found != expected).mean() < 1e-3
    assert len(np.unique(expected)) > 1


def test_what_a_quality_band_marks_is_nodata(predict, whole, write_scene):
    clouds = np.zeros((1, *SIZE), dtype=np.uint8)
    clouds[0, 30:60, 20:100] = 9
    write_scene(clouds, "clouds.tif", transform=GRID)
    found, _ = predict(whole, "masked", mask=f"{whole.parent}/clouds.tif=8,9")
    assert np.array_equal(found == 255, clouds[0] == 9)


@pytest.fixture
def polygon(tmp_path):
    shape = shapely.Polygon([(500021, 4999985), (500131, 4999960), (500090, 4999877)])
    geopandas.GeoDataFrame(geometry=[shape], crs=32633).to_crs(4326).to_file(tmp_path / "area.geojson")
    return shape, tmp_path / "area.geojson"


@pytest.mark.parametrize("grid", ["model", "scene"])
@pytest.mark.parametrize("pixel", [1.0, 0.5, 3.0])
def test_the_map_of_an_area_is_that_of_the_whole_inside_it(predict, write_scene, polygon, pixel, grid):
    side = 60 if pixel > 1 else None
    path = write_scene(PIXELS[:, :side, :side], "scene.tif", transform=Affine(pixel, 0, 5e5, 0, -pixel, 5e6))
    expected, full = predict(path, "whole", grid=grid)
    shape, file = polygon
    found, part = predict(path, "part", grid=grid, aoi=str(file))
    col, row = ~full.transform @ (part.transform.c, part.transform.f)
    assert (col, row) == pytest.approx((round(col), round(row)), abs=1e-6)
    there = expected[round(row) : round(row) + part.height, round(col) : round(col) + part.width]
    decided = found != 255
    assert np.array_equal(found[decided], there[decided])
    rows, cols = np.nonzero(np.ones_like(found))
    a, _, c, _, e, f = tuple(part.transform)[:6]
    inside = shapely.contains_xy(shape, c + a * (cols + 0.5), f + e * (rows + 0.5)).reshape(found.shape)
    assert (decided != inside).sum() <= 2
    assert decided.any(axis=0).sum() >= part.width - 1  # the last pixel may lie at a corner without a centre inside
    assert decided.any(axis=1).sum() >= part.height - 1


def test_only_tiles_of_the_area_are_computed(predict, whole, monkeypatch):
    seen = []
    real = __import__("geoseg.inference.engine", fromlist=["TorchEngine"]).TorchEngine.probabilities

    def counting(self, images, usable):
        seen.append(len(images))
        return real(self, images, usable)

    monkeypatch.setattr("geoseg.inference.engine.TorchEngine.probabilities", counting)
    predict(whole, "whole", engine="torch")
    everything = len(seen)
    predict(whole, "part", engine="torch", aoi="500010,4999980,500020,4999990,EPSG:32633")
    assert len(seen) - everything <= 4 < everything


def test_the_command_line_takes_what_is_allowed_again_and_again(whole, tiny_model, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "list.txt").write_text(f"{whole}\n")
    command = ["predict", f"{tmp_path}/in/list.txt", "-o", f"{tmp_path}/out", "--model", str(tiny_model), "--no-vector"]
    assert run(command) == 1
    assert "pass --allow" in capsys.readouterr().err
    assert run([*command, "--allow", "example.org", "--allow", str(whole)]) == 0
    assert (tmp_path / "out" / "list.classes.tif").exists()


def test_an_area_elsewhere_leaves_nothing_behind(predict, whole, tmp_path):
    with pytest.raises(SceneError, match="no pixel of the scene lies in it"):
        predict(whole, "out", aoi="0,0,1,1")
    assert not (tmp_path / "out").exists()
