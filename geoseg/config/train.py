"""Settings of `geoseg train`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from geoseg.classes import ClassMap
from geoseg.config.loss import LossSettings
from geoseg.config.scenes import Places, QualityMask
from geoseg.config.settings import Settings, load_yaml, settings_from
from geoseg.errors import ConfigError

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def _strings(value: object) -> object:
    """Band numbers as YAML has them, to strings."""
    return tuple(str(part) for part in value) if isinstance(value, list | tuple) else value


def _names(value: object) -> object:
    """One class name, to a set of one; none where a label is to be left unknown."""
    return (value,) if isinstance(value, str) else value


def _maybe_strings(value: object) -> object:
    """As `_strings`; null stays."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(part if part is None else str(part) for part in value)


ClassNames = Annotated[tuple[str, ...] | None, BeforeValidator(_names)]
SceneBands = Annotated[tuple[str | None, ...], BeforeValidator(_maybe_strings), Field(min_length=1)]
BandNames = Annotated[tuple[str, ...], BeforeValidator(_strings), Field(min_length=1)]


class SourceSettings(Settings):
    """Scenes to learn from, with their labels."""

    name: str = Field(default="", description="What its scores are listed under; the scenes' folder where not given.")
    scene: str = Field(description="Path of a scene, or a pattern with one * in the file name.")
    labels: str = Field(
        description="Path of its labels, a raster or a vector layer; a * stands for what the one in scene stands for."
    )
    label_map: dict[int | str, ClassNames] = Field(
        min_length=1,
        description="Class of each label value, several where the label leaves them open, null where it is unknown.",
    )
    attribute: str | None = Field(
        default=None,
        description="Of a vector layer, the column that holds the values; * where every feature has one, *.",
    )
    layer: str | None = Field(default=None, description="Of a vector file, the layer; the first where not given.")
    outside: ClassNames = Field(
        default=None, description="Of a vector layer, the class of pixels without a feature; unknown where not given."
    )
    bands: SceneBands | None = Field(
        default=None,
        description="The scene's bands in the model's order, by name or number, null where it has none; by name where "
        "not given.",
    )
    mask: QualityMask = None
    gsd: float | None = Field(
        default=None, gt=0, description="Ground sampling distance of scenes that do not tell it, metres per pixel."
    )
    scale: float | None = Field(default=None, gt=0, description="In place of the one in scales.")
    offset: float = Field(default=0.0, description="Added to scaled numbers, as Landsat's reflectance needs.")
    split: Literal["train", "val", "test", "blocks"] = Field(
        default="train", description="What the scenes are for; blocks splits each by squares on the ground."
    )
    weight: float = Field(default=1.0, gt=0, description="How often its ground is drawn, compared with others.")

    @property
    def label_sets(self) -> tuple[tuple[str, ...], ...]:
        """All sets of classes that its labels leave open."""
        named = [*self.label_map.values(), self.outside]
        return tuple(names for names in named if names is not None)


class ClassSettings(Settings):
    """One class; the order of the list is that of the logits."""

    id: int = Field(description="Value in class rasters, 0 to 254.")
    name: str = Field(description="What it is called.")
    colour: str = Field(description="Like #1a2b3c.")


class NetworkSettings(Settings):
    """The network."""

    architecture: str = Field(default="unet", description="As segmentation-models-pytorch calls it.")
    encoder: str = Field(default="resnet18", description="As smp calls it, or tu- and a timm model.")
    encoder_weights: str | None = Field(default=None, description="Pretrained weights that smp may download.")
    start: str | None = Field(
        default=None, description="Model package whose weights to start from: a packaged name, a folder or a zip."
    )
    options: dict[str, bool | int | float | str | tuple[int, ...] | None] = Field(
        default_factory=dict, description="Further keywords of the architecture."
    )


class BlockSettings(Settings):
    """How sources with `split: blocks` are split."""

    side: float = Field(default=300.0, gt=0, description="Side of a square, metres.")
    buffer: float = Field(default=50.0, ge=0, description="Least distance between pixels of two squares, metres.")
    val: float = Field(default=0.15, ge=0, lt=1, description="Share of the squares to choose the best weights by.")
    test: float = Field(default=0.15, ge=0, lt=1, description="Share of the squares that are only scored.")


class AugmentSettings(Settings):
    """How strongly chips are changed; 0 switches a change off."""

    d4: bool = Field(default=True, description="Quarter turns and mirrors.")
    gsd_jitter: tuple[float, float] = Field(default=(1.0, 1.0), description="Least and largest factor on the GSD.")
    gain: float = Field(default=0.2, ge=0, le=2, description="Brightness, log of the largest factor.")
    bias: float = Field(default=0.03, ge=0, le=1, description="Offset, of full scale.")
    gamma: float = Field(default=0.2, ge=0, le=2, description="Contrast, log of the largest exponent.")
    haze: float = Field(default=0.0, ge=0, lt=1, description="Largest share of light from the air.")
    grey: float = Field(default=0.0, ge=0, le=1, description="Largest loss of colour.")
    blur: float = Field(default=0.0, ge=0, le=5, description="Largest standard deviation, px.")
    noise: float = Field(default=0.0, ge=0, le=1, description="Largest standard deviation, of full scale.")
    drop: float = Field(default=0.0, ge=0, lt=1, description="Share of chips that lose the optional bands.")

    @model_validator(mode="after")
    def _ordered_jitter(self) -> Self:
        low, high = self.gsd_jitter
        if not 0 < low <= high:
            raise PydanticCustomError("gsd_jitter", "gsd_jitter should be two positive factors, the smaller first")
        return self


class OptimiserSettings(Settings):
    """AdamW with a warm-up and a cosine, and the mean of weights that is kept."""

    learning_rate: float = Field(default=1e-3, gt=0, description="At its largest.")
    weight_decay: float = Field(default=0.02, ge=0, description="Of matrices and kernels.")
    warmup: float = Field(default=0.04, ge=0, lt=1, description="Share of the iterations.")
    gradient_clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient.")
    ema_decay: float = Field(default=0.998, ge=0, lt=1, description="Of the moving mean of weights.")


class TrainSettings(Settings):
    """What to learn, from what, and how."""

    name: str = Field(pattern=r"^[a-z][a-z0-9._-]+[a-z0-9]$", description="Short name of the model, as in file names.")
    title: str = Field(default="", description="One line for people.")
    licence: str = Field(default="", description="Under which the weights may be used.")
    data: str = Field(default="", description="Where imagery and labels come from, with their licences.")
    split: str = Field(default="", description="Which ground is held out, for the model card.")
    limits: str = Field(default="", description="Where the model fails, for the model card.")
    provenance_files: tuple[str, ...] = Field(
        default=(), description="JSON files whose keys join the model's provenance, such as a list of held-out chips."
    )
    root: Path = Field(default=Path(), description="Folder that relative paths start from: that of the YAML file.")
    variables: dict[str, str] = Field(
        default_factory=dict, description="Values of ${NAME} in paths where the environment has none."
    )
    allow: Places = ()
    sources: tuple[SourceSettings, ...] = Field(min_length=1, description="Scenes with labels.")
    classes: tuple[ClassSettings, ...] = Field(min_length=1, description="The legend.")
    network: NetworkSettings = Field(default=NetworkSettings(), description="The network.")
    bands: BandNames = Field(description="Names of the model's bands.")
    optional_bands: tuple[str, ...] = Field(
        default=(), description="Those of them that a scene may lack: the model learns to do without."
    )
    gsd: float = Field(gt=0, description="Ground sampling distance to learn at, metres per pixel.")
    scales: dict[str, float] = Field(
        default={"uint8": 1 / 255}, min_length=1, description="From the numbers of a dtype to about 0 to 1."
    )
    tile: int = Field(default=512, ge=64, multiple_of=32, description="Side of a tile at prediction, px.")
    overlap: int = Field(
        default=128, ge=0, multiple_of=32, description="Of two tiles at prediction, px, at most half a tile."
    )
    chip: int = Field(default=256, ge=32, multiple_of=32, description="Side of a training chip, px.")
    batch_size: int = Field(
        default=8, ge=1, description="Chips in memory at a time, of all processes together where there are several."
    )
    accumulate: int = Field(
        default=1, ge=1, description="Batches per step of the optimiser: as if the batch were so many times larger."
    )
    iterations: int = Field(default=2000, ge=1, description="Steps of the optimiser.")
    validate_every: int = Field(default=200, ge=1, description="Iterations between scores; the state is saved then.")
    patience: int | None = Field(
        default=None, ge=1, description="Scores without a new best after which training ends; it does not by default."
    )
    class_balance: float = Field(default=0.5, ge=0, le=1, description="Share of chips drawn for a rare class.")
    blocks: BlockSettings = Field(default=BlockSettings(), description="How scenes are split by squares.")
    augment: AugmentSettings = Field(default=AugmentSettings(), description="Changes of the chips.")
    optimiser: OptimiserSettings = Field(default=OptimiserSettings(), description="Steps of the weights.")
    calibration: Literal["temperature", "vector", "best"] = Field(
        default="temperature",
        description="How confidences are calibrated on the validation ground. A temperature moves no class; vector, a "
        "scale and a bias for each class, draws them towards their shares there; best takes vector where it helps "
        "held-back pixels there.",
    )
    loss: LossSettings = Field(default=LossSettings(), description="What is made small.")
    seed: int = Field(default=0, ge=0, description="Of weights, chips and changes.")
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="Where to train.")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto", description="Of the forward and backward pass; fp16 on a GPU only."
    )
    cache_mb: int = Field(default=1024, ge=1, description="Memory for decoded scenes.")
    tensorboard: bool = Field(
        default=False, description="Whether losses and scores are written for TensorBoard too, which must be installed."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.overlap > self.tile // 2:
            raise PydanticCustomError("overlap", "overlap should be at most half of tile")
        unknown = sorted(set(self.optional_bands) - set(self.bands))
        if unknown:
            raise PydanticCustomError("optional_bands", "optional_bands should be among bands")
        if not any(source.split in {"train", "blocks"} for source in self.sources):
            raise PydanticCustomError("sources", "sources should have one with split train or blocks")
        if not any(source.split in {"val", "blocks"} for source in self.sources):
            raise PydanticCustomError("sources", "sources should have one with split val or blocks")
        return self

    @property
    def class_map(self) -> ClassMap:
        """The legend.

        Raises:
            ConfigError: if an id or a name stands twice or a colour is wrong.
        """
        return ClassMap.of((entry.id, entry.name, entry.colour) for entry in self.classes)

    def expand(self, path: str) -> Path:
        """A path of these settings with its variables filled in, from the root where it is relative.

        Raises:
            ConfigError: if a variable has no value.
        """
        return self.root / _VARIABLE.sub(lambda match: self._value_of(match[1]), path)

    @property
    def allowed(self) -> tuple[str, ...]:
        """What `allow` names, paths from the root.

        Raises:
            ConfigError: if a variable has no value.
        """
        return tuple(self._place_of(entry) for entry in self.allow)

    @property
    def start(self) -> str | Path | None:
        """The package to start from: a name, or a path from the root if there is such a file."""
        name = self.network.start
        if name is None:
            return None
        path = self.expand(name)
        return path if path.exists() else name

    def files_of(self, source: SourceSettings) -> tuple[tuple[Path, Path], ...]:
        """Scenes of a source with their labels, sorted.

        Raises:
            ConfigError: if no scene matches, or a scene has no labels.
        """
        pattern = self.expand(source.scene)
        if "*" not in pattern.name:
            return (_existing(pattern, self.expand(source.labels)),)
        before, after = pattern.name.split("*", maxsplit=1)
        scenes = sorted(pattern.parent.glob(pattern.name))
        if not scenes:
            raise ConfigError(f"sources: no file matches {pattern}: correct the path or set its variables")
        stars = [scene.name[len(before) : len(scene.name) - len(after)] for scene in scenes]
        return tuple(
            _existing(scene, self.expand(source.labels.replace("*", star)))
            for scene, star in zip(scenes, stars, strict=True)
        )

    def _place_of(self, entry: str) -> str:
        path = self.expand(entry)
        return str(path) if path.exists() else entry

    def _value_of(self, variable: str) -> str:
        value = os.environ.get(variable, self.variables.get(variable))
        if value is None:
            raise ConfigError(f"sources: ${{{variable}}} has no value: set it in the environment or under variables")
        return value


def load_train_settings(path: Path, changes: Mapping[str, object] | None = None) -> TrainSettings:
    """Settings from a YAML file; its relative paths start from its own folder.

    A file with a key `base` takes what it does not say itself from the file of that name beside it, within the
    sections `network`, `augment`, `optimiser`, `loss` and `blocks` key by key.

    Args:
        path: the file.
        changes: values that replace those at the top of the file.

    Raises:
        ConfigError: if a file cannot be read or a key or value is wrong.
    """
    values = {"root": path.parent, **_with_base(path), **(changes or {})}
    return settings_from(TrainSettings, values, origin=str(path))


def _with_base(path: Path, above: tuple[Path, ...] = ()) -> dict[str, object]:
    values = load_yaml(path)
    base = values.pop("base", None)
    if base is None:
        return values
    below = path.parent / str(base)
    if below in above:
        raise ConfigError(f"{path}: base: {base} is based on this file itself")
    merged = _with_base(below, (*above, path))
    for key, value in values.items():
        kept = merged.get(key)
        merged[key] = {**kept, **value} if isinstance(kept, dict) and isinstance(value, dict) else value
    return merged


def _existing(scene: Path, labels: Path) -> tuple[Path, Path]:
    for path in (scene, labels):
        if not path.exists():
            raise ConfigError(f"sources: {path} does not exist: correct the path or set its variables")
    return scene, labels
