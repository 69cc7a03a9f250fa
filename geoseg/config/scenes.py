"""What every command that reads scenes lets the user say of them: a quality band, and what their files may reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError


def _split_places(value: object) -> object:
    """`"a.tif,example.org"` as it comes from a configuration, or one after the other, to a tuple."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, Sequence) or not all(isinstance(part, str) for part in value):
        raise PydanticCustomError("places", "Input should be files, folders or hosts")
    return tuple(place.strip() for part in value for place in str(part).split(",") if place.strip())


Places = Annotated[
    tuple[str, ...],
    BeforeValidator(_split_places),
    Field(
        description="File, folder, host or s3://bucket that a VRT, a list or a STAC item may point at besides what "
        "lies beside it; repeatable.",
        json_schema_extra={"repeatable": True},
    ),
]
"""Where references of scenes may lead."""

QualityMask = Annotated[
    str | None,
    Field(
        min_length=3,
        description="Pixels to take as nodata by a quality band: scl=3,8-10 by values, qa_pixel=bit:3,bit:4 by bits; "
        "a file can stand in place of the band.",
    ),
]
"""A quality band and what of it is nodata."""
