"""How rasters are opened here: which formats, with which settings, and what GDAL's errors become."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from geoseg.cores import cores
from geoseg.errors import SceneError
from geoseg.raster.remote import gdal_name, is_final, is_remote, remote_settings, why_unreachable, without_secrets

log = logging.getLogger(__name__)

BLOCK_CACHE_BYTES = 16 * 2**20
"""GDAL's block cache: reads and writes never repeat, so it need not grow with the machine."""

WHOLE_NUMBERS = frozenset(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))
"""Dtypes of whole numbers by the names that rasterio gives them; it also knows some that numpy does not."""

FOR_GDAL = re.compile(r"/vsi|[A-Za-z]\w+:|<")
"""Names that are no paths: /vsizip/..., https://..., NETCDF:"file":variable, a VRT as text."""

PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before a remote raster is tried again, after GDAL has tried by itself."""

_FORMATS = (
    *("GTiff", "JP2OpenJPEG", "JP2KAK", "JP2ECW", "JP2MrSID", "JPEG", "PNG", "BMP", "GIF", "BIGGIF", "WEBP", "HFA"),
    *("NITF", "ENVI", "EHdr", "GRIB", "GPKG", "MBTiles", "AAIGrid", "DTED", "SRTMHGT", "USGSDEM"),
)
"""Formats whose files hold their own pixels. Those that only tell where pixels are (WMS, GTI, STACIT, ...) or read any
file as bare numbers are not among them."""

_NAMED_FORMATS = ("netCDF", "HDF5", "HDF5Image", "HDF4", "HDF4Image", "SENTINEL2")
"""Formats whose files may point at others: opened only where the name shows that they are meant."""

_NAMED = re.compile(
    r"(NETCDF|HDF[45]\w*|SENTINEL2_\w+):|.*\.(nc|nc4|cdf|h5|hdf5|he5|hdf)$|.*MTD_\w+\.xml$", re.IGNORECASE | re.DOTALL
)
_NO_FORMAT = re.compile(r"not recogni[sz]ed as being in a supported|No driver", re.IGNORECASE)

_FILTERS = threading.Lock()  # Python's warning filters are shared by all threads


@contextmanager
def georeference_optional() -> Iterator[None]:
    """Rasters without a transform may be opened or made; one thread at a time, so keep it short."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def open_checked(path: str, *, name: str | None = None, **options: str) -> DatasetReader:
    """Open a raster whose references were checked, or that has none (see `geoseg.raster.opening.open_dataset`).

    Decodes on all cores where the format can, without rasterio's remark on georeference.

    Args:
        path: file, address, or what else GDAL opens; a VRT as text.
        name: in messages, where that is another.
        options: of the format.

    Raises:
        SceneError: if GDAL cannot open it, or its format is none of those that scenes may have.
    """
    if path.lower().endswith((".tif", ".tiff")) and not is_remote(path):  # threads would fetch past the cache
        options["num_threads"] = str(_threads(cores()))
    as_text = ("VRT",) if path.startswith("<") else ()
    formats = [*_FORMATS, *as_text, *(_NAMED_FORMATS if _NAMED.match(path) else ())]
    with rasterio_errors(path, name=name), georeference_optional():
        return DatasetReader(gdal_name(path), driver=formats, **options)


@functools.cache
def _threads(count: int) -> int:
    """So many where they can be started, else 1: GDAL would wait for ever for threads that it could not start."""
    done, started = threading.Event(), []
    try:
        for _ in range(count):
            started.append(threading.Thread(target=done.wait))
            started[-1].start()
    except RuntimeError:
        del started[-1]
        return 1
    finally:
        done.set()
        for thread in started:
            thread.join()
    return count


def open_patiently(path: str, *, name: str | None = None) -> DatasetReader:
    """As `open_checked`, several times where the raster is remote and cannot be had.

    Raises:
        SceneError: if GDAL cannot open it, or its format is none of those that scenes may have.
    """
    for pause in PAUSES if is_remote(path) else ():
        try:
            return open_checked(path, name=name)
        except SceneError as error:
            if is_final(str(error)):
                raise
            log.info("%s: trying again", error)
            time.sleep(pause)
            forget(path)
    return open_checked(path, name=name)


def forget(path: str) -> None:
    """Let GDAL drop what it keeps of a remote raster: part of a block, where a connection broke, and failures."""
    with rasterio.Env(CPL_VSIL_CURL_NON_CACHED=gdal_name(path)), contextlib.suppress(SceneError):
        open_checked(path).close()


@contextmanager
def rasterio_errors(path: str, *, name: str | None = None) -> Iterator[None]:
    """Turn what rasterio raises about a file into one SceneError, with a small block cache and its remote settings.

    Args:
        path: of the file, as it is opened.
        name: of the file in messages, where that is another.
    """
    try:
        with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES, **remote_settings(path)):
            yield
    except (RasterioError, CRSError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise SceneError(
            f"{shown(name or path)}: cannot be read as a raster: {why_unreachable(path, reason)}{_hint(reason)}"
        ) from error


def shown(path: str) -> str:
    """A raster's name in a message: no signatures of addresses, no text of a VRT."""
    return "<VRT as text>" if path.lstrip().startswith("<") else without_secrets(path)


def _hint(reason: str) -> str:
    return ": convert it to GeoTIFF (gdal_translate)" if _NO_FORMAT.search(reason) else ""
