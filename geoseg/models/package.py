"""Model packages on disk: a network with everything that prediction needs. Never a pickle.

A package is a folder, or one zip, with model.json (see `geoseg.models.card`), weights.safetensors, the same facts for
people in MODEL_CARD.md, which is not read again, and sometimes reference.safetensors (see `geoseg.models.reference`)
and a picture.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_weights
from safetensors.torch import save as serialize_weights
from torch import Tensor, nn

from geoseg.classes import ClassMap
from geoseg.errors import ModelError, OutputError
from geoseg.models.bounded import bounded_by
from geoseg.models.build import build_network
from geoseg.models.calibration import Calibration
from geoseg.models.card import ModelCard, card_from_json, card_to_json
from geoseg.models.card_text import TEXT_FILE, model_card_text
from geoseg.models.context import Context
from geoseg.models.package_files import CARD_FILE, PICTURE_FILE, REFERENCE_FILE, WEIGHTS_FILE, read_files
from geoseg.models.reference import ReferenceStatistics, reference_from_bytes, reference_to_bytes
from geoseg.models.rules import check_names, check_prediction_rules, check_prediction_sizes
from geoseg.models.spec import NetworkSpec
from geoseg.raster.normalize import Normalizer

_HALF_ABOVE_BYTES = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPackage:
    """A network with everything that prediction needs: nothing is guessed."""

    name: str
    """Short name, as in file names."""

    network: nn.Module
    """In evaluation mode: normalised images (n, bands, tile, tile) to logits (n, classes, tile, tile)."""

    spec: NetworkSpec
    """How the network was built."""

    classes: ClassMap
    """The legend, in the order of the logits."""

    bands: tuple[str, ...]
    """Names of the bands, in the order of the network."""

    gsd: float
    """Ground sampling distance of training, metres per pixel."""

    normalizer: Normalizer
    """From the scene's numbers to the network's."""

    tile: int
    """Side of the square the network sees at prediction, px."""

    overlap: int
    """Pixels shared by neighbouring tiles."""

    context: Context | None = None
    """What the edges of tiles change, by `measure_context`; None where that was not measured."""

    calibration: Calibration = field(default_factory=Calibration)
    """From its logits to those of the softmax, so that confidences are calibrated."""

    optional_bands: tuple[str, ...] = ()
    """Those of `bands` that a scene may lack."""

    thresholds: tuple[float, ...] = ()
    """For each class the probability that a pixel needs to be given it, 0 to 1; empty = 0 for all."""

    provenance: Mapping[str, object]
    """Title, data, licence, split and scores; JSON values."""

    picture: bytes | None = None
    """A PNG for people: a scene, its labels, the map."""

    reference: ReferenceStatistics | None = None
    """Of the ground it was validated on; None where that was not measured."""

    def __post_init__(self) -> None:
        check_names(self.name, self.bands)
        check_prediction_sizes(tile=self.tile, overlap=self.overlap, gsd=self.gsd)
        check_prediction_rules(self)
        self.network.eval()


def save_package(package: ModelPackage, path: Path, *, overwrite: bool = False) -> ModelCard:
    """Write a package under a temporary name, then give it its own.

    Weights of more than 10 MB are stored as float16, smaller ones as float32.

    Args:
        package: what to write.
        path: a folder to make, or a file ending in .zip.
        overwrite: whether an older package there may be replaced.

    Returns:
        The card as written.

    Raises:
        OutputError: if the path exists and may not be replaced, or cannot be written.
        ModelError: if the provenance is not plain JSON.
    """
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already: choose another path or allow it to be replaced")
    weights = serialize_weights(_stored_weights(package.network))
    reference = reference_to_bytes(package.reference) if package.reference else b""
    card = _card_of(package, weights, reference)
    text = model_card_text(card, picture=PICTURE_FILE if package.picture else None)
    files = {CARD_FILE: card_to_json(card).encode(), WEIGHTS_FILE: weights, TEXT_FILE: text.encode()}
    files |= {REFERENCE_FILE: reference} if reference else {}
    files |= {PICTURE_FILE: package.picture} if package.picture else {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".geoseg-", dir=path.parent) as hidden:
            staged = Path(hidden) / path.name
            (_write_zip if path.suffix.lower() == ".zip" else _write_folder)(staged, files)
            if path.is_dir():
                shutil.rmtree(path)
            staged.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    return card


def load_package(path: Path) -> ModelPackage:
    """Read a package from a folder or a zip, on the CPU, in evaluation mode.

    Raises:
        ModelError: if it is missing, incomplete, damaged, or its weights do not fit its network.
    """
    files = read_files(path)
    card = card_from_json(files[CARD_FILE], origin=str(path))
    stored = _stored(files.pop(WEIGHTS_FILE), card, origin=str(path))
    with bounded_by(stored, about=str(path)):
        network = build_network(card.spec)
    _fill(network, stored, card, origin=str(path))
    return ModelPackage(
        name=card.name,
        network=network,
        spec=card.spec,
        classes=card.classes,
        bands=card.bands,
        gsd=card.gsd,
        normalizer=card.normalizer,
        tile=card.tile,
        overlap=card.overlap,
        context=card.context,
        calibration=card.calibration,
        optional_bands=card.optional_bands,
        thresholds=card.thresholds,
        provenance=card.provenance,
        picture=files.get(PICTURE_FILE),
        reference=_reference(files.get(REFERENCE_FILE), card, origin=str(path)),
    )


def _card_of(package: ModelPackage, weights: bytes, reference: bytes) -> ModelCard:
    return ModelCard(
        name=package.name,
        spec=package.spec,
        classes=package.classes,
        bands=package.bands,
        gsd=package.gsd,
        normalizer=package.normalizer,
        tile=package.tile,
        overlap=package.overlap,
        context=package.context,
        calibration=package.calibration,
        optional_bands=package.optional_bands,
        thresholds=package.thresholds,
        provenance=package.provenance,
        parameters=sum(parameter.numel() for parameter in package.network.parameters()),
        weights_bytes=len(weights),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        reference_sha256=hashlib.sha256(reference).hexdigest() if reference else "",
    )


def _stored_weights(network: nn.Module) -> dict[str, Tensor]:
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if size <= _HALF_ABOVE_BYTES:
        return state
    return {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def _stored(weights: bytes, card: ModelCard, *, origin: str) -> dict[str, Tensor]:
    if hashlib.sha256(weights).hexdigest() != card.weights_sha256:
        raise ModelError(f"{origin}: {WEIGHTS_FILE} is not the file that {CARD_FILE} describes: copy it again")
    try:
        return parse_weights(weights)
    except (SafetensorError, LookupError, ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"{origin}: {WEIGHTS_FILE} is damaged: {error}") from error


def _fill(network: nn.Module, stored: Mapping[str, Tensor], card: ModelCard, *, origin: str) -> None:
    wanted = network.state_dict()
    state = {name: tensor.to(wanted[name].dtype) for name, tensor in stored.items() if name in wanted}
    misfits = sorted(name for name in wanted.keys() | stored.keys() if not _fits(name, wanted, stored))
    if misfits:
        raise ModelError(
            f"{origin}: {len(misfits)} tensors of {WEIGHTS_FILE} do not fit {card.spec.architecture} with "
            f"{card.spec.encoder}, {misfits[0]} first"
        )
    with torch.no_grad():
        network.load_state_dict(state)
    odd = next((name for name, tensor in network.named_parameters() if not bool(torch.isfinite(tensor).all())), None)
    if odd is not None:
        raise ModelError(f"{origin}: {odd} of {WEIGHTS_FILE} holds numbers that are not finite: train the model again")


def _reference(data: bytes | None, card: ModelCard, *, origin: str) -> ReferenceStatistics | None:
    if data is None and not card.reference_sha256:
        return None
    if data is None or hashlib.sha256(data).hexdigest() != card.reference_sha256:
        raise ModelError(f"{origin}: {REFERENCE_FILE} is not the file that {CARD_FILE} describes: copy it again")
    reference = reference_from_bytes(data, origin=origin)
    shape = len(reference.quantiles), len(reference.prior)
    if shape != (len(card.bands), len(card.classes)):
        raise ModelError(
            f"{origin}: {REFERENCE_FILE} is of {shape[0]} bands and {shape[1]} classes, "
            f"the model has {len(card.bands)} and {len(card.classes)}"
        )
    return reference


def _fits(name: str, wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> bool:
    return name in wanted and name in stored and wanted[name].shape == stored[name].shape


def _write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    path.mkdir()
    for name, data in files.items():
        (path / name).write_bytes(data)


def _write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", compression=zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
