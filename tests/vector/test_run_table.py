"""The table of the run says how the file was made, and a run has one name."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime

from affine import Affine

from geoseg.georef import GeoRef
from geoseg.vector.columns import Provenance
from geoseg.vector.run_table import RunRecord, run_id_of, run_table, sha256_of

WHEN = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def test_what_is_not_known_is_null():
    record = RunRecord(provenance=Provenance(run_id="0"), created=WHEN)
    told = dict(run_table(record).rows)
    assert (told["scene"], told["acquired"], told["model"]) == (None, None, None)
    assert (told["created"], told["options"]) == ("2024-05-06T07:08:09Z", "{}")


def test_options_and_inputs_are_told():
    provenance = Provenance(scene="a.tif", acquired=date(2024, 5, 6), model="m", run_id="0")
    record = RunRecord(provenance=provenance, options={"b": None, "a": [1]}, inputs={"class_raster": "ff"})
    told = dict(run_table(record).rows)
    assert told["acquired"] == "2024-05-06"
    assert json.loads(told["options"]) == {"a": [1], "b": None}
    assert told["sha256 of class_raster"] == "ff"


def test_equal_runs_have_one_name_and_others_another():
    name = run_id_of({"a": 1, "b": 2}, {"class_raster": "ff"})
    assert name == run_id_of({"b": 2, "a": 1}, {"class_raster": "ff"})
    assert len({name, run_id_of({"a": 1}, {"class_raster": "ff"}), run_id_of({"a": 1, "b": 2}, {})}) == 3
    assert len(name) == 16


def test_a_file_is_hashed_whole(tmp_path):
    content = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_the_grid_can_be_made_again():
    grid = GeoRef(crs=None, transform=Affine(0.1, 0.0, 7.0, 0.0, -0.1, 50.0), height=3, width=4)
    told = dict(run_table(RunRecord(provenance=Provenance(run_id="0")), grid).rows)
    found = json.loads(told["grid"])
    assert GeoRef(crs=None, transform=Affine(*found["transform"]), height=found["height"], width=found["width"]) == grid
