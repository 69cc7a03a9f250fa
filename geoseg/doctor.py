"""Does this installation work? Looks at libraries, devices, file formats, models and the current folder."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import geoseg
from geoseg.errors import GeosegError

_LIBRARIES = ("torch", "segmentation-models-pytorch", "rasterio", "pyogrio", "pyproj", "shapely", "dask", "numpy")
_RASTER_DRIVERS = ("COG", "GTiff", "VRT")
_KNOWN_PLACE = 32633


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    """What."""

    ok: bool
    """Whether geoseg can work with what was found."""

    detail: str
    """What was found, in one line; how to mend it where it is not fine."""


def run_checks(folder: Path) -> Iterator[Check]:
    """Look at everything that geoseg needs.

    Args:
        folder: where outputs would be written.

    Yields:
        One check after the other; a failing one ends nothing.
    """
    yield Check(name="geoseg", ok=True, detail=f"{geoseg.__version__}, Python {platform.python_version()}")
    for library in _LIBRARIES:
        yield _installed(library)
    for name, look in _LOOKS.items():
        yield _looked(name, look)
    yield from _models()
    yield _writable(folder)


def _installed(library: str) -> Check:
    try:
        return Check(name=library, ok=True, detail=version(library))
    except PackageNotFoundError:
        return Check(name=library, ok=False, detail="not installed: install geoseg again")


def _looked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, detail=look())
    except (ImportError, OSError, GeosegError, LookupError) as error:
        return Check(name=name, ok=False, detail=" ".join(str(error).split()))


def _devices() -> str:
    import torch  # noqa: PLC0415 - a broken torch is a finding, not a crash

    from geoseg.models.device import cpu_has_bf16  # noqa: PLC0415 - as above

    found = [f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in range(torch.cuda.device_count())]
    found += ["mps"] if torch.backends.mps.is_available() else []
    arithmetic = "bf16" if cpu_has_bf16() else "fp32"
    return ", ".join([*found, f"cpu ({os.cpu_count()} cores, {torch.get_num_threads()} threads, {arithmetic})"])


def _raster_formats() -> str:
    import rasterio  # noqa: PLC0415 - a broken GDAL is a finding, not a crash

    with rasterio.Env() as env:
        present = env.drivers()
    return f"GDAL {rasterio.__gdal_version__}, {_all_present(_RASTER_DRIVERS, present)}"


def _vector_formats() -> str:
    import pyogrio  # noqa: PLC0415 - a broken GDAL is a finding, not a crash

    return f"GDAL {pyogrio.__gdal_version_string__}, {_all_present(('GPKG',), pyogrio.list_drivers())}"


def _all_present(wanted: tuple[str, ...], present: dict[str, str]) -> str:
    missing = [name for name in wanted if name not in present]
    if missing:
        raise LookupError(f"GDAL lacks the drivers {', '.join(missing)}: install a full build of it")
    return " ".join(wanted)


def _coordinates() -> str:
    import pyproj  # noqa: PLC0415 - a broken PROJ is a finding, not a crash
    from rasterio.crs import CRS  # noqa: PLC0415 - as above
    from rasterio.errors import CRSError  # noqa: PLC0415 - as above

    try:
        pyproj.CRS.from_epsg(_KNOWN_PLACE)
        CRS.from_epsg(_KNOWN_PLACE).to_wkt()
    except (CRSError, pyproj.exceptions.CRSError) as error:
        raise LookupError(f"the PROJ database cannot be read (is PROJ_LIB set wrongly?): {error}") from error
    return f"PROJ {pyproj.proj_version_str}"


_LOOKS: dict[str, Callable[[], str]] = {
    "devices": _devices,
    "raster formats": _raster_formats,
    "vector formats": _vector_formats,
    "coordinates": _coordinates,
}


def _models() -> Iterator[Check]:
    from geoseg.models.zoo import packaged_models  # noqa: PLC0415 - a broken installation is a finding

    names = packaged_models()
    if not names:
        yield Check(name="models", ok=False, detail="no packaged models: install geoseg again")
    for name in names:
        yield _looked(f"model {name}", partial(_loads, name))


def _loads(model: str) -> str:
    from geoseg.models.zoo import load_model  # noqa: PLC0415 - as above

    package = load_model(model)
    return f"loads: {len(package.bands)} bands, {len(package.classes)} classes, {package.gsd:g} m"


def _writable(folder: Path) -> Check:
    try:
        with tempfile.NamedTemporaryFile(prefix=".geoseg-", dir=folder):
            return Check(name="output folder", ok=True, detail=f"{folder} can be written")
    except OSError as error:
        return Check(
            name="output folder", ok=False, detail=f"{folder} cannot be written ({error.strerror}): use -o with another"
        )
