"""Settings of `geoseg evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

from geoseg.config.settings import Settings


def _split_ids(value: object) -> object:
    """`"0,7"` from the command line and `0` from YAML, to a sequence."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",")) if value.strip() else ()
    return value if isinstance(value, Sequence) else (value,)


ClassIds = Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...], BeforeValidator(_split_ids)]


class EvaluateSettings(Settings):
    """What of the reference counts."""

    ignore: ClassIds = Field(
        default=(),
        description="Values of the reference that are no class, such as 0 for unlabelled (comma-separated).",
    )
