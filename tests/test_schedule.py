"""Blocks are computed anywhere and consumed here, in order, a few at a time."""

from __future__ import annotations

import operator
import threading
import time

import pytest

from geoseg.errors import ConfigError, SceneError
from geoseg.schedule import run_blocks


def test_results_are_consumed_in_the_order_of_the_blocks():
    def slower_at_first(block):
        time.sleep(0.02 if block % 3 == 0 else 0)
        return block * 10

    seen = []
    run_blocks(slower_at_first, seen.append, list(range(20)))
    assert seen == [block * 10 for block in range(20)]


def test_every_block_is_computed_once():
    computed = []
    run_blocks(computed.append, lambda _: None, list(range(30)))
    assert sorted(computed) == list(range(30))


def test_without_blocks_nothing_happens():
    run_blocks(pytest.fail, pytest.fail, [])


def test_few_results_wait_for_a_slow_consumer():
    lock, waiting, most = threading.Lock(), 0, 0

    def compute(block):
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)
        return block

    def consume(_):
        nonlocal waiting
        time.sleep(0.005)
        with lock:
            waiting -= 1

    run_blocks(compute, consume, list(range(40)))
    assert most <= 5


def test_the_consumer_is_never_called_twice_at_a_time():
    turn = threading.Lock()

    def consume(_):
        assert turn.acquire(blocking=False)
        time.sleep(0.001)
        turn.release()

    run_blocks(lambda block: block, consume, list(range(20)))


@pytest.mark.parametrize("where", ["compute", "consume"])
def test_an_error_comes_through_and_ends_the_work(where):
    computed = []

    def fail_at_three(block):
        if block == 3:
            raise SceneError("block 3 cannot be read")
        return block

    def compute(block):
        computed.append(block)
        return fail_at_three(block) if where == "compute" else block

    with pytest.raises(SceneError, match="block 3"):
        run_blocks(compute, fail_at_three if where == "consume" else lambda _: None, list(range(100)))
    assert len(computed) < 15


def test_nothing_is_consumed_after_an_error():
    go, seen = threading.Event(), []

    def compute(block):
        if block == 0:
            go.wait(5)
        else:
            raise SceneError("no")
        return block

    with pytest.raises(SceneError):
        run_blocks(compute, seen.append, [0, 1])
    go.set()
    time.sleep(0.05)
    assert seen == []


def test_a_scheduler_that_does_not_answer_is_an_error_of_one_line(monkeypatch):
    monkeypatch.setattr("geoseg.schedule.cluster._CONNECT_SECONDS", "200ms")
    with pytest.raises(ConfigError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:9'") as raised:
        run_blocks(str, str, [1], scheduler="tcp://127.0.0.1:9")
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_processes_give_the_same():
    seen = []
    run_blocks(operator.neg, seen.append, list(range(12)), workers=2)
    assert sorted(seen) == [-block for block in reversed(range(12))]
