"""From windows to a report."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from geoseg.models.package import load_package
from geoseg.models.reference import AccuracyFit, ReferenceStatistics
from geoseg.shift.bands import LEVELS, band_quantiles
from geoseg.shift.features import fit_features
from geoseg.shift.forward import Forward
from geoseg.shift.measure import measure_shift
from geoseg.shift.moments import measure_moments
from geoseg.shift.predictors import PREDICTORS
from geoseg.shift.report import SceneFacts
from geoseg.shift.windows import Place, WindowSample
from geoseg.window import Window

SIDE = 64
COUNT = 4
SPREAD = {"bands": 0.1, "layers": 0.05, "prior": 0.02, "features": 0.02}


def sample_of(seed=0, *, gain=1.0, offset=0.0):
    random = np.random.default_rng(seed)
    field = gaussian_filter(random.normal(size=(COUNT, 3, SIDE, SIDE)), (0, 0, 4, 4)) * 1.6
    images = np.clip(0.4 + field, 0.02, 1).astype(np.float32) * np.float32(gain) + np.float32(offset)
    places = tuple(
        Place(scene=0, window=Window(row=number * SIDE, col=0, height=SIDE, width=SIDE)) for number in range(COUNT)
    )
    return WindowSample(images=images, valid=np.ones((COUNT, SIDE, SIDE), dtype=bool), places=places)


def facts(**changes):
    known = {"scene": "a.tif", "gsd": 1.0, "gsd_ratio": 1.0, "dtype": "uint8", "scale": 1 / 255, "bands_absent": ()}
    return SceneFacts(**(known | {"by_position": False, "nodata": 0.0} | changes))


@pytest.fixture(scope="module")
def package(tiny_model):
    return load_package(tiny_model)


@pytest.fixture(scope="module")
def forward(package):
    return Forward(network=package.network, calibration=package.calibration)


@pytest.fixture(scope="module")
def known(package, forward):
    """The package with a reference of the very sample that most tests look at."""
    sample = sample_of()
    images, valid = sample.tensor(package.normalizer), torch.from_numpy(sample.valid)
    shares = np.bincount(forward.logits(images).argmax(dim=1).flatten().numpy(), minlength=3) + 1.0
    points = np.array([[0.2] * len(PREDICTORS) + [0.2], [0.9] * len(PREDICTORS) + [0.8]])
    reference = ReferenceStatistics(
        levels=LEVELS,
        quantiles=band_quantiles(sample),
        moments=measure_moments(forward, images, valid),
        prior=shares / shares.sum(),
        confusion=np.diag(shares),
        features=fit_features(forward, images, valid),
        accuracy=AccuracyFit(names=PREDICTORS, weights=np.full(len(PREDICTORS) + 1, 0.3), error=0.1, points=points),
        spread=SPREAD,
    )
    return replace(package, reference=reference)


def test_the_reference_ground_itself_is_fine(known, forward):
    report = measure_shift(known, sample_of(), forward)
    found = report.distances
    assert report.verdict == "fine"
    assert found.bands == pytest.approx(0, abs=1e-6)
    assert found.layers == pytest.approx(0, abs=1e-6)
    assert found.features == pytest.approx(0.01, abs=0.02)
    assert report.expected is not None
    assert 0 <= report.expected.low <= report.expected.mean_iou <= report.expected.high <= 1


def test_another_light_is_radiometric_and_matching_brings_the_layers_back(known, forward):
    found = measure_shift(known, sample_of(gain=0.6, offset=0.3), forward).distances
    assert found.bands > 0.5
    assert found.layers_matched < found.layers / 2


def test_values_in_another_unit_are_unusable_and_the_unit_is_named(known, forward):
    report = measure_shift(known, sample_of(gain=255.0), forward, scenes=[facts(dtype="float32", scale=1.0)])
    assert report.verdict == "unusable"
    assert "8 bits" in report.judgement.sentence


def test_pixels_far_too_large_are_unusable(known, forward):
    assert measure_shift(known, sample_of(), forward, scenes=[facts(gsd_ratio=9.0)]).verdict == "unusable"


def test_without_a_reference_bands_and_classes_are_told_and_the_rest_is_not(package, forward):
    report = measure_shift(package, sample_of(), forward)
    assert report.expected is None
    assert report.spread == {}
    assert report.distances.bands is not None
    assert (report.distances.layers, report.distances.prior, report.distances.features) == (None, None, None)
    assert len(report.unsaid) == 1
    assert sum(share.predicted for share in report.classes) == pytest.approx(1)
    assert {share.reference for share in report.classes} == {None}


def test_bands_that_the_scenes_lack_are_left_out(known, forward):
    sample = sample_of()
    images = sample.images.copy()
    images[:, 1] = np.nan
    report = measure_shift(known, replace(sample, images=images), forward)
    assert [row.band for row in report.bands] == ["red", "blue"]
    assert report.distances.bands == pytest.approx(0, abs=1e-6)


def test_pixels_that_are_not_valid_change_nothing(known, forward):
    sample = sample_of()
    valid = sample.valid.copy()
    valid[:, : SIDE // 2] = False
    odd = np.where(valid[:, None], sample.images, np.float32(1e4))
    one = measure_shift(known, replace(sample, valid=valid), forward)
    other = measure_shift(known, replace(sample, valid=valid, images=odd), forward)
    assert one.as_json() == other.as_json()


@pytest.mark.parametrize("with_reference", [True, False])
def test_the_report_is_plain_json_and_the_same_each_time(known, package, forward, with_reference):
    model = known if with_reference else package
    texts = [
        json.dumps(measure_shift(model, sample_of(3), forward, scenes=[facts()]).as_json(), allow_nan=False)
        for _ in range(2)
    ]
    assert texts[0] == texts[1]
    keys = {"model", "windows", "verdict", "sentence", "suited", "forbidden", "expected", "distances", "spread"}
    assert set(json.loads(texts[0])) == keys | {"bands", "classes", "scenes", "unsaid"}
