"""Blocks in parts: consumed as they come, in order, a few at a time, in this process."""

from __future__ import annotations

import threading
import time

import pytest

from geoseg.errors import SceneError
from geoseg.schedule import stream_blocks


def three_parts(block):
    for part in range(3):
        yield 10 * block + part


def test_parts_are_consumed_in_order():
    seen = []
    stream_blocks(three_parts, seen.append, range(12))
    assert seen == [10 * block + part for block in range(12) for part in range(3)]


def test_without_blocks_nothing_happens():
    stream_blocks(pytest.fail, pytest.fail, [])


def test_a_block_without_parts_is_skipped():
    seen = []
    stream_blocks(lambda block: [] if block == 1 else [block], seen.append, [0, 1, 2])
    assert seen == [0, 2]


def test_parts_are_consumed_while_their_block_is_computed():
    first_is_consumed = threading.Event()

    def compute(_):
        yield 0
        assert first_is_consumed.wait(5)
        yield 1

    stream_blocks(compute, lambda _: first_is_consumed.set(), [0])
    assert first_is_consumed.is_set()


def test_few_parts_wait_for_a_slow_consumer():
    made, consumed, most = 0, 0, 0

    def compute(_):
        nonlocal made, most
        for part in range(40):
            made += 1
            most = max(most, made - consumed)
            yield part

    def consume(_):
        nonlocal consumed
        time.sleep(0.003)
        consumed += 1

    stream_blocks(compute, consume, [0])
    assert most <= 6


@pytest.mark.parametrize("where", ["compute", "consume"])
def test_an_error_comes_through_and_ends_the_work(where):
    made, seen = [], []

    def compute(_):
        for part in range(100):
            made.append(part)
            if where == "compute" and part == 7:
                raise SceneError("part 7 cannot be read")
            yield part

    def consume(part):
        if where == "consume" and part == 7:
            raise SceneError("part 7 cannot be written")
        seen.append(part)

    before = threading.active_count()
    with pytest.raises(SceneError, match="part 7"):
        stream_blocks(compute, consume, range(5))

    time.sleep(0.3)
    assert seen == list(range(len(seen)))
    assert len(seen) <= 7
    assert len(made) < 20
    assert threading.active_count() <= before + 2  # Dask keeps its two threads, waiting
