"""A model package as a graph for other programs: ONNX or OpenVINO, with a page of what goes in and what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch

from geoseg.classes import NODATA_ID
from geoseg.errors import ConfigError
from geoseg.inference.agreement import check_agreement, probe
from geoseg.inference.graph import INPUT, OUTPUT, onnx_bytes
from geoseg.inference.onnx_engine import onnx_runtime, session_of
from geoseg.inference.openvino_engine import converted, openvino_library
from geoseg.inference.preparation import FAR
from geoseg.models.package import ModelPackage
from geoseg.raster.normalize import Normalizer
from geoseg.raster.staging import Staging
from geoseg.tiling.grid import NETWORK_STRIDE

GraphFormat = Literal["onnx", "openvino"]

PAGE_FILE = "graph.json"
"""What goes into the graph and what comes out, beside it."""

_FILES: dict[GraphFormat, tuple[str, ...]] = {"onnx": ("model.onnx",), "openvino": ("model.xml", "model.bin")}
_SMALLEST = 64
_LARGEST = 4096


def export_graph(
    package: ModelPackage, folder: Path, *, form: GraphFormat, tile: int | None = None, overwrite: bool = False
) -> tuple[Path, ...]:
    """Write network, calibration and softmax of a package as one graph for tiles of one size.

    The files are read again, and get their names only if they give the classes of torch float32.

    Args:
        package: what to export.
        folder: where to; made if it is missing.
        form: of the graph.
        tile: side of the tiles, px, a multiple of 32; None = the package's.
        overwrite: whether files of these names may be replaced.

    Returns:
        The files of the graph, and the page that tells what they expect.

    Raises:
        ConfigError: if the tile cannot be, or the library of the format is not installed.
        ModelError: if the graph gives other classes than torch float32 on more than 0.5 % of a probe.
        OutputError: if files exist already or cannot be written.
    """
    side = tile or package.tile
    if side % NETWORK_STRIDE or not _SMALLEST <= side <= _LARGEST:
        raise ConfigError(f"tile is {side} px: give a multiple of {NETWORK_STRIDE} from {_SMALLEST} to {_LARGEST}")
    names = (*_FILES[form], PAGE_FILE)
    write = _write_onnx if form == "onnx" else _write_openvino
    with Staging(folder, names, overwrite=overwrite) as staging:
        run = write(package, staging.path(names[0]), side)
        check_agreement(form, package, probe(len(package.bands), side), run)
        page = json.dumps(_page(package, names[0], side), indent=2, ensure_ascii=False)
        staging.path(PAGE_FILE).write_text(page, encoding="utf-8")
        staging.commit()
    return tuple(folder / name for name in names)


def _write_onnx(package: ModelPackage, path: Path, side: int) -> Callable[[torch.Tensor], torch.Tensor]:
    runtime = onnx_runtime()
    path.write_bytes(onnx_bytes(package, height=side, width=side))
    session = session_of(runtime, str(path), ["CPUExecutionProvider"])

    def run(inputs: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run([OUTPUT], {INPUT: inputs.numpy()})[0])

    return run


def _write_openvino(package: ModelPackage, path: Path, side: int) -> Callable[[torch.Tensor], torch.Tensor]:
    library = openvino_library()
    model = converted(library, package, (1, len(package.bands), side, side))
    model.inputs[0].set_names({INPUT})
    model.outputs[0].set_names({OUTPUT})
    library.save_model(model, path, compress_to_fp16=False)
    compiled = library.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(inputs: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(compiled([inputs.numpy()])[0])

    return run


def _page(package: ModelPackage, file: str, side: int) -> dict[str, Any]:
    return {
        "model": package.name,
        "file": file,
        "input": {"name": INPUT, "shape": [1, len(package.bands), side, side], "dtype": "float32"},
        "output": {"name": OUTPUT, "shape": [1, len(package.classes), side, side], "dtype": "float32"},
        "bands": list(package.bands),
        "optional_bands": list(package.optional_bands),
        "classes": [{"id": each.id, "name": each.name, "colour": each.colour} for each in package.classes.classes],
        "nodata": NODATA_ID,
        "thresholds": list(package.thresholds),
        "gsd": package.gsd,
        "tile": side,
        "overlap": package.overlap,
        "normalization": _normalization(package.normalizer),
        "provenance": dict(package.provenance),
    }


def _normalization(normalizer: Normalizer) -> dict[str, Any]:
    return {
        "formula": "input = clip((curve(number * scales[dtype]) - mean) / std, -limit, limit), band by band; 0 for "
        "pixels without a measurement and for bands that are missing",
        "scales": dict(normalizer.scales),
        "mean": list(normalizer.mean),
        "std": list(normalizer.std),
        "limit": FAR,
        "curves": [{"knots": list(curve.knots), "values": list(curve.values)} for curve in normalizer.curves],
    }
