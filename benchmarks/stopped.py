"""What runs that are stopped and started again have in common: a scene, a model, a process that maps, what it made."""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from affine import Affine
from scipy.ndimage import gaussian_filter

from geoseg.classes import ClassMap
from geoseg.models.build import build_network
from geoseg.models.package import ModelPackage, save_package
from geoseg.models.spec import NetworkSpec
from geoseg.predict import predict_scene
from geoseg.predict.task import BlockTask
from geoseg.raster.normalize import Normalizer

CLASSES = ClassMap.of([(0, "water", "#0000ff"), (3, "forest", "#008000"), (7, "crop", "#ffcc00")])
FAILED = 7
"""Exit code of a process that was stopped by an error in place of being killed."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is mapped, and where."""

    scene: Path
    model: Path
    folder: Path

    def options(self) -> dict[str, object]:
        """Those of every run."""
        return {"model": str(self.model), "device": "cpu", "precision": "fp32", "engine": "torch"}


for _module in ("dask.delayed", "distributed", "pyogrio", "geoseg.vector.vectorize"):
    importlib.import_module(_module)  # before processes part, so that none of them spends its time on it


def prepared(folder: Path, *, height: int, width: int) -> Work:
    """A scene of smooth noise with a margin of nodata, and a small network of random weights."""
    rng = np.random.default_rng(4)
    noise = gaussian_filter(rng.standard_normal((3, height, width)), (0, 4, 4))
    image = np.clip(noise / noise.std() * 50 + 120, 1, 255).astype(np.uint8)
    image[:, :, : width // 20] = 0
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "height": height, "width": width, "nodata": 0}
    profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "crs": "EPSG:32633"}
    scene = folder / "scene.tif"
    with rasterio.open(scene, "w", transform=Affine(1, 0, 5e5, 0, -1, 5e6), **profile) as dataset:
        dataset.write(image)
    os.utime(scene, (1.6e9, 1.6e9))
    return Work(scene, _model(folder / "model.zip"), folder)


def _model(path: Path) -> Path:
    spec = NetworkSpec(architecture="unet", encoder="tu-test_resnet", bands=3, classes=len(CLASSES), options={})
    torch.manual_seed(7)
    scales = {"uint8": 1 / 255}
    package = ModelPackage(
        name="tiny",
        network=build_network(spec).eval(),
        spec=spec,
        classes=CLASSES,
        bands=("red", "green", "blue"),
        gsd=1.0,
        normalizer=Normalizer(scales=scales, mean=(0.47,) * 3, std=(0.19,) * 3),
        tile=64,
        overlap=32,
        provenance={"title": "random weights"},
    )
    save_package(package, path)
    return path


def begun(work: Work, output: Path, options: dict[str, object], *, stop_at: int | None = None) -> int:
    """Map in a process of its own, which notes every block that it has computed in `<output>.log`; gives its number.

    Args:
        work: the scene.
        output: folder of the layers.
        options: of `predict_scene`.
        stop_at: rows after which the process stops by itself, as after Ctrl-C.
    """
    process = os.fork()
    if process:
        return process
    code = FAILED
    try:
        _map(work, output, dict(options), stop_at)
        code = 0
    except KeyboardInterrupt:
        pass
    except BaseException as error:  # noqa: BLE001 - the process ends here; its parent sees that it failed
        Path(f"{output}.error").write_text(repr(error), encoding="utf-8")
        code = 1
    finally:
        os._exit(code)


def _map(work: Work, output: Path, options: dict[str, object], stop_at: int | None) -> None:
    threads = int(str(options.pop("threads", 1)))
    torch.set_num_threads(threads)
    logging.disable(logging.CRITICAL)
    log = os.open(f"{output}.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    finished = BlockTask.finished

    def noted(task: BlockTask, *args: object) -> object:
        block = finished(task, *args)
        os.write(log, f"{block.window.row}\n".encode())
        return block

    def progress(stage: str, done: int, _total: int) -> None:
        if stop_at is not None and stage == "predict" and done >= stop_at:
            raise KeyboardInterrupt

    BlockTask.finished = noted
    predict_scene(work.scene, output, progress=progress, **(work.options() | options))


def computed(output: Path) -> list[int]:
    """First rows of the blocks that were computed so far, all runs together."""
    log = Path(f"{output}.log")
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def kept(output: Path) -> set[int]:
    """First rows of the blocks that the journal has."""
    records = (output / ".scene.geoseg-run" / "blocks").glob("*.json")
    return {json.loads(path.read_text())["place"][0] for path in records}


def contents(output: Path, stem: str = "scene") -> dict[str, str]:
    """Digests of both rasters, bytes for bytes, and of all rows of the GeoPackage but the times of making it."""
    digests = {
        name: hashlib.sha256((output / f"{stem}.{name}.tif").read_bytes()).hexdigest()
        for name in ("classes", "confidence")
    }
    return digests | {"polygons": hashlib.sha256("\n".join(_rows(output / f"{stem}.gpkg")).encode()).hexdigest()}


def _rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("SELECT table_name FROM gpkg_contents ORDER BY 1")]
        rows = [(name, *row) for name in tables for row in database.execute(f'SELECT * FROM "{name}"')]  # noqa: S608
    rows = [row[:-1] if row[0] == "layer_styles" else row for row in rows]  # without the time of its update
    return [repr(row) for row in rows if row[2:3] != ("created",)]
