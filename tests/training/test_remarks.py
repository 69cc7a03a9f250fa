import logging

import pytest

from geoseg.data import labels
from geoseg.raster import scene
from geoseg.training.remarks import remarks_kept


def lines_of(caplog):
    return [record.getMessage() for record in caplog.records]


def test_a_remark_on_many_scenes_is_one_line(caplog):
    with remarks_kept() as remarks:
        for name in ("a.tif", "b.tif", "a.tif", "c.tif"):
            scene.log.warning("%s: %s", name, "no CRS")
        scene.log.warning("%s: %s", "b.tif", "band 4 is imagery")
        assert lines_of(caplog) == []
        remarks.tell()
    assert lines_of(caplog) == ["3 files, such as a.tif: no CRS", "b.tif: band 4 is imagery"]


def test_what_was_told_is_told_again_only_if_it_holds_of_more(caplog):
    with remarks_kept() as remarks:
        scene.log.warning("%s: %s", "a.tif", "no CRS")
        remarks.tell()
        scene.log.warning("%s: %s", "a.tif", "no CRS")
    assert lines_of(caplog) == ["a.tif: no CRS"]


def test_numbers_in_a_remark_stay(caplog):
    with remarks_kept():
        labels.log.warning("%s: labels lie %.2f px off", "a.tif", 0.25)
    assert lines_of(caplog) == ["a.tif: labels lie 0.25 px off"]


def test_afterwards_and_for_others_nothing_changes(caplog):
    with remarks_kept(tell=False):
        scene.log.warning("%s: %s", "a.tif", "no CRS")
        logging.getLogger("geoseg.other").warning("at once")
        scene.log.error("%s: %s", "a.tif", "worse")
    scene.log.warning("%s: %s", "a.tif", "no CRS")
    assert lines_of(caplog) == ["at once", "a.tif: worse", "a.tif: no CRS"]


def test_an_error_does_not_swallow_what_was_assumed(caplog):
    def fail():
        with remarks_kept():
            scene.log.warning("%s: %s", "a.tif", "no CRS")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert lines_of(caplog) == ["a.tif: no CRS"]
