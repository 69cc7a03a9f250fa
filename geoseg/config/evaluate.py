"""Settings of `geoseg evaluate`: one list of names, defaults and texts for command line, YAML and Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Self, TypedDict

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from geoseg.config.scenes import Places
from geoseg.config.settings import Settings

BLOCK = "block"
"""The value of `by` for square blocks of the map."""

_ALTERNATIVE = "|"


def _split_values(value: object) -> object:
    """`"0,7"` from the command line and `0` from YAML, to a sequence."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",")) if value.strip() else ()
    return value if isinstance(value, Sequence) else (value,)


def _split_pairs(value: object) -> object:
    """`"0=grass,4=trees|shrub"` from the command line to a mapping."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",")]
    if not all(key.strip() and separator and names.strip() for key, separator, names in pairs):
        raise PydanticCustomError("label_map", "Input should look like 0=grass,1=road,4=trees|shrub")
    return {key.strip(): names for key, _, names in pairs}


def _split_names(value: object) -> object:
    """`"trees|shrub"` from the command line and `trees` from YAML, to a sequence."""
    return tuple(name.strip() for name in value.split(_ALTERNATIVE)) if isinstance(value, str) else value


def _as_text(value: object) -> object:
    """A class value as it is compared: YAML's 4 and the command line's 4 are one."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


LabelValue = Annotated[str, BeforeValidator(_as_text), Field(min_length=1)]
LabelValues = Annotated[tuple[LabelValue, ...], BeforeValidator(_split_values)]
ClassName = Annotated[str, Field(min_length=1)]
ClassNames = Annotated[tuple[ClassName, ...], BeforeValidator(_split_names), Field(min_length=1)]
LabelMap = Annotated[dict[LabelValue, ClassNames], BeforeValidator(_split_pairs)]


class EvaluateSettings(Settings):
    """What is compared, and by which measures."""

    ignore: LabelValues = Field(
        default=(),
        description="Values of the reference that are no class, such as 0 for unlabelled (comma-separated).",
    )
    label_map: LabelMap | None = Field(
        default=None,
        min_length=1,
        description="Class of each value of the reference (0=grass,1=road), others are no class; 4=trees|shrub where "
        "the reference cannot tell classes of the map apart; where not given, the reference has the map's ids.",
    )
    attribute: str | None = Field(
        default=None,
        min_length=1,
        description="Attribute of a vector reference that holds the class: its id, its name, or a value of label-map; "
        "of points where it is not reference.",
    )
    layer: str | None = Field(default=None, min_length=1, description="Layer of a vector reference that has several.")
    outside: str | None = Field(
        default=None,
        min_length=1,
        description="Class of pixels outside every polygon of a vector reference; none where not given.",
    )
    boundary_tolerance: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="How far apart two boundaries may lie and still agree, metres (pixels where there is no CRS); "
        "two pixels of the map where not given.",
    )
    by: str | None = Field(
        default=None,
        min_length=1,
        description="Also give scores for each value of this attribute of the zones, or for each block of the map "
        "(block).",
    )
    zones: str | None = Field(
        default=None, min_length=1, description="Vector layer of polygons, such as districts, for --by ATTRIBUTE."
    )
    block_size: float = Field(
        default=1000.0,
        gt=0,
        allow_inf_nan=False,
        description="Side of a block, metres (pixels where there is no CRS).",
    )
    confidence_level: float = Field(
        default=0.95, gt=0, lt=1, description="Of the intervals of what --points estimate, between 0 and 1."
    )
    allow: Places = ()
    overwrite: bool = Field(default=False, description="Replace outputs that exist.")

    @model_validator(mode="after")
    def _zones_are_told(self) -> Self:
        if self.zones is None and self.by not in {None, BLOCK}:
            raise PydanticCustomError(
                "by", "by is {by}: give zones that have this attribute, or by block", {"by": self.by}
            )
        if self.zones is not None and self.by is None:
            raise PydanticCustomError("zones", "zones are given: name their attribute with by")
        return self


class EvaluateOptions(TypedDict, total=False):
    """The same settings as keywords of `geoseg.evaluate`; what is left out has its default."""

    ignore: str | int | Sequence[int | str]
    label_map: str | Mapping[int, str | Sequence[str]] | Mapping[str, str | Sequence[str]] | None
    attribute: str | None
    layer: str | None
    outside: str | None
    boundary_tolerance: float | None
    by: str | None
    zones: str | None
    block_size: float
    confidence_level: float
    allow: str | Sequence[str]
    overwrite: bool
