import csv
import io
import math

import numpy as np
import pytest

from geoseg.classes import ClassMap
from geoseg.data.chips import Chip
from geoseg.data.confusion import ConfusionMatrix
from geoseg.models.calibration import Calibration
from geoseg.training.judging import View
from geoseg.training.pictures import SampleBoard, confusion_table, draw_confusion, draw_samples
from geoseg.training.scoring import SourceScore

LEGEND = ClassMap.of([(0, "water", "#0000ff"), (3, "forest", "#00ff00"), (7, "crop", "#ff0000")])
MEMBERS = np.array([[True, False, False], [False, True, False], [False, False, True], [False, True, True]])
SCORE = SourceScore(
    "alps", ("water", "forest", "forest|crop"), ConfusionMatrix(np.array([[8, 2, 0], [0, 0, 0], [1, 0, 3]]))
)


def view_of(labels, *, source=("here", (0, 1)), bands=3):
    labels = np.array(labels, dtype=np.uint8)
    valid = labels != 254
    image = np.random.default_rng(0).random((bands, *labels.shape), dtype=np.float32)
    logits = np.zeros((3, *labels.shape), dtype=np.float32)
    logits[2] = 2
    chip = Chip(image=image, labels=labels, valid=valid)
    return View(source=source, chip=chip, labels=np.where(valid, labels, 255).astype(np.uint8), logits=logits)


def drawn(views, **changes):
    """The pictures of the first row: scene, truth, map and confidence."""
    options = {"members": MEMBERS, "bands": ("red", "green", "blue"), "calibration": Calibration()} | changes
    figure = draw_samples(views, LEGEND, **options)
    return [axes.images[0].get_array() for axes in figure.axes[:4]], figure


def test_the_confusion_table_has_a_row_for_each_pair_of_classes():
    text = io.StringIO()
    csv.writer(text).writerows(confusion_table([("validation", SCORE)]))
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert len(rows) == 9
    assert sum(int(row["pixels"]) for row in rows) == 14
    assert [row["share_of_reference"] for row in rows] == ["0.8", "0.2", "0.0", "", "", "", "0.25", "0.0", "0.75"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_each_source_has_a_confusion_matrix(count):
    figure = draw_confusion([("validation", SCORE)] * count)
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == count
    for axes in shown:
        assert np.allclose(axes.images[0].get_array(), [[0.8, 0.2, 0], [0, 0, 0], [0.25, 0, 0.75]])
        assert [text.get_text() for text in axes.texts] == ["8\n80%", "2\n20%", "1\n25%", "3\n75%"]


def test_the_board_keeps_the_views_with_the_most_labels_of_every_source():
    board = SampleBoard(sources=2)
    for known in (2, 40, 30, 20, 10):
        for name in ("b", "a"):
            labels = np.full(64, 255)
            labels[:known] = np.arange(known) % 2
            board.see(view_of(labels.reshape(8, 8), source=(name, (0, 1))))
    board.see(view_of(np.arange(64).reshape(8, 8) % 3, source=("b", (0, 1))))
    kept = [(view.source[0], int((view.labels < 255).sum())) for view in board.views()]
    assert kept == [("a", 40), ("a", 30), ("a", 20), ("b", 64), ("b", 40), ("b", 30)]


def test_many_sources_share_six_rows():
    board = SampleBoard(sources=9)
    for number in range(9):
        board.see(view_of([[0, 1]], source=(str(number), ())))
    assert len(board.views()) == 6


def test_truth_and_map_have_the_colours_of_the_legend_and_unknown_is_white():
    (scene, truth, decided, confidence), figure = drawn([view_of([[0, 1, 2], [255, 254, 0]])])
    blue, green, red, white = (0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1)
    assert np.allclose(truth, [[blue, green, red], [white, white, blue]])
    assert np.allclose(decided, [[red, red, red], [red, white, red]])
    assert np.allclose(scene[1, 1], white)
    assert np.ma.getmaskarray(np.ma.masked_invalid(confidence)).tolist() == [[False] * 3, [False, True, False]]
    assert float(confidence[0, 0]) == pytest.approx(math.exp(2) / (math.exp(2) + 2), abs=1e-5)
    entries = [text.get_text() for text in figure.legends[0].get_texts()]
    assert entries == ["water", "forest", "crop", "several classes possible", "unknown"]


def test_a_label_of_several_classes_is_striped_in_their_colours():
    (_, truth, _, _), _ = drawn([view_of(np.full((24, 24), 3))])
    shown = {tuple(colour) for colour in truth.reshape(-1, 3).tolist()}
    assert shown == {(0, 1, 0), (1, 0, 0), (0.75, 0.75, 0.75)}


def test_the_map_and_the_confidence_are_calibrated():
    calibration = Calibration(bias=(9.0, 0.0, 0.0))
    (_, _, decided, _), _ = drawn([view_of([[0, 1]])], calibration=calibration)
    assert np.allclose(decided, [[(0, 0, 1), (0, 0, 1)]])


@pytest.mark.parametrize("bands", [("red", "green", "blue"), ("blue", "nir", "green", "red"), ("nir",), ("a", "b")])
def test_any_bands_make_a_picture(bands):
    view = view_of([[0, 1, 2]], bands=len(bands))
    (scene, *_), _ = drawn([view], bands=bands)
    assert scene.shape == (1, 3, 3)
    if "red" in bands:
        seen = [np.argsort(view.chip.image[bands.index(name)][0]) for name in ("red", "green", "blue")]
        assert all(np.array_equal(np.argsort(scene[0, :, place]), order) for place, order in enumerate(seen))


def test_a_band_that_is_missing_and_an_empty_board_are_drawn_too():
    view = view_of([[0, 1]])
    view.chip.image[1] = np.nan
    (scene, *_), _ = drawn([view])
    assert np.isfinite(scene).all()
    assert draw_samples([], LEGEND, members=MEMBERS, bands=("a",), calibration=Calibration())
