"""What every use of rasterio here shares: a small block cache, and no remark where a raster has no georeference."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from rasterio.errors import NotGeoreferencedWarning

BLOCK_CACHE_BYTES = 16 * 2**20
"""GDAL's block cache: reads and writes never repeat, so it need not grow with the machine."""

_FILTERS = threading.Lock()  # Python's warning filters are shared by all threads


@contextmanager
def georeference_optional() -> Iterator[None]:
    """Rasters without a transform may be opened or made; one thread at a time, so keep it short."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
