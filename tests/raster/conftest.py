"""A web server on loopback for tests of rasters over the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.range_server import RangeServer, serving


@pytest.fixture
def range_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    """The files of `tmp_path/web`; GDAL forgets nothing between tests, so each has a port of its own."""
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.01")
    for module in ("gdal", "file_pixels"):
        monkeypatch.setattr(f"geoseg.raster.{module}.PAUSES", (0.01,) * 6)
    folder = tmp_path / "web"
    folder.mkdir()
    with serving(folder) as server:
        yield server
