from __future__ import annotations

import importlib
import logging
import subprocess
import sys

import click
import pytest

import geoseg
from geoseg.cli import app as app_module
from geoseg.cli.app import COMMANDS, app, run
from geoseg.errors import SceneError

HEAVY = ("torch", "rasterio", "geopandas", "dask", "pydantic", "numpy", "rich")


def modules_after(*arguments):
    code = f"import sys; from geoseg.cli.app import run; run({list(arguments)!r}); print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture
def command(monkeypatch):
    """Put a function in the place of `geoseg doctor`."""

    def replace(function):
        monkeypatch.setattr(importlib.import_module("geoseg.cli.doctor"), "command", click.command(function))

    return replace


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_and_version_import_nothing_heavy(arguments):
    assert set(modules_after(*arguments)).isdisjoint(HEAVY)


def test_the_check_for_heavy_modules_can_fail():
    assert "pydantic" in modules_after("evaluate", "--help")


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_static_help_line_is_the_first_line_of_the_command(name):
    real = importlib.import_module(f"geoseg.cli.{name}").command
    assert real.help.split("\n")[0] == COMMANDS[name]
    assert real.name == name


def test_help_lists_every_command(capsys):
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown and text in shown for name, text in COMMANDS.items())


def test_the_version_is_the_packages(capsys):
    assert run(["--version"]) == 0
    assert geoseg.__version__ in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["predit"], ["predict"], ["evaluate", "a.tif"], ["doctor", "--no-such"]])
def test_wrong_usage_exits_with_two_and_says_how(arguments, capsys):
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert "Usage: geoseg" in shown.err
    assert not shown.out


def test_an_error_of_the_users_is_one_line_on_stderr_and_exit_code_one(command, capsys):
    def fails():
        raise SceneError("scene.tif: no such\nfile")

    command(fails)
    assert run(["doctor"]) == 1
    assert capsys.readouterr() == ("", "geoseg: scene.tif: no such file\n")


def test_a_defect_is_not_hidden(command):
    def fails():
        raise ZeroDivisionError

    command(fails)
    with pytest.raises(ZeroDivisionError):
        run(["doctor"])


def test_stopping_from_the_keyboard_exits_with_130(command, capsys):
    def stopped():
        raise KeyboardInterrupt

    command(stopped)
    assert run(["doctor"]) == 130
    assert "geoseg: interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1])
def test_the_exit_code_of_a_command_is_that_of_the_program(command, code):
    command(lambda: code)
    assert run(["doctor"]) == code


def test_a_program_that_is_asked_to_end_clears_up_and_exits_with_143():
    script = (
        "import os, signal, sys, click\n"
        "from geoseg.cli.messages import reported\n"
        "@click.command()\n"
        "def command():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        signal.pause()\n"
        "    finally:\n"
        "        print('cleared', flush=True)\n"
        "sys.exit(reported(command, [], prog_name='geoseg'))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (143, "cleared\n", "geoseg: asked to end\n")


def test_what_geoseg_says_appears_once_on_stderr_as_one_line(command, capsys):
    def warns():
        logging.getLogger("geoseg.raster.scene").warning("%s: no CRS:\nareas are in pixels", "a.tif")
        logging.getLogger("geoseg.predict.choice").info("mapped\nwith this")
        logging.getLogger("geoseg.predict.choice").debug("not shown")

    command(warns)
    for _ in range(2):
        assert run(["doctor"]) == 0
        said = "geoseg: warning: a.tif: no CRS: areas are in pixels\ngeoseg: mapped with this\n"
        assert capsys.readouterr() == ("", said)


def test_main_leaves_the_process_with_the_exit_code(monkeypatch):
    monkeypatch.setattr(app_module, "run", lambda: 1)
    with pytest.raises(SystemExit) as left:
        app_module.main()
    assert left.value.code == 1


def test_a_module_without_a_command_is_a_defect(monkeypatch):
    monkeypatch.setattr(importlib.import_module("geoseg.cli.doctor"), "command", None)
    with pytest.raises(TypeError, match=r"geoseg\.cli\.doctor"):
        app.get_command(click.Context(app), "doctor")
