"""Workers that may compute: those with the geoseg of this process. Others would make another map, or none."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import logging
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import rasterio

import geoseg
from geoseg.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

GEOSEG, SOURCES = "geoseg", "source files"
"""What has to be the same on all machines."""

_LIBRARIES = ("numpy", "scipy", "numba", "rasterio", "torch", "openvino", "onnxruntime")
_DIGITS = 12

Versions = Mapping[str, str]
"""Version by what it is of."""


@functools.cache
def versions_here() -> Versions:
    """What this process computes with; workers are asked for theirs."""
    libraries = {name: _version(name) for name in _LIBRARIES}
    told = {GEOSEG: geoseg.__version__, SOURCES: _sources(), "python": platform.python_version()}
    return told | libraries | {"gdal": str(rasterio.__gdal_version__), "processor": platform.machine()}


class Admission:
    """Asks every worker once what it computes with, also those that come later."""

    def __init__(self, client: Client, *, asks: bool = True) -> None:
        """Ask nobody yet.

        Args:
            client: of the cluster.
            asks: False where workers are known to be of this installation.
        """
        self._client, self._asks = client, asks
        self._asked: set[str] = set()
        self._told: set[str] = set()

    def threads(self) -> int:
        """Threads of all workers, after a look at those that are new.

        Raises:
            ConfigError: if one has another geoseg, or none.
        """
        threads = self._client.nthreads()
        new = sorted(set(threads) - self._asked)
        if new and self._asks:
            self._admit(self._client.run(versions_here, workers=new, on_error="return"))
            self._asked.update(new)
        return int(sum(threads.values()))

    def _admit(self, answers: Mapping[str, object]) -> None:
        for worker, answer in answers.items():
            if isinstance(answer, OSError):  # it is lost already
                continue
            if not isinstance(answer, Mapping):
                raise ConfigError(
                    f"worker {worker} has no geoseg, or one that is older: install geoseg {geoseg.__version__} there "
                    f"({' '.join(str(answer).split())[:200]})"
                )
            self._compare(worker, answer)

    def _compare(self, worker: str, there: Versions) -> None:
        here = versions_here()
        if there.get(GEOSEG) != here[GEOSEG]:
            raise ConfigError(
                f"worker {worker} has geoseg {there.get(GEOSEG)}, this process has {here[GEOSEG]}: one map would be "
                "made by both; install the same on all machines and start the workers again"
            )
        if there.get(SOURCES) != here[SOURCES]:
            raise ConfigError(
                f"worker {worker} has geoseg {here[GEOSEG]} as well, but its source files are not those of this "
                "process: install the same on all machines and start the workers again"
            )
        others = [name for name in here if there.get(name) != here[name]]
        said = ", ".join(f"{name} {there.get(name, 'none')} (here {here[name]})" for name in others)
        if said and said not in self._told:
            self._told.add(said)
            log.warning("worker %s has %s: bytes of the map may not be those made here", worker, said)


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _sources() -> str:
    root = Path(geoseg.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:_DIGITS]
