"""The process that measures what a prediction needs: maps a few tiles as a run does and says what that took.

    python -m geoseg.predict.rehearsing < request.json

Writes one line of JSON; see `geoseg.predict.rehearsal`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
import torch
from affine import Affine
from rasterio.crs import CRS

from geoseg.config.predict import PredictSettings
from geoseg.errors import GeosegError, one_line
from geoseg.inference.timing import TileShape, time_engines
from geoseg.memory import forget_peak, one_heap, peak_bytes, resident_bytes
from geoseg.predict.engines import choice_of, engine_for
from geoseg.predict.fastest import remembered_speed, resolved_engine
from geoseg.predict.plan import plan_prediction
from geoseg.predict.rehearsal import Rehearsal, Request
from geoseg.predict.scene import predict_with

_ROWS_OF_TILES = 3
_WAITING = 2  # tiles beside those that are computed
_SECONDS = 0.5
_SEED = 6
_SMOOTH = 16  # px; noise of single pixels would make more of some layers than scenes do


def main() -> int:
    """Read a request and write the answer; 1 and a line on stderr where it cannot be met."""
    request = Request.model_validate_json(sys.stdin.read())
    try:
        with tempfile.TemporaryDirectory(prefix="geoseg-") as folder:
            answer = _answer(request, Path(folder))
    except GeosegError as error:
        sys.stderr.write(f"{one_line(str(error))}\n")
        return 1
    sys.stdout.write(f"{json.dumps(answer)}\n")
    return 0


def _answer(request: Request, folder: Path) -> dict[str, object]:
    settings = PredictSettings.model_validate(
        request.settings | {"tile": request.tile, "overlap": request.overlap, "bands": request.bands}
    )
    scene = _written(request, folder / "scene.tif")
    plan = plan_prediction(scene, settings)
    if settings.engine == "auto":
        choice = choice_of(plan, settings)
        was_known = remembered_speed(choice) is not None
        named = resolved_engine(choice, pixels=request.pixels)
        if not was_known and named != "torch":
            return {"again_with": named}
        settings = settings.model_copy(update={"engine": named})
    started = time.perf_counter()
    one_heap()
    engine = engine_for(choice_of(plan, settings))
    loaded_peak = peak_bytes()
    forget_peak()
    predict_with(scene, folder / "out", settings)
    seconds = time.perf_counter() - started
    peak, settled = peak_bytes(), resident_bytes()
    device_peak = torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0
    shape = TileShape(bands=len(request.bands), side=request.tile, dtype=request.dtype)
    speed = time_engines({"this": engine}, shape, seconds=_SECONDS)["this"]
    computed = plan.grid.computed_pixels() / 1e6 / speed
    found = Rehearsal(
        engine=settings.engine,
        threads=engine.threads,
        height=plan.grid.height,
        width=plan.grid.width,
        loaded_peak=loaded_peak,
        peak=peak,
        settled=settled,
        device_peak=device_peak,
        speed=speed,
        start_seconds=max(seconds - computed, 0.1),
    )
    return found.model_dump(mode="json")


def _written(request: Request, path: Path) -> Path:
    """A scene of a few tiles: smooth noise, so that a map of it has regions of some size."""
    stride = request.tile - request.overlap
    cols = (torch.get_num_threads() + _WAITING) * stride + request.overlap
    rows = _ROWS_OF_TILES * stride + request.overlap
    profile = {
        "driver": "GTiff",
        "dtype": request.dtype,
        "count": len(request.bands),
        "height": rows,
        "width": cols,
        "crs": CRS.from_epsg(32631),
        "transform": Affine(request.gsd, 0, 5e5, 0, -request.gsd, 5e6),
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
    }
    rng = np.random.default_rng(_SEED)
    coarse = rng.random((len(request.bands), -(-rows // _SMOOTH), -(-cols // _SMOOTH)))
    noise = np.kron(coarse, np.ones((1, _SMOOTH, _SMOOTH)))[:, :rows, :cols]
    largest = np.iinfo(request.dtype).max // 4 if np.issubdtype(np.dtype(request.dtype), np.integer) else 1
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write((noise * largest).astype(request.dtype) + np.dtype(request.dtype).type(1))
        dataset.descriptions = request.bands
    return path


if __name__ == "__main__":
    sys.exit(main())
