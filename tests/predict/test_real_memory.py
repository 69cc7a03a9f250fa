"""A process that runs out of addresses for real: one line, exit code 1, and the same command goes on."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from geoseg.cli.app import run

STARVED = """
import re, resource, sys
from pathlib import Path
import geoseg.predict.scene
from geoseg.cli.app import run
from geoseg.predict.journal import Journal

begins_after, command = int(sys.argv[1]), sys.argv[2:]
kept, eaten, keep = [], [], Journal.keep

def starve():
    size = re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())
    resource.setrlimit(resource.RLIMIT_AS, ((int(size[1]) + 40 * 2**10) * 2**10,) * 2)
    try:
        while kept:
            eaten.append(bytearray(2**20))
    except MemoryError:
        pass

def note(journal, block, stamp):
    keep(journal, block, stamp)
    kept.append(block)
    if len(kept) == begins_after:
        starve()

Journal.keep = note
if not begins_after:
    starve()
sys.exit(run(command))
"""


def layers(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.tif")}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of addresses are Linux's")
@pytest.mark.parametrize("begins_after", [0, 2], ids=["from the beginning", "after two blocks"])
def test_a_process_that_runs_out_of_memory_ends_with_one_line_and_the_next_one_goes_on(
    write_scene, tiny_model, tmp_path, begins_after
):
    scene = write_scene(np.random.default_rng(3).integers(1, 256, (3, 512, 1000), dtype=np.uint8))
    out, options = tmp_path / "out", ["--engine", "torch", "--no-vector", "--block-rows", "128"]
    command = ["predict", str(scene), "--model", str(tiny_model), *options, "-o"]
    starved = subprocess.run(
        [sys.executable, "-c", STARVED, str(begins_after), *command, str(out)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert starved.returncode == 1, starved.stderr[-2000:]
    assert "Traceback" not in starved.stderr
    assert starved.stderr.splitlines()[-1].startswith(f"geoseg: {scene}: ")
    assert layers(out) == {}
    blocks = {path: path.stat().st_mtime_ns for path in out.glob(".scene.geoseg-run/blocks/*")}
    assert len([path for path in blocks if path.suffix == ".json"]) >= begins_after
    assert run([*command, str(out), "--keep-blocks"]) == 0
    assert blocks.items() <= {path: path.stat().st_mtime_ns for path in blocks if path.exists()}.items()
    assert run([*command, str(tmp_path / "anew")]) == 0
    assert layers(out) == layers(tmp_path / "anew") != {}
