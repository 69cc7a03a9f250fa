from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
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
