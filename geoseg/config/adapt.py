"""Settings of `geoseg adapt`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from geoseg.config.predict import BandList, Precision
from geoseg.config.scenes import Places, QualityMask
from geoseg.config.settings import Settings

Method = Literal["auto", "match", "adabn", "tent", "selftrain", "adversarial", "style"]
Recipe = Literal["guarded", "published"]


class AdaptSettings(Settings):
    """How a model is fitted to other ground."""

    model: str = Field(min_length=1, description="Model package to fit: a packaged name, a directory or a zip.")
    method: Method = Field(
        default="auto",
        description="Adapter to try, beside the corrections it begins with; auto corrects bands and statistics and, "
        "where that helps, lets the model train itself from there.",
    )
    name: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9._-]+[a-z0-9]$",
        description="Short name of the new package; that of the model with -adapted where not given.",
    )
    bands: BandList | None = Field(
        default=None, description="The scenes' bands in the model's order, by name or number; by name where not given."
    )
    mask: QualityMask = None
    allow: Places = ()
    budget: float = Field(default=15.0, gt=0, description="Minutes to spend on learning, at most.")
    windows: int = Field(default=96, ge=8, description="Windows of the scenes to learn from and to choose by.")
    side: int = Field(default=256, ge=64, multiple_of=32, description="Side of such a window, px of the model.")
    steps: int = Field(default=150, ge=4, description="Steps of each adapter that learns.")
    batch_size: int = Field(default=4, ge=1, description="Windows in a step, and chips of the source as many.")
    recipe: Recipe = Field(
        default="guarded",
        description="published takes the hyper-parameters of the papers and the last checkpoint, without selector or "
        "guard: for comparison only.",
    )
    keep_candidates: bool = Field(default=False, description="Also write every candidate as a model package.")
    strict: bool = Field(default=False, description="End with exit code 3 where the shift is too large for the model.")
    seed: int = Field(default=0, ge=0, description="Of windows, chips and steps.")
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="Where to learn.")
    precision: Precision = Field(default="auto", description="Number format of the network; auto takes the fastest.")
    overwrite: bool = Field(default=False, description="Replace results that exist.")

    @model_validator(mode="after")
    def _published_names_a_method(self) -> Self:
        if self.recipe == "published" and self.method == "auto":
            raise PydanticCustomError("recipe", "recipe published needs one method, not auto")
        return self
