"""Settings of `geoseg evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from geoseg.config.settings import Settings


def _split_ids(value: object) -> object:
    """`"0,7"` from the command line and `0` from YAML, to a sequence."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",")) if value.strip() else ()
    return value if isinstance(value, Sequence) else (value,)


def _split_names(value: object) -> object:
    """`"0=grass,1=road"` from the command line to a mapping."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",")]
    if not all(separator and name.strip() for _, separator, name in pairs):
        raise PydanticCustomError("label_map", "Input should look like 0=grass,1=road")
    return {key.strip(): name.strip() for key, _, name in pairs}


LabelValue = Annotated[int, Field(ge=0, le=255)]
LabelValues = Annotated[tuple[LabelValue, ...], BeforeValidator(_split_ids)]
LabelMap = Annotated[dict[LabelValue, str], BeforeValidator(_split_names)]


class EvaluateSettings(Settings):
    """What of the reference counts."""

    ignore: LabelValues = Field(
        default=(),
        description="Values of the reference that are no class, such as 0 for unlabelled (comma-separated).",
    )
    label_map: LabelMap | None = Field(
        default=None,
        min_length=1,
        description="Class name of each value of the reference (0=grass,1=road), others are no class; where not given, "
        "the reference has the map's ids.",
    )
