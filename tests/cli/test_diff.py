from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg.cli.app import run
from geoseg.cli.diff import show_changes
from geoseg.evaluation.change import ChangeMatrix
from geoseg.georef import GeoRef


@pytest.fixture
def maps(tmp_path):
    before = np.repeat(np.array([1, 2], np.uint8), [300, 100]).reshape(20, 20)
    after = before.copy()
    after[:5, :5] = 2
    after[-1] = 255
    profile = {"driver": "GTiff", "width": 20, "height": 20, "count": 1, "dtype": "uint8", "nodata": 255}
    for name, ids in (("before.tif", before), ("after.tif", after)):
        transform = Affine(10, 0, 5e5, 0, -10, 5e6)
        with rasterio.open(tmp_path / name, "w", crs="EPSG:32633", transform=transform, **profile) as out:
            out.write(ids, 1)
            out.update_tags(1, CLASS_1="water", CLASS_2="forest")
    return [str(tmp_path / "before.tif"), str(tmp_path / "after.tif")]


def test_the_command_shows_the_matrix_and_how_much_changed(maps, tmp_path, capsys):
    out = tmp_path / "changes.gpkg"
    assert run(["diff", *maps, "-o", str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(out),
        "",
        "0.25 ha of 3.80 ha changed (6.58% of the pixels)",
        "",
        "from / to, ha  water  forest",
        "water           2.75    0.25",
        "forest             -    0.80",
    ]
    assert out.with_suffix(".csv").read_text().splitlines()[0] == "from_class,to_class,area_px,area_m2"


def test_as_json_pixels_add_up_to_the_raster(maps, capsys):
    assert run(["diff", *maps, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["outputs"] == []
    assert (told["compared_pixels"], told["changed_pixels"]) == (380, 25)
    assert sum(each["pixels"] for each in told["transitions"]) == 400
    assert {"from": "forest", "to": None} in [
        {key: each[key] for key in ("from", "to")} for each in told["transitions"]
    ]


def test_of_many_classes_the_largest_changes_are_shown(capsys):
    names = tuple(f"c{number}" for number in range(9))
    pixels = np.zeros((10, 10), dtype=np.int64)
    pixels[:9, :9] = np.arange(81).reshape(9, 9)
    grid = GeoRef(crs=None, transform=Affine.scale(2), height=1, width=1)
    show_changes(ChangeMatrix(names=names, colours=("#000000",) * 9, grid=grid, pixels=pixels, areas=None))
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:4] == ["from  to   area", "c8    c7  79 px"]
    assert lines[-1] == "and 52 others"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["-o", "changes.shp"], "changes are written to a GeoPackage"), (["--workers", "-1"], "greater than or equal")],
)
def test_what_cannot_be_is_one_line(maps, capsys, arguments, message):
    assert run(["diff", *maps, *arguments]) == 1
    assert message in capsys.readouterr().err
