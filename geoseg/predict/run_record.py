"""The record of a run: a file beside the layers that says how they were made and what that took.

It names no user, no machine and no folder: files are told by their names alone. What differs from run to run stands
here; of the layers, only the time of making in GeoPackage and item does.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import rasterio
import torch

import geoseg
from geoseg.config.predict import PredictSettings
from geoseg.cores import cores
from geoseg.errors import OutputError
from geoseg.events import COMMAND_ID, moment, rounded
from geoseg.memory import peak_bytes
from geoseg.predict.account import Account, speed_of
from geoseg.predict.engine_facts import engine_facts
from geoseg.predict.engines import choice_of
from geoseg.predict.facts import RunFacts
from geoseg.predict.fastest import software_of
from geoseg.predict.plan import PredictPlan
from geoseg.predict.rasters import MadeRasters
from geoseg.predict.speeds import machine

VERSION = 1
"""Of the names in a record."""

_PATHS = ("model", "aoi", "mask", "allow")
_FOLDERS = re.compile(r".*[/\\](?=.)")
_QUERY = re.compile(r"[?#].*")


def write_run_record(path: Path, run: Mapping[str, object]) -> None:
    """Write a record.

    Raises:
        OutputError: if it cannot be written.
    """
    try:
        path.write_text(json.dumps(run, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def run_record(
    plan: PredictPlan, settings: PredictSettings, facts: RunFacts, made: MadeRasters, account: Account
) -> dict[str, object]:
    """How the layers of a scene were made, as plain values; see docs/observability.md for their meaning.

    Args:
        plan: scene and model.
        settings: of the run; they name the engine.
        facts: of its layers.
        made: its rasters.
        account: what it did.
    """
    provenance, done = facts.record.provenance, account.work
    seconds = account.elapsed
    return {
        "version": VERSION,
        "run_id": provenance.run_id,
        "command_id": COMMAND_ID,
        "scene": provenance.scene and name_of(provenance.scene),
        "started": moment(account.started),
        "ended": moment(datetime.now(UTC)),
        "versions": _versions(settings),
        "options": {name: _named(name, value) for name, value in facts.record.options.items()},
        "model": {"name": provenance.model, "sha256": facts.record.inputs["model"]},
        "input": {"files": [_file(name) for name in plan.source.files], "pixels_digest": made.digest},
        "engine": _engine(plan, settings),
        "machine": {"processor": machine(), "cores": cores(), "workers": len(account.workers)},
        "seconds": rounded({**account.seconds, "total": seconds}),
        "work_seconds": rounded(done.seconds),
        "tiles": {"total": made.tiles, "computed": done.tiles, "skipped": done.skipped},
        "pixels": {
            "scene": plan.source.georef.height * plan.source.georef.width,
            "map": plan.output.height * plan.output.width,
            "decided": sum(total.pixels for total in made.totals),
            "computed": done.pixels,
            "unreadable": made.lost,
        },
        "blocks": {"total": len(account.blocks), "computed": account.computed, "resumed": account.resumed},
        "mpx_per_s": {
            "map": speed_of(account.made_pixels, account.seconds.get("map", 0.0)),
            "total": speed_of(account.made_pixels, seconds),
        },
        "memory": _memory(settings, done.peak),
    }


def name_of(path: str) -> str:
    """The name of a file, an address or a path of GDAL: without folders, hosts, and what is asked of a server."""
    plain = _QUERY.sub("", path) if "://" in path else path
    return _FOLDERS.sub("", plain.rstrip("/\\"))


def _named(option: str, value: object) -> object:
    if option not in _PATHS:
        return value
    if isinstance(value, list):
        return [_named(option, each) for each in value]
    return name_of(value) if isinstance(value, str) else value


def _versions(settings: PredictSettings) -> dict[str, str]:
    own = {"geoseg": geoseg.__version__, "python": platform.python_version(), "gdal": rasterio.__gdal_version__}
    return own | software_of(settings.engine)


def _file(path: str) -> dict[str, object]:
    """A file of the scene; size and time are known of ordinary files."""
    try:
        state = Path(path).stat()
    except (OSError, ValueError):  # an address, or the text of a VRT
        return {"name": None if "<" in path else name_of(path), "bytes": None, "modified": None}
    changed = moment(datetime.fromtimestamp(state.st_mtime, UTC))
    return {"name": Path(path).name, "bytes": state.st_size, "modified": changed}


def _engine(plan: PredictPlan, settings: PredictSettings) -> dict[str, object]:
    elsewhere = settings.scheduler is not None or settings.cluster is not None
    facts = engine_facts(choice_of(plan, settings), plan.grid, elsewhere=elsewhere)
    return {"name": facts.pop("engine"), **facts}


def _memory(settings: PredictSettings, of_workers: int) -> dict[str, int]:
    """Most memory of this process, of the one of those that computed that had most, and of torch on a GPU."""
    own = max(peak_bytes(), of_workers) if settings.computes_here else peak_bytes()  # the system counts in steps
    on_device = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return {"peak_bytes": own, "worker_peak_bytes": of_workers, "device_peak_bytes": on_device}
