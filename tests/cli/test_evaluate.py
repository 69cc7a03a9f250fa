from __future__ import annotations

import json

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from geoseg.cli.app import run


@pytest.fixture
def files(tmp_path):
    labels = np.tile(np.array([1, 1, 2, 255], dtype=np.uint8), (4, 1))
    mapped = labels.copy()
    mapped[0, 0] = 2
    paths = tmp_path / "map.tif", tmp_path / "labels.tif"
    for path, values in zip(paths, (mapped, labels), strict=True):
        profile = {"width": 4, "height": 4, "count": 1, "dtype": "uint8", "nodata": 255}
        transform = Affine(1, 0, 5e5, 0, -1, 5e6)
        with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32633", transform=transform, **profile) as out:
            out.write(values, 1)
            out.update_tags(1, CLASS_1="water", CLASS_2="forest")
    return [str(path) for path in paths]


def test_json_is_all_that_stands_on_stdout(files, capsys):
    assert run(["evaluate", *files, "--json"]) == 0
    shown = capsys.readouterr()
    scores = json.loads(shown.out)
    assert scores["pixels"] == 12
    assert scores["pixel_accuracy"] == pytest.approx(11 / 12)
    assert [entry["name"] for entry in scores["classes"]] == ["water", "forest"]
    assert shown.err == ""


def test_the_table_names_classes_and_their_scores(files, capsys):
    assert run(["evaluate", *files]) == 0
    shown = capsys.readouterr().out
    assert "mean IoU 0.838" in shown
    assert "water   0.875" in shown
    assert "87.5" in shown


def test_ignored_values_count_in_no_score(files, capsys):
    assert run(["evaluate", *files, "--ignore", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pixels"] == 4


def test_a_missing_file_is_one_line(files, capsys):
    assert run(["evaluate", files[0], "absent.tif"]) == 1
    assert capsys.readouterr() == ("", "geoseg: absent.tif: no such file\n")


def test_the_first_half_of_the_paths_are_maps_and_the_second_their_references(files, capsys):
    mapped, labels = files
    assert run(["evaluate", mapped, labels, labels, labels, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert [each["pixel_accuracy"] for each in scores["scenes"]] == [pytest.approx(11 / 12), 1]
    assert scores["pooled"]["pixel_accuracy"] == pytest.approx(23 / 24)


def test_one_reference_may_serve_many_maps(files, capsys):
    mapped, labels = files
    assert run(["evaluate", mapped, labels, mapped, "--reference", labels]) == 0
    shown = capsys.readouterr().out
    assert "pooled" in shown
    assert shown.count("mean IoU") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "1 paths are no pairs: give as many references as maps, or one for all with --reference"),
        (["a", "b", "c"], "3 paths are no pairs"),
        (["a", "b", "c", "--reference", "d", "--reference", "e"], "3 maps and 2 references"),
        (["a", "b", "--confidence", "c", "--confidence", "d"], "1 maps and 2 of confidence"),
        (["a", "b", "--points", "c"], "--points takes one path"),
        (["a", "--reference", "b", "--points", "c"], "--points takes one path"),
    ],
)
def test_paths_that_do_not_fit_together_are_wrong_usage(arguments, message, capsys):
    assert run(["evaluate", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_table_tells_boundaries_calibration_and_the_worst_blocks(files, tmp_path, capsys):
    confidence = tmp_path / "confidence.tif"
    with rasterio.open(files[0]) as source, rasterio.open(confidence, "w", **source.profile) as out:
        out.write(np.full((1, 4, 4), 90, dtype=np.uint8))
    more = ["--by", "block", "--block-size", "2", "--boundary-tolerance", "1", "--confidence", str(confidence)]
    assert run(["evaluate", *files, *more]) == 0
    shown = capsys.readouterr().out
    assert "boundary F-score 0.944 at 1 m" in shown
    assert "expected calibration error 0.017" in shown
    assert "row 1, column 1" in shown


def test_an_output_folder_holds_the_scores_and_is_not_overwritten(files, tmp_path, capsys):
    folder = tmp_path / "scores"
    assert run(["evaluate", *files, "-o", str(folder), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert json.loads((folder / "scores.json").read_text()) == shown
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert run(["evaluate", *files, "-o", str(folder)]) == 1
    assert "exists already: pass --overwrite" in capsys.readouterr().err
    assert run(["evaluate", *files, "-o", str(folder), "--overwrite"]) == 0


def test_classes_that_the_reference_cannot_tell_apart_are_grouped(files, capsys):
    assert run(["evaluate", *files, "--label-map", "1=water|forest,2=water|forest", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in scores["classes"]] == ["water|forest"]
    assert scores["pixel_accuracy"] == 1


@pytest.fixture
def points(tmp_path):
    """A point on each pixel of the map's first two rows; the label is that of the reference."""
    at = [(row, col) for row in range(2) for col in range(3)]
    labels = ["water", "water", "forest"] * 2
    table = geopandas.GeoDataFrame(
        {"reference_class": labels},
        geometry=[shapely.Point(5e5 + col + 0.5, 5e6 - row - 0.5) for row, col in at],
        crs="EPSG:32633",
    )
    table.to_file(tmp_path / "points.gpkg", layer="sample")
    return str(tmp_path / "points.gpkg")


def test_labelled_points_assess_one_map(files, points, tmp_path, capsys):
    assert run(["evaluate", "--points", points, files[0]]) == 0
    assert "overall accuracy" in capsys.readouterr().out
    assert run(["evaluate", "--points", points, files[0], "--json", "-o", str(tmp_path / "out")]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["points"] == 6
    assert json.loads((tmp_path / "out" / "assessment.json").read_text()) == shown
    assert run(["evaluate", "--points", points, files[0], "--confidence-level", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["confidence_level"] == 0.5
