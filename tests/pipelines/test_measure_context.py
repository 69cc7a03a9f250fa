import shutil

import pytest
from click.testing import CliRunner

from geoseg.models.context import Context
from geoseg.models.package import load_package
from geoseg.models.zoo import read_card
from pipelines import measure_context
from pipelines.measure_context import main

FOUND = Context(radius=7, divisor=32, tile=64, labels=(0.25, 0.0), probabilities=(0.125, 0.0))


@pytest.fixture
def package(tiny_model, tmp_path):
    return shutil.copy(tiny_model, tmp_path / "model.zip")


def test_the_context_is_all_that_changes(package, monkeypatch):
    before = read_card(package)
    monkeypatch.setattr(measure_context, "measure_context", lambda *_, **__: FOUND)
    result = CliRunner().invoke(main, [str(package)])
    assert result.output == f"model.zip: {FOUND.summary}\n"
    after = read_card(package)
    assert after.context == load_package(package).context == FOUND
    assert (after.weights_sha256, after.name, after.overlap) == (before.weights_sha256, before.name, before.overlap)


def test_a_network_of_one_size_is_left_as_it_was(package, monkeypatch):
    monkeypatch.setattr(measure_context, "measure_context", lambda *_, **__: None)
    before = package.read_bytes()
    result = CliRunner().invoke(main, [str(package)])
    assert result.exit_code == 1
    assert "its network takes no tile but 64 px" in result.output
    assert package.read_bytes() == before
