"""What tests of batch jobs share."""

from __future__ import annotations

import pytest


@pytest.fixture
def archive(tmp_path):
    for name in ("a.tif", "b.TIF", "notes.txt", "deep/a.tif", "deep/bad.jp2", "a_geoseg/x.tif", ".hidden/y.tif"):
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "archive"
