"""Speeds of engines that were measured before: a small file for each machine and model, in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from geoseg.config.predict import EngineName

log = logging.getLogger(__name__)

CACHE_VARIABLE = "GEOSEG_CACHE"
"""Environment variable that names another cache folder."""

SMALL = 8_000_000
"""Pixels of tiles up to which the engine `auto` is torch: loading another engine takes as long as it saves."""

_CPU_FACTS = ("model name", "flags", "Features")
_LARGEST_FILE = 2**16


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the speed of engines depends on. A measurement holds where all of it is the same."""

    machine: str
    """Processor and what it can do."""

    threads: int
    """Tiles computed at a time."""

    versions: Mapping[str, str]
    """Of the engines that are installed."""

    package: str
    """Digest of the model package."""

    tile: int
    """Side of the tiles, px."""

    bands: int
    """How many bands images have."""

    precision: str
    """Of the convolutions, as asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What came of timing engines against one another."""

    engine: EngineName
    """The fastest."""

    speeds: Mapping[EngineName, float]
    """Of each that was timed, in megapixels of tiles a second."""

    def __post_init__(self) -> None:
        if self.engine not in self.speeds or not set(self.speeds) <= set(get_args(EngineName)):
            raise ValueError(self.engine)
        if not all(math.isfinite(speed) and speed > 0 for speed in self.speeds.values()):
            raise ValueError(self.speeds)


def remembered(of: Circumstances) -> Timing | None:
    """The timing that was kept for some circumstances; None where there is none, or it cannot be read."""
    try:
        path = _path(of)
        if path.stat().st_size > _LARGEST_FILE:
            return None
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["of"] != asdict(of):
            return None
        speeds = {name: float(speed) for name, speed in kept["speeds"].items()}
        return Timing(engine=kept["engine"], speeds=speeds)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.debug("no timing of engines is remembered: %s", error)
        return None


def remember(of: Circumstances, timing: Timing) -> None:
    """Keep a timing for the next run; where that cannot be, the next run measures again."""
    kept = {"of": asdict(of), "engine": timing.engine, "speeds": dict(timing.speeds)}
    try:
        path = _path(of)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".timing-") as hidden:
            beside = Path(hidden) / path.name
            beside.write_text(json.dumps(kept, indent=1, sort_keys=True), encoding="utf-8")
            beside.replace(path)
    except (OSError, RuntimeError) as error:
        log.info("the timing of engines cannot be kept: %s", error)


def cache_folder() -> Path:
    """Where geoseg keeps what it can make again: GEOSEG_CACHE, or a folder of its own in the user's cache folder.

    Raises:
        RuntimeError: if the user has no home.
    """
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "geoseg" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "geoseg"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "geoseg"


def machine() -> str:
    """The processor and a digest of what it can do."""
    facts: dict[str, str] = {}
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = (part.strip() for part in line.partition(":"))
        if key in _CPU_FACTS:
            facts.setdefault(key, value)
    name = facts.get("model name") or platform.processor() or platform.machine()
    able = " ".join(sorted(f"{facts.get('flags', '')} {facts.get('Features', '')}".split()))
    return f"{platform.system()} {platform.machine()} {name} {hashlib.sha256(able.encode()).hexdigest()[:16]}"


def _path(of: Circumstances) -> Path:
    digest = hashlib.sha256(json.dumps(asdict(of), sort_keys=True).encode()).hexdigest()
    return cache_folder() / "engines" / f"{digest[:32]}.json"
