"""What every use of rasterio here shares: a small block cache, names of dtypes, no remark on a missing georeference."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from rasterio.errors import NotGeoreferencedWarning

BLOCK_CACHE_BYTES = 16 * 2**20
"""GDAL's block cache: reads and writes never repeat, so it need not grow with the machine."""

WHOLE_NUMBERS = frozenset(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))
"""Dtypes of whole numbers by the names that rasterio gives them; it also knows some that numpy does not."""

_FILTERS = threading.Lock()  # Python's warning filters are shared by all threads


@contextmanager
def georeference_optional() -> Iterator[None]:
    """Rasters without a transform may be opened or made; one thread at a time, so keep it short."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
