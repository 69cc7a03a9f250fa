"""`geoseg demo`: a landscape nobody has seen, its map, and how good that map is. The whole job in one function."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from rasterio.enums import Resampling

from geoseg.classes import ClassMap
from geoseg.errors import OutputError
from geoseg.evaluation.compare import evaluate
from geoseg.evaluation.scores import Evaluation
from geoseg.landscapes.spec import LANDSCAPE_CLASSES, LandscapeSpec
from geoseg.landscapes.write import write_landscape
from geoseg.predict import predict_scene

DEMO_MODEL = "demo-landscape"
"""The packaged model that the demo maps with."""

DEMO_SEED = 2026
"""World of the demo; training uses other ones."""

_SIDE = 1536
_STEM = "landscape"
_PICTURE_SIDE = 1024
_DISPLAY_PERCENT = (2, 98)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What the demo made."""

    scene: Path
    """The landscape, red, green, blue and near infrared."""

    labels: Path
    """Its exact classes."""

    class_raster: Path
    """The map."""

    quicklook: Path
    """Scene, map and legend side by side, PNG."""

    outputs: tuple[Path, ...]
    """All files, the above among them."""

    evaluation: Evaluation
    """The map compared with the exact classes."""


def run_demo(folder: Path, *, progress: Callable[[str, int, int], None] | None = None) -> Demo:
    """Make a landscape, map it, compare the map with the truth and draw both.

    Files of an earlier demo in the folder are replaced; others stay as they are.

    Args:
        folder: where everything goes; made if missing.
        progress: called with (stage, done, total).

    Raises:
        OutputError: if the folder cannot be written.
    """
    scene, labels = folder / f"{_STEM}.tif", folder / f"{_STEM}.labels.tif"
    class_raster, quicklook = folder / f"{_STEM}.classes.tif", folder / f"{_STEM}.quicklook.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}; choose another folder with -o") from error
    write_landscape(LandscapeSpec(seed=DEMO_SEED, height=_SIDE, width=_SIDE), scene, labels)
    predict_scene(scene, folder, model=DEMO_MODEL, overwrite=True, progress=progress)
    evaluation = evaluate(class_raster, labels)
    write_quicklook(scene, class_raster, LANDSCAPE_CLASSES, quicklook)
    return Demo(
        scene=scene,
        labels=labels,
        class_raster=class_raster,
        quicklook=quicklook,
        outputs=tuple(sorted(folder.glob(f"{_STEM}.*"))),
        evaluation=evaluation,
    )


def write_quicklook(scene: Path, class_raster: Path, classes: ClassMap, path: Path) -> None:
    """Draw a scene in true colour beside its map and the legend.

    Both are read at most 1024 px wide, so the picture is quick for a scene of any size.

    Args:
        scene: a raster whose first three bands are red, green and blue.
        class_raster: its map.
        classes: the legend.
        path: the PNG to write.

    Raises:
        OutputError: if the PNG cannot be written.
    """
    figure = Figure(figsize=(14, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for axes, title, picture in (
        (left, "scene", _true_colour(scene)),
        (right, "map", _coloured(class_raster, classes)),
    ):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title)
        axes.set_axis_off()
    handles = [Patch(facecolor=entry.colour, label=entry.name) for entry in classes.classes]
    figure.legend(handles=handles, loc="outside right center", frameon=False)
    partial = path.with_name(f".{path.name}-{os.getpid()}.partial")
    try:
        figure.savefig(partial, format="png", dpi=110)
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def _true_colour(scene: Path) -> NDArray[np.float32]:
    """(height, width, 4), 0 to 1, stretched between the 2nd and 98th percentile; transparent where nodata."""
    with rasterio.open(scene) as dataset:
        shape = _picture_shape(dataset.height, dataset.width)
        pixels = dataset.read((1, 2, 3), out_shape=(3, *shape), resampling=Resampling.average).astype(np.float32)
        valid = dataset.dataset_mask(out_shape=shape) != 0
    seen = pixels[:, valid] if valid.any() else pixels.reshape(3, -1)
    low, high = np.percentile(seen, _DISPLAY_PERCENT)
    stretched = np.clip((pixels - low) / max(high - low, 1e-6), 0, 1)
    return np.moveaxis(np.concatenate([stretched, valid[None].astype(np.float32)]), 0, -1)


def _coloured(class_raster: Path, classes: ClassMap) -> NDArray[np.uint8]:
    """(height, width, 4), the legend's colours; transparent where nodata."""
    with rasterio.open(class_raster) as dataset:
        ids = dataset.read(1, out_shape=_picture_shape(dataset.height, dataset.width))
    table = np.zeros((256, 4), dtype=np.uint8)
    for class_id, colour in classes.colour_table().items():
        table[class_id] = colour
    return np.asarray(table[ids])


def _picture_shape(height: int, width: int) -> tuple[int, int]:
    shrink = max(1.0, max(height, width) / _PICTURE_SIDE)
    return max(1, round(height / shrink)), max(1, round(width / shrink))
