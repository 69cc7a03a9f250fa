"""Threads are sized to the cores that the process may use."""

from __future__ import annotations

import os

import pytest

from geoseg.cores import cores


@pytest.mark.parametrize(("asked", "expected"), [("1", 1), ("2,1", 2), ("64", 3), ("", 3), ("0", 3), ("many", 3)])
def test_the_cores_are_those_given_or_fewer_where_asked(monkeypatch, asked, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 2, 5}, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert cores() == expected


def test_without_a_word_of_the_system_all_are_counted(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1
