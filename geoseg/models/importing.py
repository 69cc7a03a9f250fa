"""Makes model packages of networks that were trained elsewhere with segmentation-models-pytorch."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from geoseg.classes import ClassMap
from geoseg.errors import ModelError, OutputError
from geoseg.models.bounded import bounded_by
from geoseg.models.build import build_network
from geoseg.models.calibration import Calibration
from geoseg.models.catalogue import TIMM
from geoseg.models.edge_effects import measure_context
from geoseg.models.matching import matched_state
from geoseg.models.package import ModelPackage, load_package, save_package
from geoseg.models.probing import inspect_network
from geoseg.models.smp_folder import read_smp_folder
from geoseg.models.spec import NetworkSpec, OptionValue
from geoseg.models.state_dict import read_state_dict
from geoseg.raster.normalize import Normalizer

_LOG = logging.getLogger("geoseg")
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_OTHER_STATISTICS = ("inception", "xception", "dpn")
"""Families of smp's encoders whose weights expect other statistics than the usual ones of ImageNet."""

_LARGEST_DIFFERENCE = 0.02
"""Of logits against their range. Large networks are stored as float16, which alone makes about 0.001."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What a package says and the weights of a network do not."""

    name: str
    """Short name, as in file names."""

    classes: ClassMap
    """The legend, in the order of the logits. Two classes for a network with one logit: what is not, and what is."""

    bands: tuple[str, ...]
    """Names of the bands, in the order of the network."""

    gsd: float
    """Ground sampling distance of training, metres per pixel."""

    scales: Mapping[str, float]
    """From the numbers of a dtype to the unit of `mean` and `std`."""

    tile: int
    """Side of the square the network sees at prediction, px."""

    overlap: int
    """Pixels shared by neighbouring tiles."""

    mean: tuple[float, ...] = ()
    """Per band, scaled; empty, like `std`, takes ImageNet's, which are of red, green and blue."""

    std: tuple[float, ...] = ()
    """Per band, scaled."""

    temperature: float = 1.0
    """Logits are divided by it before the softmax."""

    architecture: str | None = None
    """As smp calls it; a folder of smp says it itself."""

    encoder: str | None = None
    """As smp calls it; a folder of smp says it itself."""

    options: Mapping[str, OptionValue] = field(default_factory=dict)
    """Further keywords of the architecture; a folder of smp says them itself."""

    prefix: str | None = None
    """What stands before the names of the network's tensors; None finds it out."""

    provenance: Mapping[str, object] = field(default_factory=dict)
    """Title, data, licence, limits; JSON values."""


def import_package(source: Path, target: Path, request: ImportRequest) -> ModelPackage:
    """Make a package of a trained network, load it again and compare its logits with the network's.

    Args:
        source: a folder that smp's `save_pretrained` wrote, or a file with a state dict.
        target: the package to make, a folder or a file ending in .zip.
        request: everything that the source does not say.

    Returns:
        The package as loaded again.

    Raises:
        ModelError: if the source cannot be read safely, does not fit what is said of it, or comes out different.
        OutputError: if the target exists or cannot be written.
    """
    if target.exists():
        raise OutputError(f"{target}: exists already: choose another path")
    spec, state = _read(source, request)
    with bounded_by(state, about=str(source)):
        network = build_network(spec)
    network.load_state_dict(
        matched_state(state, network.state_dict(), prefix=request.prefix, origin=str(source)), strict=True
    )
    inspect_network(network, spec, tile=request.tile)
    calibration = Calibration(temperature=request.temperature)
    package = ModelPackage(
        name=request.name,
        network=network,
        spec=spec,
        classes=request.classes,
        bands=request.bands,
        gsd=request.gsd,
        normalizer=_normalizer(spec, request),
        tile=request.tile,
        overlap=request.overlap,
        context=measure_context(network, spec, tile=request.tile, calibration=calibration),
        calibration=calibration,
        provenance={**request.provenance, "training": {"start": source.name}},
    )
    return _saved(package, target)


def _saved(package: ModelPackage, target: Path) -> ModelPackage:
    """Give the package its name only when it is known to do what the network does."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".geoseg-", dir=target.parent) as hidden:
            staged = Path(hidden) / target.name
            save_package(package, staged)
            loaded = load_package(staged)
            _refuse_difference(package, loaded)
            staged.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
    return loaded


def _read(source: Path, request: ImportRequest) -> tuple[NetworkSpec, dict[str, Tensor]]:
    classes, bands = len(request.classes), len(request.bands)
    if not source.is_dir():
        state = read_state_dict(source)
        if request.architecture is None or request.encoder is None:
            raise ModelError(f"{source}: a state dict does not say its network: set architecture and encoder")
        spec = NetworkSpec(
            architecture=request.architecture.lower(),
            encoder=request.encoder,
            bands=bands,
            classes=classes,
            options=request.options,
        )
        return spec, state
    spec, state = read_smp_folder(source)
    _refuse_contradiction(source, spec, request)
    if spec.bands != bands:
        raise ModelError(f"{source}: the network has {spec.bands} bands and {bands} are named: name each, in its order")
    if spec.classes != classes and (spec.classes, classes) != (1, 2):
        two = ", or two: what is not, and what is" if spec.classes == 1 else ""
        raise ModelError(
            f"{source}: the network has {spec.classes} classes and {classes} are named: name each, in its order{two}"
        )
    return replace(spec, classes=classes), state


def _refuse_contradiction(source: Path, spec: NetworkSpec, request: ImportRequest) -> None:
    pairs = ((request.architecture, spec.architecture), (request.encoder, spec.encoder))
    for said, found in pairs:
        if said is not None and said.lower() != found.lower():
            raise ModelError(f"{source}: is built of {found}, not of {said}: leave architecture and encoder out")
    if request.options:
        raise ModelError(f"{source}: says its options itself: leave {', '.join(request.options)} out")


def _normalizer(spec: NetworkSpec, request: ImportRequest) -> Normalizer:
    mean, std = request.mean, request.std
    if not mean and not std:
        mean, std = _usual_statistics(spec, request.bands)
        _LOG.warning("mean and std are not given: taking ImageNet's, %s and %s of pixels scaled to 0 to 1", mean, std)
    if not len(mean) == len(std) == spec.bands:
        raise ModelError(f"{spec.bands} bands need as many mean and std, got {len(mean)} and {len(std)}")
    return Normalizer(scales=dict(request.scales), mean=mean, std=std)


def _usual_statistics(spec: NetworkSpec, bands: tuple[str, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What images are usually normalised by for the weights of an encoder."""
    if tuple(band.lower() for band in bands) != ("red", "green", "blue"):
        raise ModelError(f"mean and std are missing: only red, green, blue have usual ones, got {', '.join(bands)}")
    if spec.encoder.startswith(TIMM):
        import timm  # noqa: PLC0415 - after smp, which makes it importable

        known = timm.models.get_pretrained_cfg(spec.encoder.removeprefix(TIMM))
        return (tuple(known.mean), tuple(known.std)) if known is not None else _IMAGENET
    if spec.encoder.startswith(_OTHER_STATISTICS):
        raise ModelError(f"mean and std are missing: those of {spec.encoder} differ from the usual ones")
    return _IMAGENET


def _refuse_difference(package: ModelPackage, loaded: ModelPackage) -> None:
    """Compare the logits of two packages on one tile of noise."""
    noise = torch.randn(1, len(package.bands), package.tile, package.tile, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, found = package.network(noise), loaded.network(noise)
    spread = float(expected.max() - expected.min())
    difference = float((found - expected).abs().max())
    if not difference <= _LARGEST_DIFFERENCE * max(spread, torch.finfo(torch.float32).tiny):
        raise ModelError(
            f"{package.name}: the logits of the package differ by {difference:.3g} from those of the network, whose "
            f"range is {spread:.3g}: its weights cannot be stored"
        )
