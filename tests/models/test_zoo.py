import shutil
import subprocess
import sys
import zipfile

import pytest

from geoseg.errors import ModelError, OutputError
from geoseg.models import zoo

LISTING_WITHOUT_TORCH = """
import sys
from geoseg.models.zoo import describe_models
describe_models()
assert "torch" not in sys.modules
"""


@pytest.fixture
def shelf(tiny_model, tmp_path, monkeypatch):
    folder = tmp_path / "shelf"
    with zipfile.ZipFile(tiny_model) as archive:
        archive.extractall(folder / "tiny")
    (folder / "no-model").mkdir()
    monkeypatch.setattr(zoo, "_shelf", lambda: folder)
    return folder


@pytest.mark.usefixtures("shelf")
def test_only_folders_with_a_card_are_models():
    assert zoo.packaged_models() == ("tiny",)
    assert [card.name for card in zoo.describe_models()] == ["tiny"]


def test_a_model_loads_by_name_by_folder_and_by_zip(shelf, tiny_model):
    for way in ("tiny", shelf / "tiny", str(shelf / "tiny"), tiny_model):
        assert zoo.load_model(way).name == "tiny"


@pytest.mark.usefixtures("shelf")
def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(ModelError, match=r"absent: no packaged model .*packaged models: tiny"):
        zoo.load_model("absent")
    with pytest.raises(ModelError, match=r"did you mean tiny\?"):
        zoo.load_model("tinny")


def test_an_exported_model_is_the_packaged_one(shelf, tmp_path):
    copy = zoo.export_model("tiny", tmp_path / "out")
    assert copy == tmp_path / "out" / "tiny"
    for name in ("model.json", "weights.safetensors"):
        assert (copy / name).read_bytes() == (shelf / "tiny" / name).read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        zoo.export_model("tiny", tmp_path / "out")


def test_only_packaged_models_are_exported(shelf, tmp_path):
    with pytest.raises(ModelError, match="is no packaged model"):
        zoo.export_model(str(shelf / "tiny"), tmp_path / "out")
    with pytest.raises(ModelError, match="no packaged model"):
        zoo.export_model("absent", tmp_path / "out")


def test_a_damaged_card_is_named(shelf):
    (shelf / "tiny" / "model.json").write_text("[]")
    with pytest.raises(ModelError, match=r"tiny: not a model card"):
        zoo.describe_models()
    shutil.rmtree(shelf / "tiny")
    with pytest.raises(ModelError, match=r"model.json: cannot be read"):
        zoo.read_card(shelf / "tiny")


def test_listing_needs_no_torch():
    subprocess.run([sys.executable, "-c", LISTING_WITHOUT_TORCH], check=True)
