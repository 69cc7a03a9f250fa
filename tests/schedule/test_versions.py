"""Workers with another geoseg are refused before the first block; other libraries are told of."""

from __future__ import annotations

import logging
import operator

import pytest
from distributed import Client, LocalCluster

from geoseg.errors import ConfigError
from geoseg.schedule import run_blocks
from geoseg.schedule.cluster import run_on_cluster
from geoseg.schedule.versions import GEOSEG, SOURCES, Admission, versions_here

HERE = versions_here()
ADDRESSES = tuple(f"tcp://host-{number}:40000" for number in range(3))


class FakeClient:
    """A cluster whose workers say what they are told to."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def nthreads(self):
        return dict.fromkeys(ADDRESSES[: len(self.answers)], 2)

    def run(self, function, workers, on_error):
        assert (function, on_error) == (versions_here, "return")
        self.asked.append(workers)
        return {worker: self.answers[ADDRESSES.index(worker)] for worker in workers}


def test_workers_of_the_same_geoseg_are_asked_once_and_counted():
    client = FakeClient(HERE, HERE)
    admission = Admission(client)
    assert [admission.threads() for _ in range(3)] == [4, 4, 4]
    assert client.asked == [list(ADDRESSES[:2])]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (HERE | {GEOSEG: "9.9"}, rf"has geoseg 9\.9, this process has {HERE[GEOSEG]}"),
        (HERE | {SOURCES: "0"}, r"has .* as well, but its source files are not those of this process"),
        ({}, "has geoseg None"),
        (ModuleNotFoundError("No module named 'geoseg'"), r"has no geoseg, .* \(No module named 'geoseg'\)"),
        (AttributeError("no\nversions_here"), r"has no geoseg, or one that is older"),
    ],
)
def test_another_geoseg_is_refused_in_one_line_that_names_the_worker(answer, said):
    with pytest.raises(ConfigError, match=f"worker {ADDRESSES[1]} {said}") as raised:
        Admission(FakeClient(HERE, answer)).threads()
    assert "\n" not in str(raised.value)


def test_a_worker_that_comes_later_is_asked_too():
    client = FakeClient(HERE)
    admission = Admission(client)
    admission.threads()
    client.answers.append(HERE | {GEOSEG: "9.9"})
    with pytest.raises(ConfigError, match=ADDRESSES[1]):
        admission.threads()


def test_a_worker_that_was_lost_meanwhile_is_no_error():
    assert Admission(FakeClient(HERE, OSError("gone"))).threads() == 4


def test_other_libraries_are_told_in_a_line_once(caplog):
    other = HERE | {"numpy": "1.0", "torch": "1.0"}
    with caplog.at_level(logging.WARNING):
        Admission(FakeClient(HERE, other, other)).threads()
    [record] = caplog.records
    assert record.getMessage() == (
        f"worker {ADDRESSES[1]} has numpy 1.0 (here {HERE['numpy']}), torch 1.0 (here {HERE['torch']}): "
        "bytes of the map may not be those made here"
    )


def test_workers_of_this_installation_are_not_asked():
    client = FakeClient(HERE | {GEOSEG: "9.9"})
    assert Admission(client, asks=False).threads() == 2
    assert client.asked == []


@pytest.fixture
def address():
    """A scheduler that this process has not made as far as it knows; its workers are threads."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    options |= {"scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"}, "silence_logs": logging.ERROR}
    options["protocol"] = "tcp"
    with LocalCluster(**options) as cluster:
        yield cluster.scheduler_address


def test_no_block_is_computed_by_workers_of_another_geoseg(address, monkeypatch):
    seen = []
    monkeypatch.setattr(Admission, "_admit", _as_if_other(Admission._admit))
    with pytest.raises(ConfigError, match=r"has geoseg 9\.9"):
        run_blocks(pytest.fail, seen.append, [1, 2, 3], scheduler=address)
    assert seen == []


def _as_if_other(admit):
    def changed(admission, answers):
        admit(admission, {worker: dict(answer) | {GEOSEG: "9.9"} for worker, answer in answers.items()})

    return changed


def test_workers_of_a_running_cluster_say_what_they_have(address):
    seen = []
    with Client(address) as client:
        run_on_cluster(operator.neg, seen.append, [1, 2, 3], client)
        [first, second] = client.run(versions_here).values()
    assert sorted(seen) == [-3, -2, -1]
    assert first == second == HERE
