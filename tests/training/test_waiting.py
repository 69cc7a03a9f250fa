import pytest

from geoseg.training import waiting
from geoseg.training.waiting import WaitClock


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when it is told to."""

    class Time:
        now = 0.0

        def perf_counter(self):
            return self.now

    time = Time()
    monkeypatch.setattr(waiting, "time", time)
    return time


def test_only_waiting_and_steps_count(clock):
    def slow_batches():
        for batch in range(3):
            clock.now += 1
            yield batch

    waited = WaitClock()
    assert waited.share == 0
    seen = []
    for batch in waited.watch(slow_batches()):
        seen.append(batch)
        clock.now += 4
        waited.stepped()
        clock.now += 100  # a pause
    assert seen == [0, 1, 2]
    assert waited.steps == 3
    assert waited.share == pytest.approx(1 / 5)
