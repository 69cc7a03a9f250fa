import json

import torch

from geoseg.training import environment
from geoseg.training.environment import describe_environment


def test_the_environment_is_plain_json():
    stated = describe_environment(torch.device("cpu"), precision="fp32", processes=2)
    assert json.loads(json.dumps(stated)) == stated
    assert stated["packages"]["torch"] == torch.__version__
    assert stated["processes"] == 2
    assert stated["cpu"]


def test_outside_of_a_repository_there_is_no_commit(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "environment.py"))
    assert describe_environment(torch.device("cpu"), precision="fp32")["commit"] is None


def test_below_a_strange_repository_there_is_no_commit(monkeypatch):
    monkeypatch.setattr(environment, "_git", lambda *words: None if words[0] == "ls-files" else "theirs")
    assert describe_environment(torch.device("cpu"), precision="fp32")["commit"] is None
