"""Settings of `geoseg models import`: what the weights of a network do not say."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from geoseg.classes import ClassMap
from geoseg.config.settings import Settings
from geoseg.config.train import BandNames, ClassSettings

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class ImportSettings(Settings):
    """What a package has to say of a network that was trained elsewhere."""

    name: str = Field(pattern=r"^[a-z][a-z0-9._-]+[a-z0-9]$", description="Short name of the model, as in file names.")
    title: str = Field(default="", description="One line for people.")
    licence: str = Field(default="", description="Under which the weights may be used.")
    data: str = Field(default="", description="Where imagery and labels come from, with their licences.")
    limits: str = Field(default="", description="Where the model fails, for the model card.")
    architecture: str | None = Field(
        default=None, description="As segmentation-models-pytorch calls it; a folder of save_pretrained says it itself."
    )
    encoder: str | None = Field(
        default=None,
        description="As smp calls it, or tu- and a timm model; a folder of save_pretrained says it itself.",
    )
    options: dict[str, bool | int | float | str | tuple[int, ...] | None] = Field(
        default_factory=dict, description="Further keywords of the architecture; only for a state dict."
    )
    prefix: str | None = Field(
        default=None, description="What stands before the names of the network's tensors; found out where not given."
    )
    classes: tuple[ClassSettings, ...] = Field(min_length=1, description="The legend, in the order of the logits.")
    bands: BandNames = Field(description="Names of the bands, in the order of the network.")
    gsd: Positive = Field(description="Ground sampling distance of training, metres per pixel.")
    scales: dict[str, Positive] = Field(
        default={"uint8": 1 / 255}, min_length=1, description="From the numbers of a dtype to the unit of mean and std."
    )
    mean: tuple[Finite, ...] = Field(
        default=(), description="Of each band, scaled; where not given, ImageNet's for red, green and blue."
    )
    std: tuple[Positive, ...] = Field(default=(), description="Of each band, scaled; where not given, ImageNet's.")
    tile: int = Field(default=512, ge=32, multiple_of=32, description="Side of a tile at prediction, px.")
    overlap: int = Field(
        default=128, ge=0, multiple_of=32, description="Of two tiles at prediction, px, at most half a tile."
    )
    temperature: Positive = Field(default=1.0, description="Logits are divided by it before the softmax.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.overlap > self.tile // 2:
            raise PydanticCustomError("overlap", "overlap should be at most half of tile")
        for key, given in (("mean", self.mean), ("std", self.std)):
            if len(given) not in {0, len(self.bands)} or bool(given) != bool(self.mean or self.std):
                raise PydanticCustomError(key, "mean and std should have a number for each band, or both be left out")
        return self

    @property
    def class_map(self) -> ClassMap:
        """The legend.

        Raises:
            ConfigError: if an id or a name stands twice or a colour is wrong.
        """
        return ClassMap.of((entry.id, entry.name, entry.colour) for entry in self.classes)

    @property
    def provenance(self) -> dict[str, str]:
        """What the model card tells people; what is not said is left out."""
        told = {"title": self.title, "licence": self.licence, "data": self.data, "limits": self.limits}
        return {key: text for key, text in told.items() if text}
