import sys
import types
from typing import ClassVar

import pytest

from geoseg.errors import ConfigError
from geoseg.training.event_log import EventLog


class FakeWriter:
    """Keeps what TensorBoard would write."""

    made: ClassVar[list["FakeWriter"]] = []

    def __init__(self, folder, purge_step):
        self.folder, self.purge_step, self.scalars, self.closed = folder, purge_step, [], False
        self.made.append(self)

    def add_scalar(self, name, value, iteration):
        self.scalars.append((name, value, iteration))

    def flush(self):
        pass

    def close(self):
        self.closed = True


def test_numbers_reach_tensorboard_and_steps_done_again_replace_their_old_ones(monkeypatch, tmp_path):
    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = FakeWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    log = EventLog(tmp_path, resumed_after=40)
    log.log({"iteration": 60, "loss": 0.5, "learning_rate": None, "seconds": 3.0})
    log.log({"iteration": 60, "val_mean_iou": 0.25, "val": {"sources": {"a": {"mean_iou": 0.125}}}})
    log.close()
    writer = FakeWriter.made[-1]
    assert writer.scalars == [("loss", 0.5, 60), ("val_mean_iou", 0.25, 60), ("val_mean_iou/a", 0.125, 60)]
    assert (writer.purge_step, writer.closed) == (41, True)


def test_without_the_package_one_line_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"pip install geoseg\[tensorboard\]"):
        EventLog(tmp_path, resumed_after=0)
