"""pip's settings of this machine for a build elsewhere: python docker/pip_settings.py PIP_CONF.

Writes them as one pip.conf, wherever they came from, and prints the files and folders they name: those the build has
to see too.
"""

# ruff: noqa: INP001 - a script
from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path


def main(target: Path) -> None:
    """Write the settings and print the paths in them, one a line."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    settings: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        scope, _, key = name.rpartition(".")
        if scope == "global":
            settings.setdefault(key, ast.literal_eval(value))
        elif scope == ":env:":  # wins over every file
            settings[key] = ast.literal_eval(value)
    lines = [f"{key} = {' '.join(value.split())}" for key, value in settings.items()]
    target.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
    words = [word for value in settings.values() for word in value.split()]
    indexes = {Path(word.removeprefix("file://")).parent for word in words if word.startswith("file://")}
    places = indexes | {Path(word) for word in words if word.startswith("/")}  # an index links to files beside it
    print("\n".join(sorted(str(place) for place in places if place.exists())))  # noqa: T201 - for the shell


main(Path(sys.argv[1]))
