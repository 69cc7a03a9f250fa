"""Memory follows the width of a scene, never its height."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

SCRIPT = """
import resource, sys
from geoseg.predict import predict_scene

scene, out, model = sys.argv[1:]
predict_scene(scene, out, model=model, vector=False, tile=256, overlap=64, block_rows=512)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_kilobytes(scene, out, model):
    command = [sys.executable, "-c", SCRIPT, str(scene), str(out), str(model)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
def test_a_scene_four_times_as_high_needs_no_more_memory(tiny_model, write_scene, tmp_path):
    image = np.random.default_rng(13).integers(1, 256, (3, 4096, 512), dtype=np.uint8)
    low, high = (
        peak_kilobytes(write_scene(image[:, :rows], f"{rows}.tif", nodata=0), tmp_path / f"{rows}", tiny_model)
        for rows in (1024, 4096)
    )
    assert high < 1.1 * low
