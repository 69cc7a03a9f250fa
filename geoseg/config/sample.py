"""Settings of `geoseg sample`."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from geoseg.config.scenes import Places
from geoseg.config.settings import Settings

_FEWEST = 2
"""Points of a class below which nothing is known of how they vary."""


class SampleSettings(Settings):
    """How many points are drawn where."""

    per_class: int | None = Field(
        default=None, ge=_FEWEST, description="Points in each class; either this or a total has to be given."
    )
    total: int | None = Field(
        default=None, ge=_FEWEST, description="Points in all, shared among the classes by their pixels."
    )
    at_least: int = Field(
        default=50, ge=_FEWEST, description="Points that a class has at least where a total is shared."
    )
    seed: int = Field(default=0, ge=0, description="The same seed draws the same points.")
    blind: bool = Field(
        default=True, description="Keep the class of the map out of the file, so that it cannot sway who labels."
    )
    allow: Places = ()
    overwrite: bool = Field(default=False, description="Replace the file if it exists.")

    @field_validator("total")
    @classmethod
    def _one_of_two(cls, total: int | None, known: ValidationInfo) -> int | None:
        if total is not None and known.data.get("per_class") is not None:
            raise PydanticCustomError("total", "Input should not be given together with per_class: choose one")
        return total
