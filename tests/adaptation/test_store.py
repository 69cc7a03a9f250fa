from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from geoseg.adaptation.candidate import Candidate
from geoseg.adaptation.store import CandidateStore
from geoseg.errors import ModelError
from geoseg.raster.curves import BandCurve


def candidate(number):
    generator = torch.Generator().manual_seed(number)
    weight = torch.randn(3, 4, 5, 5, generator=generator).contiguous(memory_format=torch.channels_last)
    return Candidate(
        adapter="learn",
        label=f"learn-{number}",
        state={"weight": weight, "count": torch.tensor(number)},
        curves=(BandCurve(knots=(0.1, 1 / 3), values=(0.2, 2 / 3)),),
        parameters={"steps": number, "name": "a", "on": True, "rate": 1e-4},
        seconds=0.1 * number,
    )


def made(*numbers):
    return lambda: (candidate(number) for number in numbers)


def never():
    raise AssertionError("was made again")


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out" / "adapted"


def test_what_is_kept_comes_back_bit_for_bit(output):
    with CandidateStore(output, digest="a") as store:
        for stored, wanted in zip(store.keep("learn", made(1, 2)), (candidate(1), candidate(2)), strict=True):
            loaded = stored.load()
            assert (loaded.adapter, loaded.label, loaded.curves) == (wanted.adapter, wanted.label, wanted.curves)
            assert (loaded.parameters, loaded.seconds) == (wanted.parameters, wanted.seconds)
            assert all(torch.equal(loaded.state[name], wanted.state[name]) for name in wanted.state)


def interrupt(output, digest="a"):
    """One adapter comes through, the second is stopped after its first candidate."""
    with CandidateStore(output, digest=digest) as store:
        first = [stored.load() for stored in store.keep("first", made(1, 2))]
        next(iter(store.keep("second", made(3, 4))))
        assert first
        raise KeyboardInterrupt


def test_after_ctrl_c_only_adapters_that_came_through_are_taken_up(output, caplog):
    with caplog.at_level(logging.WARNING), pytest.raises(KeyboardInterrupt):
        interrupt(output)
    assert "stopped after 1 adapters: the same command goes on from there" in caplog.text
    with CandidateStore(output, digest="a") as store:
        again = [stored.load() for stored in store.keep("first", never)]
        assert [each.label for each in again] == ["learn-1", "learn-2"]
        assert torch.equal(again[0].state["weight"], candidate(1).state["weight"])
        assert [stored.label for stored in store.keep("second", made(3, 4))] == ["learn-3", "learn-4"]


def test_another_task_takes_up_nothing(output):
    with pytest.raises(KeyboardInterrupt):
        interrupt(output)
    with CandidateStore(output, digest="b") as store:
        assert store.ended("first") is None


def test_nothing_is_left_in_the_end_nor_where_nothing_came_through(output):
    with CandidateStore(output, digest="a") as store:
        list(store.keep("first", made(1)))
    assert list(Path(output).parent.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), CandidateStore(output, digest="a"):
        raise KeyboardInterrupt
    assert list(Path(output).parent.iterdir()) == []


def test_an_adapter_that_broke_off_breaks_off_again_without_being_run(output):
    def broken():
        yield candidate(1)
        raise ModelError("the loss is nan")

    with CandidateStore(output, digest="a") as store:
        for make in (broken, never):
            candidates = store.keep("learn", make)
            assert next(candidates).label == "learn-1"
            with pytest.raises(ModelError, match="the loss is nan"):
                next(candidates)


def test_weights_that_are_gone_are_one_line(output):
    with CandidateStore(output, digest="a") as store:
        stored = next(iter(store.keep("learn", made(1))))
        stored.file.write_bytes(b"nothing")
        with pytest.raises(ModelError, match="cannot be read any more"):
            stored.load()
