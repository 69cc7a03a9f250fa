"""What many tests need: fakes for the protocols, small rasters, and one tiny real model package."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from numpy.typing import NDArray
from rasterio.crs import CRS

from geoseg.classes import ClassMap
from geoseg.georef import GeoRef
from geoseg.models.build import build_network
from geoseg.models.package import ModelPackage, save_package
from geoseg.models.spec import NetworkSpec
from geoseg.raster.normalize import Normalizer
from geoseg.raster.patch import Patch
from geoseg.window import Window

hypothesis_settings.register_profile(
    "geoseg", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
hypothesis_settings.load_profile("geoseg")

UTM = CRS.from_epsg(32633)
WriteScene = Callable[..., Path]


@dataclass
class FakeScene:
    """A scene in memory: a SceneReader without a file. Counts the rows it was asked for."""

    image: NDArray[np.generic]
    valid: NDArray[np.bool_]
    storage_rows: int = 16
    reads: list[Window] = field(default_factory=list)

    @property
    def georef(self) -> GeoRef:
        height, width = self.valid.shape
        return GeoRef(crs=UTM.to_wkt(), transform=Affine(1, 0, 5e5, 0, -1, 5e6), height=height, width=width)

    @property
    def bands(self) -> tuple[str, ...]:
        return tuple(f"band {index}" for index in range(1, len(self.image) + 1))

    @property
    def dtype(self) -> str:
        return str(self.image.dtype)

    def read(self, window: Window) -> Patch:
        self.reads.append(window)
        image = np.zeros((len(self.image), *window.shape), dtype=self.image.dtype)
        valid = np.zeros(window.shape, dtype=np.bool_)
        inside = window.intersect(self.georef.window)
        if inside is not None:
            there = inside.slices_in(window)
            here = inside.slices_in(self.georef.window)
            image[:, *there], valid[there] = self.image[:, *here], self.valid[here]
        return Patch(image=image, valid=valid, window=window)


@dataclass
class FakeEngine:
    """Probabilities that depend on every pixel of a tile and on where it is, without a network."""

    classes: int = 3
    tiles_seen: int = 0
    threads: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def probabilities(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        self.tiles_seen += len(images)
        numbers = torch.from_numpy(np.where(usable[:, None], images, 0).astype(np.float32))
        local = torch.nn.functional.avg_pool2d(numbers.mean(dim=1, keepdim=True), 5, stride=1, padding=2)
        overall = numbers.mean(dim=(1, 2, 3), keepdim=True)
        place = torch.linspace(0, 1, numbers.shape[-1])
        steps = torch.arange(1, self.classes + 1, dtype=torch.float32).view(1, -1, 1, 1)
        return torch.softmax(torch.sin(local * steps / 17 + overall * 3) + place * steps / 5, dim=1)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test depends on what was measured before on the machine, or leaves something there."""
    os.environ["GEOSEG_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def fake_scene() -> type[FakeScene]:
    return FakeScene


@pytest.fixture
def fake_engine() -> type[FakeEngine]:
    return FakeEngine


@pytest.fixture(scope="session")
def legend() -> ClassMap:
    return ClassMap.of([(0, "water", "#0000ff"), (3, "forest", "#008000"), (7, "crop", "#ffcc00")])


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, legend: ClassMap) -> Path:
    """A zip with a real network of random weights: three bands, 1 m, tiles of 64 px that share 32."""
    spec = NetworkSpec(architecture="unet", encoder="tu-test_resnet", bands=3, classes=len(legend), options={})
    torch.manual_seed(7)
    package = ModelPackage(
        name="tiny",
        network=build_network(spec).eval(),
        spec=spec,
        classes=legend,
        bands=("red", "green", "blue"),
        gsd=1.0,
        normalizer=Normalizer(
            scales={"uint8": 1 / 255, "uint16": 1e-4, "int16": 1e-4, "float32": 1.0}, mean=(0.4,) * 3, std=(0.2,) * 3
        ),
        tile=64,
        overlap=32,
        provenance={"title": "random weights"},
    )
    path = tmp_path_factory.mktemp("model") / "tiny.zip"
    save_package(package, path)
    return path


@pytest.fixture
def write_scene(tmp_path: Path) -> WriteScene:
    """Write an array (bands, height, width) as a GeoTIFF in the test's folder; keywords go to rasterio."""

    def write(image: NDArray[np.generic], name: str = "scene.tif", **profile: object) -> Path:
        path = tmp_path / name
        count, height, width = image.shape
        defaults = {
            "driver": "GTiff",
            "dtype": str(image.dtype),
            "crs": UTM,
            "transform": Affine(1, 0, 5e5, 0, -1, 5e6),
            "tiled": True,
            "blockxsize": 64,
            "blockysize": 64,
            "compress": "deflate",
        }
        with rasterio.open(path, "w", count=count, height=height, width=width, **(defaults | profile)) as dataset:
            dataset.write(image)
        return path

    return write


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real scenes (GEOSEG_DATA)."""
    folder = Path(os.environ.get("GEOSEG_DATA", "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real scenes at {folder}: set GEOSEG_DATA to their folder")
    return folder
