from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from geoseg.errors import ModelError
from geoseg.models.calibration import Calibration
from geoseg.models.package import load_package, save_package
from geoseg.raster.normalize import Normalizer
from pipelines.average_models import average_models, main


@pytest.fixture
def pair(tiny_model):
    one, other = load_package(tiny_model), load_package(tiny_model)
    with torch.no_grad():
        for parameter in other.network.parameters():
            parameter.add_(1)
    normalizer = Normalizer(scales=other.normalizer.scales, mean=(0.6,) * 3, std=(0.4,) * 3)
    return one, replace(other, calibration=Calibration(temperature=2.0), normalizer=normalizer)


def test_every_number_is_the_mean(pair):
    before = [{name: tensor.clone() for name, tensor in package.network.state_dict().items()} for package in pair]
    averaged = average_models(pair)
    for name, tensor in averaged.network.state_dict().items():
        assert torch.allclose(tensor.double(), (before[0][name].double() + before[1][name].double()) / 2), name
    assert averaged.calibration.temperature == 1.5
    assert averaged.normalizer.mean == pytest.approx((0.5,) * 3)
    assert averaged.normalizer.std == pytest.approx((0.3,) * 3)


def test_unlike_models_are_refused(pair):
    with pytest.raises(ModelError, match="another network, legend or bands"):
        average_models([pair[0], replace(pair[1], bands=("nir", "green", "blue"))])


def test_the_job_writes_a_package_that_loads(pair, tiny_model, tmp_path):
    save_package(pair[1], tmp_path / "other.zip")
    arguments = [str(tiny_model), str(tmp_path / "other.zip"), "-o", str(tmp_path / "mean.zip")]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == 0
    assert load_package(tmp_path / "mean.zip").calibration.temperature == 1.5
    assert CliRunner().invoke(main, arguments).exit_code == 1
