"""Work done ahead comes in order, is bounded, and ends with its consumer."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.ahead import in_order, read_ahead


@given(st.lists(st.integers(), max_size=5))
def test_reading_ahead_changes_nothing(items):
    assert list(read_ahead(items)) == items


def test_reading_ahead_is_one_item_ahead():
    made = []
    second = threading.Event()

    def source():
        for item in range(10):
            made.append(item)
            if item == 1:
                second.set()
            yield item

    ahead = read_ahead(source())
    assert next(ahead) == 0
    assert second.wait(5)
    assert made == [0, 1]
    ahead.close()


def test_an_error_while_reading_ahead_comes_through():
    def source():
        yield 1
        raise OSError("the disk is gone")

    ahead = read_ahead(source())
    assert next(ahead) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(ahead)


def test_reading_ahead_stops_with_its_consumer():
    before = threading.active_count()
    ahead = read_ahead(iter(range(10**9)))
    next(ahead)
    ahead.close()
    assert threading.active_count() == before


@given(st.lists(st.integers(), max_size=20), st.integers(1, 4), st.integers(1, 3))
def test_results_come_in_the_order_of_the_items(items, workers, ahead):
    assert list(in_order(lambda item: item * 2, items, workers=workers, ahead=ahead)) == [item * 2 for item in items]


def test_items_are_drawn_only_a_few_ahead_of_the_results():
    drawn = []

    def source():
        for item in range(100):
            drawn.append(item)
            yield item

    results = in_order(str, source(), workers=2, ahead=3)
    assert next(results) == "0"
    assert len(drawn) == 5
    results.close()


def test_an_error_stands_where_its_result_would():
    def half(item):
        if item == 3:
            raise ValueError("three")
        return item

    results = in_order(half, range(10), workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_every_thread_begins_before_its_first_item():
    ready = threading.local()

    def begin():
        ready.yes = True

    assert all(in_order(lambda _: ready.yes, range(20), workers=3, begin=begin))
