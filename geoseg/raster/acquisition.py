"""When a scene was taken, where its file says so. Knows tags, no pixels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from geoseg.raster.gdal import open_checked, rasterio_errors
from geoseg.raster.scene import SceneSource

_TAGS = ("ACQUISITIONDATETIME", "ACQUISITION_DATETIME", "DATE_ACQUIRED", "ACQUISITION_DATE", "SENSING_TIME")
"""Only what can mean nothing else: TIFFTAG_DATETIME is often the day on which the file was made."""

_MOMENT = re.compile(r"(\d{4})[-:/](\d\d)[-:/](\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?")


def acquired_of(source: SceneSource) -> datetime | None:
    """When a scene was taken, in UTC: by its item, by tags of its first file or by those of GDAL's imagery metadata.

    Returns:
        None where nothing says so.

    Raises:
        SceneError: if the file cannot be read.
    """
    if source.acquired is not None:
        return source.acquired
    path = source.files[0]
    with rasterio_errors(path), open_checked(path) as dataset:
        every = {**dataset.tags(), **dataset.tags(ns="IMAGERY")}
    return _first_moment({key.upper(): value for key, value in every.items()})


def _first_moment(tags: Mapping[str, str]) -> datetime | None:
    for tag in _TAGS:
        found = _MOMENT.match(tags.get(tag, "").strip())
        if found is None:
            continue
        try:
            return datetime(*(int(part or 0) for part in found.groups()), tzinfo=UTC)  # type: ignore[arg-type, misc]
        except ValueError:  # a thirteenth month
            continue
    return None
