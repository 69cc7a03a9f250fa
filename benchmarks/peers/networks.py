"""The networks that all arms run, as model packages, so that geoseg reads them as it does any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from geoseg.classes import ClassMap
from geoseg.models import package as packages
from geoseg.models.package import ModelPackage, load_package, save_package
from geoseg.models.spec import NetworkSpec
from geoseg.raster.normalize import Normalizer

ONE_CONVOLUTION = "one_convolution"
CLASSES = 8
_COLOURS = ("#3c78c8", "#1e6432", "#e6c850", "#96c864", "#b48c64", "#c83232", "#5a5a64", "#ffffff")
_SPECS = {
    ONE_CONVOLUTION: NetworkSpec(architecture=ONE_CONVOLUTION, encoder="none", bands=3, classes=CLASSES),
    "unet-resnet18": NetworkSpec(architecture="unet", encoder="resnet18", bands=3, classes=CLASSES),
}
_build_network = packages.build_network


def _build(spec: NetworkSpec, **options: Any) -> nn.Module:
    """As `build_network`, which knows no network of one convolution."""
    if spec.architecture == ONE_CONVOLUTION:
        return nn.Conv2d(spec.bands, spec.classes, 3, padding=1)
    return _build_network(spec, **options)


def teach_one_convolution() -> None:
    """Let packages of one convolution be loaded in this process."""
    packages.build_network = _build


def find_package(name: str, folder: Path, *, tile: int, overlap: int) -> Path:
    """The package of a network: `one_convolution`, `unet-resnet18` (random weights, always the same) or a packaged one.

    Args:
        name: of the network.
        folder: where packages of random weights are made.
        tile: side of a tile, px.
        overlap: pixels that neighbouring tiles share.
    """
    if name not in _SPECS:
        from geoseg.models.zoo import find_model

        return find_model(name)
    torch.manual_seed(7)
    entries = [(number, f"class {number}", colour) for number, colour in enumerate(_COLOURS)]
    package = ModelPackage(
        name=name,
        network=_build(_SPECS[name]).eval(),
        spec=_SPECS[name],
        classes=ClassMap.of(entries),
        bands=("red", "green", "blue"),
        gsd=0.6,
        normalizer=Normalizer(scales={"uint8": 1 / 255}, mean=(0.0,) * 3, std=(1.0,) * 3),
        tile=tile,
        overlap=overlap,
        provenance={"title": "random weights"},
    )
    path = folder / name
    save_package(package, path, overwrite=True)
    return path


def load(path: str) -> ModelPackage:
    """A package, also of one convolution."""
    teach_one_convolution()
    return load_package(Path(path))
