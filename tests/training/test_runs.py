import pytest
import torch

from geoseg.errors import OutputError
from geoseg.training.runs import RunDirectory

STATE = {
    "iteration": 1,
    "network": {"weight": torch.ones(2)},
    "teacher": {},
    "optimizer": {},
    "scaler": {},
    "skipped": 0,
    "generators": [],
}


@pytest.fixture
def run(tmp_path):
    return RunDirectory(tmp_path / "run", resume=False)


def test_metrics_come_back_in_order(run):
    for iteration in (20, 40):
        run.log({"iteration": iteration, "loss": 1 / iteration})
    assert run.metrics() == ({"iteration": 20, "loss": 0.05}, {"iteration": 40, "loss": 0.025})


def test_steps_that_will_be_done_again_are_forgotten(run):
    for iteration in (20, 40, 60):
        run.log({"iteration": iteration})
    run.forget_after(40)
    assert [record["iteration"] for record in run.metrics()] == [20, 40]


def test_nothing_half_written_is_left_beside_the_files(run, tmp_path):
    run.describe({"a": 1}, {"b": 2})
    run.save_state(STATE)
    assert sorted(path.name for path in (tmp_path / "run").rglob("*") if path.is_file()) == [
        "config.yaml",
        "environment.json",
        "state.pt",
    ]
    assert torch.equal(run.load_state()["network"]["weight"], torch.ones(2))


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        RunDirectory(tmp_path / "file" / "run", resume=False)
