"""What a model package says of itself: model.json, a STAC item with the machine learning model extension.

A card is everything but the weights, so models are listed without torch. Knows nothing of where packages lie.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from geoseg.classes import ClassMap
from geoseg.errors import GeosegError, ModelError, one_line
from geoseg.models.calibration import Calibration
from geoseg.models.context import Context
from geoseg.models.package_files import WEIGHTS_FILE
from geoseg.models.rules import check_names, check_prediction_rules, check_prediction_sizes
from geoseg.models.spec import NetworkSpec
from geoseg.raster.curves import BandCurve
from geoseg.raster.normalize import Normalizer

_MLM_SCHEMA = "https://stac-extensions.github.io/mlm/v1.5.0/schema.json"
_CLASSIFICATION_SCHEMA = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
_FORMAT = 1
_MAY_LACK = {
    "logit_scale",
    "logit_bias",
    "optional_bands",
    "thresholds",
    "curves",
    "reference_sha256",
    "context",
}  # left out where empty
_NARROW = ("demo-", "buildings-")  # begin the names of packages for drawn landscapes and for one theme


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """A model without its weights."""

    name: str
    """Short name, as in file names."""

    spec: NetworkSpec
    """How to build the network."""

    classes: ClassMap
    """The legend, in the order of the logits."""

    bands: tuple[str, ...]
    """Names of the bands, in the order of the network."""

    gsd: float
    """Ground sampling distance the network was trained at, metres per pixel."""

    normalizer: Normalizer
    """From the scene's numbers to the network's."""

    tile: int
    """Side of the square the network sees at prediction, px."""

    overlap: int
    """Pixels shared by neighbouring tiles."""

    context: Context | None = None
    """What the edges of tiles change; None where that was not measured."""

    calibration: Calibration = field(default_factory=Calibration)
    """From its logits to those of the softmax, so that confidences are calibrated."""

    optional_bands: tuple[str, ...] = ()
    """Those of `bands` that a scene may lack."""

    thresholds: tuple[float, ...] = ()
    """For each class the probability that a pixel needs to be given it, 0 to 1; empty = 0 for all."""

    provenance: Mapping[str, object]
    """Where it comes from and how good it is: title, data, licence, split, scores; JSON values."""

    parameters: int
    """Numbers in the network."""

    weights_bytes: int
    """Size of the weights file."""

    weights_sha256: str
    """Of the weights file, hexadecimal."""

    reference_sha256: str = ""
    """Of the file with reference statistics, hexadecimal; empty = the package has none."""

    def __post_init__(self) -> None:
        if (self.spec.bands, self.spec.classes) != (len(self.bands), len(self.classes)):
            raise ModelError(
                f"the network has {self.spec.bands} bands and {self.spec.classes} classes, "
                f"the package names {len(self.bands)} and {len(self.classes)}"
            )
        if len(self.normalizer.mean) != len(self.bands):
            raise ModelError(f"{len(self.bands)} bands need as many means, got {len(self.normalizer.mean)}")
        check_names(self.name, self.bands)
        check_prediction_sizes(tile=self.tile, overlap=self.overlap, gsd=self.gsd)
        check_prediction_rules(self)

    @property
    def title(self) -> str:
        """One line for people."""
        return str(self.provenance.get("title", self.name))

    @property
    def is_general(self) -> bool:
        """True where it maps land cover at large: not one theme alone, and no drawn landscapes."""
        return not self.provenance.get("theme") and not self.name.startswith(_NARROW)

    @property
    def holdout_mean_iou(self) -> float | None:
        """Mean IoU on the data held out for the final score, 0 to 1; None where it was not measured."""
        scores = self.provenance.get("scores")
        score = scores.get("mean_iou") if isinstance(scores, Mapping) else None
        return float(score) if isinstance(score, int | float) else None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _NetworkPart(_Part):
    architecture: str
    encoder: str
    options: dict[str, bool | int | float | str | tuple[int, ...] | None]


class _ContextPart(_Part):
    radius: int | None
    divisor: int
    tile: int
    labels: tuple[float, ...]
    probabilities: tuple[float, ...]


class _PredictionPart(_Part):
    format: int
    network: _NetworkPart
    classes: tuple[tuple[int, str, str], ...]
    bands: tuple[str, ...]
    gsd: float
    scales: dict[str, float]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    curves: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()
    tile: int
    overlap: int
    context: _ContextPart | None = None
    temperature: float
    logit_scale: tuple[float, ...] = ()
    logit_bias: tuple[float, ...] = ()
    optional_bands: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    parameters: int
    weights_bytes: int
    weights_sha256: str
    reference_sha256: str = ""


class _Properties(BaseModel):
    prediction: _PredictionPart = Field(alias="geoseg:prediction")
    provenance: dict[str, object] = Field(alias="geoseg:provenance")


class _Item(BaseModel):
    id: str
    properties: _Properties


def card_from_json(text: str | bytes, *, origin: str) -> ModelCard:
    """Read a card.

    Args:
        text: contents of model.json.
        origin: where it comes from, to begin the error message with.

    Raises:
        ModelError: if it is no JSON, lacks a key, or says something impossible.
    """
    try:
        item = _Item.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise ModelError(f"{origin}: not a model card: {one_line(where, longest=200)}: {first['msg']}") from error
    part = item.properties.prediction
    if part.format != _FORMAT:
        raise ModelError(f"{origin}: model format {part.format} is unknown, this geoseg reads {_FORMAT}")
    try:
        return ModelCard(
            name=item.id,
            spec=NetworkSpec(
                architecture=part.network.architecture,
                encoder=part.network.encoder,
                bands=len(part.bands),
                classes=len(part.classes),
                options=part.network.options,
            ),
            classes=ClassMap.of(part.classes),
            bands=part.bands,
            gsd=part.gsd,
            normalizer=_normalizer(part),
            tile=part.tile,
            overlap=part.overlap,
            context=Context(**part.context.model_dump()) if part.context else None,
            calibration=Calibration(temperature=part.temperature, scale=part.logit_scale, bias=part.logit_bias),
            optional_bands=part.optional_bands,
            thresholds=part.thresholds,
            provenance=item.properties.provenance,
            parameters=part.parameters,
            weights_bytes=part.weights_bytes,
            weights_sha256=part.weights_sha256,
            reference_sha256=part.reference_sha256,
        )
    except GeosegError as error:
        raise ModelError(f"{origin}: {error}") from error


def _normalizer(part: _PredictionPart) -> Normalizer:
    curves = tuple(BandCurve(knots=knots, values=values) for knots, values in part.curves)
    return Normalizer(scales=part.scales, mean=part.mean, std=part.std, curves=curves)


def card_to_json(card: ModelCard) -> str:
    """Write a card as a STAC item.

    Raises:
        ModelError: if the provenance holds something that is no JSON.
    """
    try:
        return json.dumps(_item(card), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ModelError(f"the provenance of model {card.name!r} must be plain JSON values: {error}") from error


def _item(card: ModelCard) -> dict[str, object]:
    created = card.provenance.get("created", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [_MLM_SCHEMA, _CLASSIFICATION_SCHEMA],
        "id": card.name,
        "geometry": None,
        "properties": {
            "datetime": created,
            "title": card.title,
            "mlm:name": card.name,
            "mlm:architecture": f"{card.spec.architecture} with {card.spec.encoder} encoder",
            "mlm:tasks": ["semantic-segmentation"],
            "mlm:framework": "PyTorch",
            "mlm:total_parameters": card.parameters,
            "mlm:hyperparameters": _hyperparameters(card),
            "mlm:input": [_input(card)],
            "mlm:output": [_output(card)],
            "geoseg:prediction": _prediction(card),
            "geoseg:provenance": dict(card.provenance),
        },
        "links": [],
        "assets": {
            "weights": {
                "href": f"./{WEIGHTS_FILE}",
                "type": "application/octet-stream",
                "title": "Weights, safetensors",
                "roles": ["mlm:model", "mlm:weights"],
                "mlm:artifact_type": "safetensors",
                "bands": [{"name": band} for band in card.bands],
            }
        },
    }


def _hyperparameters(card: ModelCard) -> dict[str, object]:
    options = {"architecture": card.spec.architecture, "encoder": card.spec.encoder, **card.spec.options}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}


def _input(card: ModelCard) -> dict[str, object]:
    dtype, scale = next(iter(card.normalizer.scales.items()))
    normalizer = card.normalizer
    return {
        "name": f"{', '.join(card.bands)} at {card.gsd:g} m",
        "bands": list(card.bands),
        "input": {
            "shape": [-1, len(card.bands), card.tile, card.tile],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": dtype,
        },
        "value_scaling": [
            {"type": "z-score", "mean": mean / scale, "stddev": std / scale}
            for mean, std in zip(normalizer.mean, normalizer.std, strict=True)
        ],
        "resize_type": None,
        "pre_processing_function": None,
    }


def _output(card: ModelCard) -> dict[str, object]:
    return {
        "name": "logits of the classes",
        "tasks": ["semantic-segmentation"],
        "result": {
            "shape": [-1, len(card.classes), card.tile, card.tile],
            "dim_order": ["batch", "class", "height", "width"],
            "data_type": "float32",
        },
        "classification:classes": [
            {"value": entry.id, "name": entry.name, "color_hint": entry.colour[1:].upper()}
            for entry in card.classes.classes
        ],
        "post_processing_function": None,
    }


def _prediction(card: ModelCard) -> dict[str, object]:
    part = _PredictionPart(
        format=_FORMAT,
        network=_NetworkPart(
            architecture=card.spec.architecture, encoder=card.spec.encoder, options=dict(card.spec.options)
        ),
        classes=tuple((entry.id, entry.name, entry.colour) for entry in card.classes.classes),
        bands=card.bands,
        gsd=card.gsd,
        scales=dict(card.normalizer.scales),
        mean=card.normalizer.mean,
        std=card.normalizer.std,
        curves=tuple((curve.knots, curve.values) for curve in card.normalizer.curves),
        tile=card.tile,
        overlap=card.overlap,
        context=_ContextPart(**asdict(card.context)) if card.context else None,
        temperature=card.calibration.temperature,
        logit_scale=card.calibration.scale,
        logit_bias=card.calibration.bias,
        optional_bands=card.optional_bands,
        thresholds=card.thresholds,
        parameters=card.parameters,
        weights_bytes=card.weights_bytes,
        weights_sha256=card.weights_sha256,
        reference_sha256=card.reference_sha256,
    )
    said: dict[str, object] = part.model_dump(mode="json")
    return {key: value for key, value in said.items() if value or key not in _MAY_LACK}
