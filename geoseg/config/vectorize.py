"""Settings of polygons, in `geoseg vectorize` and in `geoseg predict`, and those of `geoseg vectorize` alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from geoseg.config.scenes import Places
from geoseg.config.settings import Settings
from geoseg.vector.options import MappingBy, Method, VectorOptions


def _split_names(value: object) -> object:
    """`"building,shed"` as it comes from the command line, to a sequence."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",")) if value.strip() else ()
    return tuple(value) if isinstance(value, Sequence) else value


ClassNames = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_split_names)]


class VectorFields(Settings):
    """How polygons are made of a class raster."""

    mapping_unit: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="Smallest polygon kept, square metres; smaller ones join a neighbour.",
    )
    mapping_by: MappingBy = Field(
        default="border",
        description="Which neighbour they join: the one with the longest common border, or by probability one of the "
        "class that comes second in them.",
    )
    simplify: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="How far boundaries may move to have fewer vertices, metres (pixels where there is no CRS).",
    )
    simplify_method: Method = Field(
        default="dp",
        description="Which vertices go then: dp those near a straight line (Douglas-Peucker), vw those of "
        "small triangles (Visvalingam-Whyatt).",
    )
    smooth: bool = Field(
        default=False, description="Move boundaries inside pixels to where two classes are equally probable."
    )
    boundaries: bool = Field(default=False, description="Add a layer of the boundaries between classes.")
    review: int = Field(
        default=100,
        ge=0,
        description="Points in the layer of the least certain polygons, to be looked at; 0 for no such layer.",
    )
    regularize: ClassNames = Field(
        default=(),
        description="Classes of buildings: a layer of their outlines with right angles is added (comma-separated).",
    )

    def vector_options(self, *, strict: bool = False, workers: int = 0) -> VectorOptions:
        """The same as what `geoseg.vector.vectorize` takes.

        Args:
            strict: True for polygons vertex by vertex as GDAL makes them.
            workers: threads; 0 takes one for each core.
        """
        return VectorOptions(
            mapping_unit=self.mapping_unit,
            mapping_by=self.mapping_by,
            simplify=self.simplify,
            simplify_method=self.simplify_method,
            smooth=self.smooth,
            strict=strict,
            boundaries=self.boundaries,
            review=self.review,
            regularize=self.regularize,
            workers=workers,
        )


class VectorizeSettings(VectorFields):
    """How polygons are made of any class raster."""

    classes: str | None = Field(
        default=None,
        min_length=1,
        description="The legend: a YAML file with the key classes, or a model; that of the raster where not given.",
    )
    strict: bool = Field(
        default=False, description="Polygons vertex by vertex as GDAL makes them; neighbours then share no nodes."
    )
    workers: int = Field(default=0, ge=0, description="Threads; 0 takes one for each core. The polygons are the same.")
    allow: Places = ()
    overwrite: bool = Field(default=False, description="Replace outputs that exist.")

    @model_validator(mode="after")
    def _strict_stays_as_it_is(self) -> Self:
        if self.strict and (self.simplify or self.smooth):
            other = "simplify" if self.simplify else "smooth"
            raise PydanticCustomError(
                "strict",
                "strict and {other} exclude each other: strict keeps every vertex in its place",
                {"other": other},
            )
        return self
