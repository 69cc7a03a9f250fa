"""Settings of what training makes small: the section `loss` of `geoseg train`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from geoseg.config.settings import Settings


def _kind(value: object) -> str:
    return "weights" if isinstance(value, Mapping) else "word"


ClassWeight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
ClassWeights = Annotated[
    Annotated[Literal["none", "balanced"], Tag("word")] | Annotated[dict[str, ClassWeight], Tag("weights")],
    Discriminator(_kind),
]
LossWeight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class LossSettings(Settings):
    """Weights of the losses that are added up, and their options."""

    cross_entropy: LossWeight = Field(default=1.0, description="Weight of the cross-entropy.")
    dice: LossWeight = Field(default=1.0, description="Weight of soft Dice.")
    lovasz: LossWeight = Field(default=0.0, description="Weight of the Lovász-Softmax loss, which stands for IoU.")
    focal: LossWeight = Field(default=0.0, description="Weight of the focal loss.")
    focal_gamma: float = Field(default=2.0, ge=0, le=10, description="How much less an easy pixel counts in it.")
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the cross-entropy's labels that is spread over all classes."
    )
    class_weights: ClassWeights = Field(
        default="none",
        description="Factors on the cross-entropy of a class: none, balanced (median frequency / frequency, 0.5 to 5), "
        "or by class name, 1 for those not named.",
    )
    ohem_threshold: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="The cross-entropy learns from pixels whose label has a lower probability than this; from all "
        "where not given.",
    )
    ohem_least: float = Field(
        default=0.0625, ge=0, le=1, description="Least share of the known pixels that it learns from, the hardest."
    )

    @model_validator(mode="after")
    def _not_nothing(self) -> Self:
        if not (self.cross_entropy or self.dice or self.lovasz or self.focal):
            raise PydanticCustomError("loss", "one of cross_entropy, dice, lovasz and focal should be above 0")
        return self
