"""Settings of `geoseg predict`: one list of names, defaults and texts for command line, YAML and Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, TypedDict

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from geoseg.config.scenes import Places, QualityMask
from geoseg.config.settings import Settings
from geoseg.config.vectorize import VectorFields
from geoseg.vector.options import MappingBy, Method

TILE_MULTIPLE = 32
"""Networks halve the image up to five times: tile and overlap are multiples of this many pixels."""

_LARGEST_TILE = 2**16
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")

Grid = Literal["model", "scene"]
Tta = Literal["none", "d4"]
Adapt = Literal["none", "match", "adabn"]
EngineName = Literal["auto", "torch", "torch-compile", "openvino", "onnx"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
OnError = Literal["stop", "nodata"]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def _split_bands(value: object) -> object:
    """`"red,green"` and `[1, 2]` as they come from the command line and from YAML, to a tuple of strings."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    parts = value if isinstance(value, Sequence) else (value,)
    if not parts or not all(isinstance(part, str | int) and str(part) for part in parts):
        raise PydanticCustomError("bands", "Input should be band names or numbers separated by commas")
    return tuple(str(part) for part in parts)


def _split_thresholds(value: object) -> object:
    """`"water=0.6,road=0.5"` as it comes from the command line, to a mapping; YAML has one already."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",")]
    if not all(name.strip() and equals and number.strip() for name, equals, number in pairs):
        raise PydanticCustomError("thresholds", "Input should be class=probability pairs separated by commas")
    return {name.strip(): number.strip() for name, _, number in pairs}


def _overlap_said(value: object) -> object:
    """`"64"` as it comes from the command line, to a number; words stay."""
    if value is None or value in ("auto", "exact"):
        return value
    try:
        pixels = int(str(value))
    except ValueError:
        pixels = -1
    if pixels < 0 or pixels % TILE_MULTIPLE:
        raise PydanticCustomError(
            "overlap", "Input should be auto, exact, or a multiple of {multiple} from 0 on", {"multiple": TILE_MULTIPLE}
        )
    return pixels


Overlap = int | Literal["auto", "exact"]


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]i?)?B?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def _size_said(value: object) -> object:
    """`"2GB"`, `"800 MB"` or `"1.5GiB"` to bytes; numbers stay."""
    if not isinstance(value, str):
        return value
    said = _SIZE.fullmatch(value.strip())
    if said is None:
        raise PydanticCustomError("size", "Input should be a size such as 2GB, 800MB or 1.5GiB")
    return round(float(said[1]) * _UNITS[(said[2] or "").lower()])


Memory = Annotated[int, Field(ge=1), BeforeValidator(_size_said)]
Thresholds = Annotated[dict[str, Annotated[float, Field(ge=0, le=1)]], BeforeValidator(_split_thresholds)]
BandList = Annotated[tuple[str, ...], BeforeValidator(_split_bands)]


class MapFields(Settings):
    """How the pixels of a scene are mapped."""

    model: str = Field(
        default="auto",
        min_length=1,
        description="Model package: a packaged name, a directory or a zip; auto picks the one that fits.",
    )
    bands: BandList | None = Field(
        default=None,
        description="The scene's bands in the model's order, by name or number: red,green,blue or 4,3,2. All of the "
        "model's, or all but its optional ones.",
    )
    aoi: str | None = Field(
        default=None,
        min_length=1,
        description="Map only this area: a file with polygons, west,south,east,north in degrees, or "
        "minx,miny,maxx,maxy,EPSG:n. The outputs cover its bounding box, on the pixels of the scene.",
    )
    mask: QualityMask = None
    allow: Places = ()
    tile: int | None = Field(
        default=None,
        ge=64,
        le=_LARGEST_TILE,
        multiple_of=TILE_MULTIPLE,
        description="Side of a tile in pixels, a multiple of 32; the model's where not given.",
    )
    overlap: Annotated[Overlap | None, BeforeValidator(_overlap_said)] = Field(
        default=None,
        description="Pixels that neighbours share, a multiple of 32 up to half a tile; exact makes the map of one pass "
        "over the whole scene; auto chooses by what was measured of the network: the least that keeps to "
        "--seam-tolerance. Where not given auto, and the model's where its package was not measured.",
    )
    seam_tolerance: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of the labels that overlap auto may let differ from one pass over the whole scene, whatever "
        "it costs; where not given 0.005, or what comes nearest to it with 1.3 pixels computed for each of the scene.",
    )
    batch_size: int | None = Field(
        default=None, ge=1, description="Tiles computed together; chosen by device where not given."
    )
    device: str = Field(
        default="auto",
        description="Where the network runs: auto, cpu, mps, cuda or cuda:N.",
    )
    precision: Precision = Field(
        default="auto",
        description="Number format of the network; auto takes the device's fastest.",
    )
    engine: EngineName = Field(
        default="auto",
        description="What runs the network. auto takes torch on a GPU and for small scenes, else what is fastest on "
        "this machine, measured once and remembered; openvino and onnx are extras (geoseg[openvino], geoseg[onnx]), "
        "torch-compile needs a C++ compiler and a minute.",
    )
    tta: Tta = Field(
        default="none",
        description="Average over turned and mirrored tiles: d4 takes all eight, and eight times as long.",
    )
    adapt: Adapt = Field(
        default="none",
        description="Fit the model to the scene first: match gives the bands the distribution that the model knows, "
        "adabn takes the statistics of its batch normalisation half from the scene. For scenes in another light or of "
        "another sensor; geoseg shift tells which those are.",
    )
    thresholds: Thresholds | None = Field(
        default=None,
        description="Probability that a pixel needs to be given a class: water=0.6,road=0.5; otherwise the next most "
        "probable class that reaches its own gets it, and 255 (nodata) where none does. Classes not named keep the "
        "model's, mostly 0.",
    )
    block_rows: int | None = Field(
        default=None,
        ge=1,
        description="Rows computed as one piece of work; changes memory and speed, never the map.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        description="Local processes that share the work; the map is the same, byte for byte.",
    )
    scheduler: str | None = Field(
        default=None, min_length=1, description="Address of a running Dask cluster to compute on."
    )
    cluster: Path | None = Field(
        default=None,
        description="YAML file of a cluster to make, compute on and end: SLURM, Kubernetes, SSH (configs/cluster).",
    )
    grid: Grid = Field(
        default="model",
        description="Grid of the outputs where the resolutions of model and scene differ.",
    )
    vector: bool = Field(default=True, description="Write polygons to a GeoPackage.")
    probabilities: bool = Field(default=False, description="Also write the probability of each class, percent.")

    @field_validator("device")
    @classmethod
    def _known_device(cls, device: str) -> str:
        if not _DEVICE.fullmatch(device):
            raise PydanticCustomError("device", "Input should be auto, cpu, mps, cuda or cuda:N")
        return device

    @field_validator("cluster")
    @classmethod
    def _one_place_to_compute(cls, cluster: Path | None, known: ValidationInfo) -> Path | None:
        others = [name for name, alone in (("workers", 1), ("scheduler", None)) if known.data.get(name, alone) != alone]
        if cluster is not None and others:
            raise PydanticCustomError("cluster", "Input should not be given with {others}", {"others": others[0]})
        return cluster

    @field_validator("seam_tolerance")
    @classmethod
    def _only_for_auto(cls, tolerance: float | None, known: ValidationInfo) -> float | None:
        overlap: Overlap | None = known.data.get("overlap")
        if tolerance is not None and overlap not in {None, "auto"}:
            raise PydanticCustomError(
                "seam_tolerance", "Input is for overlap auto, not for overlap {overlap}", {"overlap": overlap}
            )
        return tolerance

    @field_validator("overlap")
    @classmethod
    def _overlap_fits(cls, overlap: Overlap | None, known: ValidationInfo) -> Overlap | None:
        tile: int | None = known.data.get("tile")
        if tile is not None and isinstance(overlap, int) and overlap > tile // 2:
            limit = {"tile": tile, "limit": tile // 2}
            raise PydanticCustomError("overlap", "Input should be at most {limit}, half of tile {tile}", limit)
        return overlap

    @property
    def computes_here(self) -> bool:
        """True where this process computes by itself, without workers."""
        return self.workers == 1 and self.scheduler is None and self.cluster is None


class PredictSettings(VectorFields, MapFields):
    """How a scene is mapped."""

    max_memory: Memory | None = Field(
        default=None,
        description="Memory that a run may take (2GB, 800MB): blocks become narrower and fewer tiles are computed at a "
        "time, the map stays the same. It holds for the rasters; what polygons take is estimated (geoseg plan).",
    )
    acquired: date | None = Field(
        default=None,
        description="The day on which the scene was taken (2024-05-31); by its file where not given.",
    )
    overwrite: bool = Field(default=False, description="Replace outputs that exist.")
    on_error: OnError = Field(
        default="stop",
        description="What becomes of pixels that cannot be read, where a file is damaged: stop with an error, or take "
        "them as nodata, warn, and end with exit code 4.",
    )
    restart: bool = Field(
        default=False, description="Compute everything anew, also the blocks that a run that was stopped has left."
    )
    keep_blocks: bool = Field(
        default=False,
        description="Keep the computed blocks beside the outputs, so that a later run on an edited scene computes only "
        "what has changed.",
    )

    @property
    def needs_probabilities(self) -> bool:
        """True where polygons take the probability of each class."""
        by_probability = self.mapping_unit > 0 and self.mapping_by == "probability"
        return self.vector and (self.smooth or by_probability or bool(self.regularize))


class PredictOptions(TypedDict, total=False):
    """The same settings as keywords of `geoseg.predict_scene`; what is left out has its default."""

    model: str
    bands: str | Sequence[str | int] | None
    aoi: str | None
    mask: str | None
    allow: str | Sequence[str]
    tile: int | None
    overlap: Overlap | None
    seam_tolerance: float | None
    batch_size: int | None
    device: str
    precision: Precision
    engine: EngineName
    tta: Tta
    adapt: Adapt
    thresholds: str | Mapping[str, float] | None
    block_rows: int | None
    workers: int
    scheduler: str | None
    cluster: str | Path | None
    grid: Grid
    vector: bool
    probabilities: bool
    mapping_unit: float
    mapping_by: MappingBy
    simplify: float
    simplify_method: Method
    smooth: bool
    boundaries: bool
    review: int
    regularize: str | Sequence[str]
    max_memory: str | int | None
    acquired: str | date | None
    overwrite: bool
    on_error: OnError
    restart: bool
    keep_blocks: bool
