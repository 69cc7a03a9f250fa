import math

import pytest

from geoseg.errors import ModelError
from geoseg.models.calibration import Calibration


def test_a_calibration_without_vectors_leaves_classes_alike():
    assert not Calibration(temperature=2.0).is_vector
    assert Calibration(temperature=2.0).filled(2) == Calibration(temperature=2.0, scale=(1, 1), bias=(0, 0))


def test_what_is_written_out_stays_as_it_is():
    calibration = Calibration(temperature=0.5, scale=(2.0, 1.0, 0.5), bias=(0.1, 0.0, -0.1))
    assert calibration.is_vector
    assert calibration.filled(3) == calibration


@pytest.mark.parametrize(
    "changes",
    [
        *({"temperature": number} for number in (0.0, -1.0, math.nan, math.inf)),
        *({"scale": (1.0, number)} for number in (0.0, -1.0, math.nan, math.inf)),
        *({"bias": (0.0, number)} for number in (math.nan, math.inf)),
    ],
)
def test_numbers_that_calibrate_nothing_are_refused(changes):
    with pytest.raises(ModelError):
        Calibration(**changes)


@pytest.mark.parametrize("changes", [{"scale": (1.0, 1.0)}, {"bias": (0.0,) * 4}])
def test_vectors_for_another_number_of_classes_are_refused(changes):
    with pytest.raises(ModelError, match="the model 3 classes"):
        Calibration(**changes).filled(3)
