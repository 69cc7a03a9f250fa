import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from geoseg.data.chips import Chip
from geoseg.data.label_sets import LabelSets
from geoseg.models.calibration import Calibration
from geoseg.training.calibrate import calibrated_logits
from geoseg.training.judging import PixelSample, ScoreSheet, View, _read_ahead, calibrated

SETS = LabelSets(sets=((0,), (1,), (2,), (0, 1), (0, 1, 2)), names=("a", "b", "c", "a|b", "a|b|c"), classes=3)


def view_of(seed=0, *, source=("here", (0, 1, 2)), codes=3):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, codes, (20, 20), dtype=np.uint8)
    labels[:2] = 255
    chip = Chip(image=rng.random((1, 20, 20), dtype=np.float32), labels=labels, valid=labels < 255)
    logits = rng.standard_normal((3, 20, 20)).astype(np.float32)
    return View(source=source, chip=chip, labels=labels, logits=logits)


@given(st.floats(0.1, 5), st.booleans())
def test_whole_windows_are_calibrated_as_single_pixels_are(temperature, vector):
    calibration = Calibration(
        temperature=temperature, scale=(1.0, 2.0, 0.5) if vector else (), bias=(0.1, 0.0, -3.0) if vector else ()
    )
    logits = view_of().logits
    expected = calibrated_logits(logits.reshape(3, -1).T, calibration).T.reshape(logits.shape)
    assert np.allclose(calibrated(logits, calibration), expected, atol=1e-4)


def test_scores_follow_the_decisions_that_the_calibration_makes():
    view = view_of()
    sheet = ScoreSheet(SETS, Calibration(bias=(100.0, 0.0, 0.0)))
    sheet.see(view)
    (score,) = sheet.score().sources
    assert score.confusion.counts[:, 0].sum() == score.confusion.pixels == 360


def test_sources_come_in_the_order_of_their_names_and_those_without_a_pixel_not_at_all():
    sheet = ScoreSheet(SETS, Calibration())
    nothing = view_of(source=("nothing", (0,)))
    nothing.labels[:] = 255
    for view in (view_of(source=("b", (0, 1, 2))), nothing, view_of(source=("a", (0, 1, 2)))):
        sheet.see(view)
    assert [score.name for score in sheet.score().sources] == ["a", "b"]


def test_the_calibration_error_is_that_of_the_sampled_pixels():
    sample = PixelSample(SETS.members)
    view = view_of(codes=4)
    sample.see(view)
    known = np.flatnonzero(view.labels.ravel() < 255)[::37]
    shares = special.softmax(view.logits.reshape(3, -1).T[known], axis=1)
    right = SETS.members[view.labels.ravel()[known], shares.argmax(axis=1)]
    bins = np.ceil(shares.max(axis=1) * 15)
    expected = sum(
        (bins == b).mean() * abs(right[bins == b].mean() - shares.max(axis=1)[bins == b].mean())
        for b in np.unique(bins)
    )
    assert sample.error(Calibration()) == pytest.approx(expected)


@pytest.mark.parametrize(("method", "is_vector"), [("temperature", False), ("vector", True)])
def test_a_temperature_moves_no_class_and_a_vector_may(method, is_vector):
    sample = PixelSample(SETS.members)
    for seed in range(20):
        view = view_of(seed)
        view.logits[0] += 3
        sample.see(view)
    assert sample.calibration(method).is_vector == is_vector


def test_labels_that_leave_everything_open_calibrate_nothing():
    sample = PixelSample(SETS.members)
    view = view_of()
    view.labels[:] = 4
    sample.see(view)
    assert sample.calibration("best") == Calibration()
    assert np.isnan(sample.error(Calibration()))


def test_too_sure_logits_are_tempered():
    sample = PixelSample(SETS.members)
    for seed in range(40):
        view = view_of(seed)
        view.logits[:] *= 20
        sample.see(view)
    errors = sample.errors(sample.calibration("best"))
    assert errors["after"] < errors["before"] / 3


def test_reading_ahead_changes_nothing_and_passes_errors_on():
    assert list(_read_ahead(iter(range(5)))) == list(range(5))
    assert list(_read_ahead(())) == []

    def broken():
        yield torch.zeros(1)
        raise ValueError("broken")

    items = _read_ahead(broken())
    assert next(items) == 0
    with pytest.raises(ValueError, match="broken"):
        next(items)
