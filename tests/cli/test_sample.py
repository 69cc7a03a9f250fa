from __future__ import annotations

import numpy as np
import pyogrio
import pytest
import rasterio
from affine import Affine

from geoseg.cli.app import run
from geoseg.cli.assessment import show_assessment
from geoseg.evaluation.estimate import SampleCounts, estimate_accuracy


@pytest.fixture
def raster(tmp_path):
    ids = np.repeat(np.array([1, 2], np.uint8), [300, 100]).reshape(20, 20)
    path = tmp_path / "map.tif"
    profile = {"driver": "GTiff", "width": 20, "height": 20, "count": 1, "dtype": "uint8", "nodata": 255}
    with rasterio.open(path, "w", crs="EPSG:32633", transform=Affine(10, 0, 5e5, 0, -10, 5e6), **profile) as out:
        out.write(ids, 1)
        out.update_tags(1, CLASS_1="water", CLASS_2="forest")
    return str(path)


def test_the_command_says_where_the_points_are_and_how_many_each_class_has(raster, tmp_path, capsys):
    points = tmp_path / "points.gpkg"
    assert run(["sample", raster, "--total", "40", "--at-least", "15", "-o", str(points)]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        str(points),
        "",
        "class   pixels  % of map  points",
        "water      300     75.00      25",
        "forest     100     25.00      15",
    ]
    assert shown.err == ""
    assert pyogrio.read_info(points, layer="sample")["features"] == 40


def test_a_number_for_each_class_may_come_from_a_file(raster, tmp_path):
    config = tmp_path / "sample.yaml"
    config.write_text("per_class: 7\nblind: false\n")
    assert run(["sample", raster, "--config", str(config), "-o", str(tmp_path / "points.gpkg")]) == 0
    info = pyogrio.read_info(tmp_path / "points.gpkg", layer="sample")
    assert info["features"] == 14
    assert "map_class" in info["fields"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "how many points?"),
        (["--total", "100", "--per-class", "10"], "choose one"),
        (["--total", "60"], "ask for 100 or more"),
        (["--per-class", "1"], "greater than or equal to 2"),
    ],
)
def test_a_number_that_cannot_be_is_one_line(raster, tmp_path, capsys, arguments, message):
    assert run(["sample", raster, *arguments, "-o", str(tmp_path / "points.gpkg")]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert message in shown.err
    assert not (tmp_path / "points.gpkg").exists()


def assessment(counts, areas, **options):
    return estimate_accuracy(
        SampleCounts(
            class_ids=(1, 2), class_names=("water", "forest"), counts=np.array(counts), areas=np.array(areas), **options
        )
    )


def test_an_assessment_is_shown_with_its_margins_in_hectares(capsys):
    show_assessment(assessment([[45, 5], [2, 48]], [3e6, 1e6], unlabelled=3, unmapped=1))
    shown = capsys.readouterr().out
    assert "overall accuracy 0.915 ± 0.064 from 100 points; ± is the 95 % confidence interval" in shown
    assert "left out, not labelled: 3" in shown
    assert "outside the map or on nodata: 1" in shown
    assert "water     0.900 ± 0.084" in shown
    assert "300.00  274.00 ± 25.79" in shown
    assert shown.splitlines()[-1].split() == ["forest", "2", "48"]


def test_what_is_not_known_is_shown_as_such(capsys):
    show_assessment(assessment([[8, 2], [0, 0]], [100.0, 0.0], area_unit="px"))
    shown = capsys.readouterr().out
    assert "forest" in shown
    assert "  -  " in shown
    assert "area px" in shown
