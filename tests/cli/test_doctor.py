from __future__ import annotations

import importlib
import json

import pytest

from geoseg.cli.app import run
from geoseg.doctor import Check

FINE = Check(name="torch", ok=True, detail="2.0")
BROKEN = Check(name="models", ok=False, detail="none")


@pytest.mark.parametrize(("checks", "code"), [([FINE], 0), ([FINE, BROKEN], 1), ([BROKEN, FINE], 1)])
def test_the_exit_code_tells_whether_all_is_fine(monkeypatch, checks, code, capsys):
    monkeypatch.setattr(importlib.import_module("geoseg.cli.doctor"), "run_checks", lambda _: iter(checks))
    assert run(["doctor"]) == code
    assert len(capsys.readouterr().out.splitlines()) == len(checks)
    assert run(["doctor", "--json"]) == code
    assert [entry["ok"] for entry in json.loads(capsys.readouterr().out)] == [check.ok for check in checks]
