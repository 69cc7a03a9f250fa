"""The memory that `geoseg plan` tells against what a run takes: never less, and at most 1.3 times as much.

    python -m benchmarks.memory_plan [--only 0,3] [--rows 1100]

Each setting is planned and mapped in processes of its own, by a small network of random weights.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

_NAMES = ("red", "green", "blue", "nir", "swir16", "swir22", "b7", "b8", "b9", "b10", "b11", "b12")
_COLUMNS = (
    *("width", "tile", "threads", "dtype", "bands", "classes", "network", "engine", "probabilities", "polygons"),
    *("planned, MB", "taken, MB", "ratio"),
)
_RUN = """
import sys, time
from geoseg.config.predict import PredictSettings
from geoseg.memory import peak_bytes
from geoseg.predict.scene import predict_with
import json

if __name__ == "__main__":
    scene, folder, settings = sys.argv[1:]
    began = time.time()
    predict_with(scene, folder, PredictSettings(**json.loads(settings)))
    print(json.dumps({"peak": peak_bytes(), "seconds": time.time() - began}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One line of the table."""

    width: int
    """Of the scene, px."""

    tile: int = 512
    threads: int = 1
    dtype: str = "uint8"
    bands: int = 3
    classes: int = 6
    probabilities: bool = False
    engine: str = "torch"
    vector: bool = False
    max_memory: str | None = None
    architecture: str = "unet"


SETTINGS = (
    Setting(width=1024),
    Setting(width=4096, tile=256, threads=2),
    Setting(width=8192, tile=1024, engine="openvino"),
    Setting(width=8192, threads=2, classes=20),
    Setting(width=16_384, engine="openvino", threads=2),
    Setting(width=16_384, bands=12, dtype="uint16", tile=256),
    Setting(width=32_768, engine="openvino"),
    Setting(width=32_768, tile=256, dtype="uint16", classes=3),
    Setting(width=4096, probabilities=True, classes=20),
    Setting(width=16_384, probabilities=True, classes=20, bands=12, dtype="uint16", tile=256),
    Setting(width=4096, vector=True),
    Setting(width=8192, vector=True, engine="openvino"),
    Setting(width=4096, tile=1024, architecture="fpn", threads=2),
    Setting(width=2048, architecture="deeplabv3plus"),
    Setting(width=2048, architecture="segformer"),
    Setting(width=16_384, max_memory="1.05GB"),
)


def package(setting: Setting, folder: Path) -> Path:
    """A model package of random weights."""
    import torch

    from geoseg.classes import ClassMap
    from geoseg.models.build import build_network
    from geoseg.models.package import ModelPackage, save_package
    from geoseg.models.spec import NetworkSpec
    from geoseg.raster.normalize import Normalizer

    torch.manual_seed(7)
    bands, classes = setting.bands, setting.classes
    plain = setting.architecture == "unet"
    options = {"decoder_channels": (16, 16, 8, 8, 8)} if plain else {}
    encoder = "tu-test_resnet" if setting.architecture in {"unet", "fpn"} else "resnet18"
    spec = NetworkSpec(
        architecture=setting.architecture, encoder=encoder, bands=bands, classes=classes, options=options
    )
    made = ModelPackage(
        name=f"{setting.architecture}-{bands}-{classes}",
        network=build_network(spec).eval(),
        spec=spec,
        classes=ClassMap.of([(number, f"class{number}", f"#{number * 12:02x}8040") for number in range(classes)]),
        bands=_NAMES[:bands],
        gsd=1.0,
        normalizer=Normalizer(scales={"uint8": 1 / 255, "uint16": 1e-4}, mean=(0.4,) * bands, std=(0.2,) * bands),
        tile=512,
        overlap=64,
        provenance={"title": "random weights", "datetime": "2026-01-01T00:00:00Z"},
    )
    path = folder / made.name
    if not path.exists():
        save_package(made, path)
    return path


def scene(setting: Setting, rows: int, folder: Path) -> Path:
    """Smooth noise, repeated across."""
    import rasterio
    from affine import Affine
    from rasterio.crs import CRS
    from scipy.ndimage import gaussian_filter

    path = folder / f"{setting.width}_{setting.bands}_{setting.dtype}_{rows}.tif"
    if path.exists():
        return path
    rng = np.random.default_rng(3)
    noise = np.stack([gaussian_filter(rng.random((512, 1024)), 8, mode="wrap") for _ in range(setting.bands)])
    noise = (noise - noise.min()) / np.ptp(noise)
    one = (noise * (200 if setting.dtype == "uint8" else 8000) + 20).astype(setting.dtype)
    tiled = {"tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "pixel", "compress": "zstd"}
    place = {"crs": CRS.from_epsg(32631), "transform": Affine(1, 0, 5e5, 0, -1, 5e6)}
    shape = {"count": setting.bands, "height": rows, "width": setting.width, "dtype": setting.dtype}
    with rasterio.open(path, "w", driver="GTiff", zstd_level=1, **tiled, **place, **shape) as dataset:
        dataset.descriptions = _NAMES[: setting.bands]
        for top in range(0, rows, 512):
            height = min(512, rows - top)
            row = np.tile(one, (1, 1, -(-setting.width // 1024)))[:, :height, : setting.width]
            dataset.write(row, window=((top, top + height), (0, setting.width)))
    return path


def measured(setting: Setting, rows: int, folder: Path) -> dict[str, float]:
    """Memory as planned and as taken, MB, and seconds of the run."""
    where, model = scene(setting, rows, folder), package(setting, folder)
    options: dict[str, object] = {"model": str(model), "tile": setting.tile, "overlap": 64, "engine": setting.engine}
    options |= {"vector": setting.vector, "probabilities": setting.probabilities, "max_memory": setting.max_memory}
    environment = os.environ | {"OMP_NUM_THREADS": str(setting.threads), "OMP_WAIT_POLICY": "PASSIVE"}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if isinstance(value, str | int)]
    flags = [flag for flag in flags if not flag.endswith(("=True", "=False"))]
    flags += [] if setting.vector else ["--no-vector"]
    flags += ["--probabilities"] if setting.probabilities else []
    planned = [sys.executable, "-m", "geoseg", "plan", str(where), "--json", *flags]
    said = subprocess.run(planned, check=True, capture_output=True, text=True, env=environment).stdout
    plan = json.loads(said)["scenes"][0]
    with tempfile.TemporaryDirectory(dir=folder) as out:
        command = [sys.executable, "-c", _RUN, str(where), out, json.dumps(options)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    taken = json.loads(done.splitlines()[-1])
    return {"planned": plan["memory_bytes"] / 1e6, "taken": taken["peak"] / 1e6, "seconds": taken["seconds"]}


@click.command()
@click.option("--only", default="", help="Numbers of settings, separated by commas; all where not given.")
@click.option("--rows", default=1100, help="Rows of the scenes, px.")
def main(only: str, rows: int) -> None:
    """Print a table."""
    numbers = [int(part) for part in only.split(",") if part] or range(len(SETTINGS))
    click.echo(f"| {' | '.join(_COLUMNS)} |\n|{'--|' * len(_COLUMNS)}")
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            setting = SETTINGS[number]
            found = measured(setting, max(rows, setting.tile + 100), Path(folder))
            planned, taken = found["planned"], found["taken"]
            asked = f" (--max-memory {setting.max_memory})" if setting.max_memory else ""
            cells = [setting.width, setting.tile, setting.threads, setting.dtype, setting.bands, setting.classes]
            cells += [setting.architecture, setting.engine, *map(_yes, (setting.probabilities, setting.vector))]
            shown = [*map(str, cells), f"{planned:.0f}{asked}", f"{taken:.0f}", f"{planned / taken:.2f}"]
            click.echo(f"| {' | '.join(shown)} |")


def _yes(wanted: bool) -> str:  # noqa: FBT001 - of a cell of the table
    return "yes" if wanted else "no"


if __name__ == "__main__":
    main()
