"""Settings of `geoseg shift`: one list of names, defaults and texts for command line, YAML and Python."""

from __future__ import annotations

from pydantic import Field

from geoseg.config.predict import BandList, Precision
from geoseg.config.scenes import Places, QualityMask
from geoseg.config.settings import Settings


class ShiftSettings(Settings):
    """How far scenes are from what a model knows."""

    model: str = Field(
        default="auto",
        min_length=1,
        description="Model package: a packaged name, a directory or a zip; auto picks the one that fits the first "
        "scene.",
    )
    bands: BandList | None = Field(
        default=None, description="The scenes' bands in the model's order, by name or number; by name where not given."
    )
    mask: QualityMask = None
    allow: Places = ()
    windows: int = Field(default=32, ge=1, description="Windows to look at, of all scenes together, at most.")
    side: int = Field(default=256, ge=64, multiple_of=32, description="Side of such a window, px of the model.")
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="Where the network runs.")
    precision: Precision = Field(default="auto", description="Number format of the network; auto takes the fastest.")
    seed: int = Field(default=0, ge=0, description="Of where the windows lie.")
    overwrite: bool = Field(default=False, description="Replace a map that exists.")
