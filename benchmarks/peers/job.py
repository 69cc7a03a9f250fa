"""What the process of an arm is told. Imports nothing that would count as memory of an arm."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

MODULES = Path(sys.prefix) / "modules"
"""Libraries of which one module is used and nothing is installed."""

Timed = Callable[[], Path | None]
"""Maps the scene; the path of the labels, None where an arm makes none."""

Begin = Callable[[Path, Path], Timed]
"""From a scene and the path of the labels wanted to the work that is timed."""

_NEEDS = {
    "monai": "monai",
    "toolbelt": "pytorch_toolbelt",
    "rastervision": "rastervision.core",
    "torchgeo": "torchgeo",
}
_SINGLE_MODULES = {"terratorch": "terratorch/tasks/tiled_inference.py", "geoai": "geoai/inference.py"}

PEERS = ("monai", "toolbelt", "terratorch", "geoai", "rastervision", "torchgeo")
"""Other libraries, in the order of the tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One row of a table: who maps, with which engine, in which arithmetic."""

    by: str
    """Name of a module of `benchmarks.peers.arms`, without `by_`."""

    engine: str = "torch"
    """torch or openvino."""

    precision: str = "fp32"
    """fp32 or bf16."""

    way: str = ""
    """Of `forward`: tiles (a thread for each) or batch (all threads for four tiles); of geoseg: polygons, or none."""

    @property
    def label(self) -> str:
        """As in the tables."""
        return " ".join(part for part in (self.by, self.way, self.engine, self.precision) if part)

    @property
    def is_peer(self) -> bool:
        """True for another library."""
        return self.by in PEERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What an arm is to do, as JSON on its command line."""

    arm: Arm
    """Who maps."""

    package: str
    """The model package."""

    small: str
    """A small scene of the same kind, mapped once before anything is measured."""

    folder: str
    """Where the arm may write."""

    tile: int = 512
    """Side of a tile, px."""

    overlap: int = 128
    """Pixels that neighbouring tiles share."""

    threads: int = 1
    """For computing; the process is bound to as many cores."""

    batch: int = 4
    """Tiles a call, for libraries that are told."""

    limit_gb: float | None = None
    """Memory that the process may hold after its imports, GB; None = no limit."""

    cache_mb: int | None = None
    """GDAL_CACHEMAX, MB; None = GDAL's own default."""

    counted: str | None = None
    """A scene of which all reads are noted, in `reads.log`; None = none."""

    @property
    def stride(self) -> int:
        """Distance between neighbouring tiles, px."""
        return self.tile - self.overlap

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """From text."""
        told = json.loads(text)
        return cls(**(told | {"arm": Arm(**told["arm"])}))

    def prepare(self) -> Begin:
        """Import what the arm needs and load its network."""
        begin: Begin = importlib.import_module(f"benchmarks.peers.arms.by_{self.arm.by}").prepare(self)
        return begin


def missing(by: str) -> str | None:
    """Why an arm cannot run here; None where it can."""
    if by in _NEEDS:
        top = _NEEDS[by].partition(".")[0]
        there = importlib.util.find_spec(top) is not None and importlib.util.find_spec(_NEEDS[by]) is not None
        return None if there else f"{by} is left out: {_NEEDS[by]} is not installed (make bench-peers)"
    if by in _SINGLE_MODULES and not (MODULES / _SINGLE_MODULES[by]).exists():
        return f"{by} is left out: {MODULES / _SINGLE_MODULES[by]} is not there (make bench-peers)"
    return None
