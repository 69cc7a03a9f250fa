"""Events: facts with names, a line for people and one for programs."""

from __future__ import annotations

import json
import logging
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.events import COMMAND_ID, VERBOSE, Event, Told, in_words, stamped

VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=2)


@pytest.fixture
def events(caplog):
    """What is told, as it comes."""
    caplog.set_level(VERBOSE, logger="geoseg")
    return lambda: [record.msg for record in caplog.records]


def test_what_is_common_is_in_every_event_and_what_is_unknown_in_none(events):
    told = Told(scene="a.tif")
    told("started", model=None)
    told.also(run_id="7")
    told("block", rows=3)
    assert events() == [
        Event("started", {"scene": "a.tif"}),
        Event("block", {"scene": "a.tif", "run_id": "7", "rows": 3}),
    ]


def test_where_nobody_listens_nothing_is_told(caplog):
    with caplog.at_level(logging.INFO, logger="geoseg"):
        Told()("block")
    assert caplog.records == []


@given(facts=st.dictionaries(st.sampled_from(["scene", "error", "rows"]), VALUES))
def test_an_event_is_json_with_a_moment(facts):
    line = json.loads(json.dumps(stamped(Event("block", facts))))
    assert line["event"] == "block"
    assert line["command_id"] == COMMAND_ID
    assert line["time"].endswith("Z")
    assert {key: line[key] for key in facts} == facts


def test_seconds_never_go_back():
    moments = [stamped(Event("block", {}))["seconds"] for _ in range(50)]
    assert moments == sorted(moments)


@given(text=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1))
def test_a_line_falls_into_as_many_words_as_there_are_facts(text):
    line = in_words(Event("failed", {"scene": "a.tif", "error": text, "rows": 7}))
    value = line.split(" error=", 1)[1].removesuffix(" rows=7")
    assert (json.loads(value) if value.startswith('"') else value) == text
    assert value.startswith('"') or len(shlex.split(line.replace("\\", "").replace("'", ""))) == 6
