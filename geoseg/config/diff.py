"""Settings of `geoseg diff`: one list of names, defaults and texts for command line, YAML and Python."""

from __future__ import annotations

from pydantic import Field

from geoseg.config.scenes import Places
from geoseg.config.settings import Settings


class DiffSettings(Settings):
    """How two maps are compared."""

    workers: int = Field(default=0, ge=0, description="Threads; 0 takes one for each core. The polygons are the same.")
    allow: Places = ()
    overwrite: bool = Field(default=False, description="Replace outputs that exist.")
