"""Blocks on a Dask cluster: each is consumed once, others take over from a lost worker, a lost cluster is one line."""

from __future__ import annotations

import json
import logging
import operator
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from distributed import Client, LocalCluster

from geoseg.errors import ConfigError, SceneError
from geoseg.schedule import run_blocks
from geoseg.schedule.cluster import run_on_cluster

QUIET = {"dashboard_address": "127.0.0.1:0"}


class Running:
    """How many computations there are, in the threads of this process."""

    def __init__(self):
        self.lock, self.begun, self.now, self.most = threading.Lock(), 0, 0, 0

    def begin(self):
        with self.lock:
            self.begun, self.now = self.begun + 1, self.now + 1
            self.most = max(self.most, self.now)

    def end(self):
        with self.lock:
            self.now -= 1


RUNNING, GO = [Running()], threading.Event()  # Dask copies functions but not what is in their modules


@pytest.fixture
def running():
    """Computations from now on; those of earlier tests may still end."""
    RUNNING[0] = Running()
    return RUNNING[0]


@pytest.fixture
def client():
    """A cluster of two threads in this process."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    options |= {"scheduler_kwargs": QUIET, "silence_logs": logging.ERROR}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        yield client


def test_every_result_is_consumed_once(client):
    seen = []
    run_on_cluster(operator.neg, seen.append, list(range(30)), client)
    assert sorted(seen) == sorted(-block for block in range(30))


def first_waits(block):
    if block == 0:
        assert GO.wait(10)
    return block


def test_a_slow_block_does_not_keep_others_from_being_consumed(client):
    GO.clear()
    seen = []

    def consume(block):
        seen.append(block)
        if len(seen) == 5:
            GO.set()

    run_on_cluster(first_waits, consume, list(range(6)), client)
    assert seen[-1] == 0


def counted(block):
    running = RUNNING[0]
    running.begin()
    time.sleep(0.005)
    running.end()
    return block


def test_few_results_wait_for_a_slow_consumer(client, running):
    consumed, most = 0, 0

    def consume(_):
        nonlocal consumed, most
        time.sleep(0.01)
        most = max(most, running.begun - consumed)
        consumed += 1

    run_on_cluster(counted, consume, list(range(40)), client)
    assert most <= 5


def test_the_scheduler_keeps_nothing(client):
    run_on_cluster(operator.neg, lambda _: None, list(range(50)), client)
    deadline = time.monotonic() + 5
    while (kept := client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.05)
    assert kept == 0


def fails_at_three(block):
    RUNNING[0].begin()
    if block == 3:
        raise SceneError("block 3 cannot be read")
    time.sleep(0.005)  # else many end before the error is heard of
    return block


@pytest.mark.parametrize("where", ["compute", "consume"])
def test_an_error_comes_through_and_ends_the_work(client, running, where):
    compute, consume = (fails_at_three, id) if where == "compute" else (counted, fails_at_three)
    with pytest.raises(SceneError, match="block 3"):
        run_on_cluster(compute, consume, list(range(1000)), client)
    assert running.begun < 500


def test_where_workers_have_an_accelerator_a_block_is_alone_on_it(running):
    options = {"n_workers": 1, "threads_per_worker": 4, "processes": False, "dashboard_address": None}
    with LocalCluster(**options, resources={"GPU": 1}, scheduler_kwargs=QUIET) as cluster, Client(cluster) as client:
        run_on_cluster(counted, lambda _: None, list(range(8)), client)
    assert (running.begun, running.most) == (8, 1)


def test_where_workers_have_none_they_compute_as_many_blocks_as_they_have_threads(client, running):
    run_on_cluster(counted, lambda _: None, list(range(30)), client)
    assert running.most == 2


def test_where_the_dashboard_is_and_how_many_compute_is_logged(client, caplog):
    with caplog.at_level(logging.INFO):
        run_on_cluster(operator.neg, lambda _: None, [1], client)
    assert "computing on 2 threads of http://" in caplog.text


def process_of(block):
    time.sleep(0.05)
    return block, os.getpid()


def end_the_process(block):
    if block == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return block


@pytest.mark.slow
def test_blocks_of_a_killed_worker_are_computed_by_others():
    seen = []

    def consume(result):
        seen.append(result[0])
        if len(seen) == 4:
            os.kill(result[1], signal.SIGKILL)

    run_blocks(process_of, consume, list(range(20)), workers=2)
    assert sorted(seen) == list(range(20))


@pytest.mark.slow
def test_a_block_that_ends_every_worker_is_an_error_of_one_line():
    with pytest.raises(ConfigError, match=r"a block ended 4 workers one after the other") as raised:
        run_blocks(end_the_process, lambda _: None, list(range(5)), workers=2)
    assert "\n" not in str(raised.value)


def waits_for_go(block):
    """A computation that goes on until it is told."""
    return GO.wait(20) and block


def test_when_no_worker_comes_back_it_is_an_error_of_one_line(monkeypatch, caplog):
    monkeypatch.setattr("geoseg.schedule.cluster._LOOK_SECONDS", 0.1)
    monkeypatch.setattr("geoseg.schedule.cluster._PATIENCE_SECONDS", 0.3)
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    GO.clear()
    with (
        LocalCluster(**options, scheduler_kwargs=QUIET, silence_logs=logging.ERROR) as cluster,
        Client(cluster) as client,
    ):
        leaving = threading.Timer(0.5, lambda: cluster.scale(0))
        leaving.start()
        with caplog.at_level(logging.WARNING), pytest.raises(ConfigError, match="the Dask cluster was lost"):
            run_on_cluster(waits_for_go, lambda _: None, [1, 2], client)
        GO.set()
        leaving.join()
    assert "no worker is left" in caplog.text


@pytest.fixture
def external(tmp_path):
    """Address of a scheduler in a process of its own with one worker, and that process."""
    facts = tmp_path / "scheduler.json"
    python = [sys.executable, "-m", "dask"]
    command = [*python, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(facts)]
    worker = [*python, "worker", "--scheduler-file", str(facts), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **options) as scheduler, subprocess.Popen(worker, **options) as computing:
        try:
            yield facts, scheduler
        finally:
            scheduler.kill()
            computing.kill()


@pytest.mark.slow
def test_a_killed_scheduler_is_an_error_of_one_line(external):
    facts, scheduler = external
    deadline = time.monotonic() + 30
    while not facts.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    address = json.loads(facts.read_text())["address"]
    with Client(address) as client:
        client.wait_for_workers(1, timeout=30)
    seen = []

    def consume(result):
        seen.append(result)
        if len(seen) == 3:
            scheduler.kill()

    begun = time.monotonic()
    with pytest.raises(ConfigError, match="the Dask cluster was lost") as raised:
        run_blocks(process_of, consume, list(range(50)), scheduler=address)
    assert "\n" not in str(raised.value)
    assert time.monotonic() - begun < 60


@pytest.mark.slow
def test_an_interrupt_from_the_keyboard_ends_no_worker():
    processes = set()

    def consume(result):
        if result[1] not in processes:
            os.kill(result[1], signal.SIGINT)
        processes.add(result[1])

    run_blocks(process_of, consume, list(range(30)), workers=2)
    assert len(processes) <= 2
