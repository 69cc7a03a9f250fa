"""What geoseg adds to the network's own time, beside peers, in one run.

Each arm maps the same landscape scene with the same network, tiles and overlap to a class GeoTIFF, in a process of
its own; arms take turns, the table gives medians. `forward` is the physical limit: the network alone on as many
tiles as the scene needs, nothing read and nothing written. Peers that are not installed are left out (for MONAI:
pip install monai==1.6.1 into the same environment).

    python -m benchmarks.predict_overhead [--size 2048] [--repeats 3] [--model landcover-rgb]
"""

from __future__ import annotations

import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

SMALL = "small.tif"
ARMS = ("forward", "geoseg", "geoseg+polygons", "monai")


def forward(scene: Path, model: str, folder: Path) -> None:  # noqa: ARG001 - all arms are called alike
    """The network alone, on the tiles of the scene."""
    import numpy as np

    from geoseg.inference.engine import TorchEngine, default_batch_size
    from geoseg.models.zoo import load_model
    from geoseg.raster.scene import open_scene
    from geoseg.tiling.grid import TileGrid

    package = load_model(model)
    engine = TorchEngine(package, dtype="uint8")
    with open_scene(scene) as opened:
        grid = TileGrid(
            height=opened.georef.height, width=opened.georef.width, tile=package.tile, overlap=package.overlap
        )
    size = default_batch_size(engine.device, grid.tile, threads=engine.threads)
    images = np.full((size, len(package.bands), grid.tile, grid.tile), 100, dtype=np.uint8)
    usable = np.ones((size, grid.tile, grid.tile), dtype=np.bool_)
    tiles = len(list(grid.windows()))
    started = time.perf_counter()
    for _ in range(-(-tiles // size)):
        engine.probabilities(images, usable)
    report(started)


def geoseg(scene: Path, model: str, folder: Path, *, vector: bool = False) -> None:
    """The whole of geoseg, COGs included."""
    from geoseg.predict import predict_scene

    predict_scene(scene.with_name(SMALL), folder, model=model, vector=vector)  # loads the network, as the others have
    started = time.perf_counter()
    predict_scene(scene, folder, model=model, vector=vector)
    report(started)


def monai(scene: Path, model: str, folder: Path) -> None:
    """MONAI's sliding window as its users write it: whole scene in memory, argmax, GeoTIFF."""
    import numpy as np
    import rasterio
    import torch
    from monai.inferers import sliding_window_inference

    from geoseg.models.device import cpu_has_bf16
    from geoseg.models.zoo import load_model

    package = load_model(model)
    network = package.network.to(memory_format=torch.channels_last)
    dtype = torch.bfloat16 if cpu_has_bf16() else None
    mean = torch.tensor(package.normalizer.mean).view(1, -1, 1, 1)
    std = torch.tensor(package.normalizer.std).view(1, -1, 1, 1)

    def probabilities(tiles: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
            logits = network(tiles.contiguous(memory_format=torch.channels_last))
        return torch.softmax(logits.float(), dim=1)

    started = time.perf_counter()
    with rasterio.open(scene) as dataset, torch.inference_mode():
        profile = dataset.profile
        image = torch.from_numpy(dataset.read(list(range(1, len(package.bands) + 1))))[None].float()
        image = (image * package.normalizer.scale_for("uint8") - mean) / std
        side = (package.tile, package.tile)
        overlap = package.overlap / package.tile
        blended = sliding_window_inference(
            image, side, 4, probabilities, overlap=overlap, mode="gaussian", padding_mode="reflect"
        )
        ids = package.classes.ids_of_indices()[blended.argmax(1)[0].numpy()].astype(np.uint8)
    profile.update(count=1, photometric=None, nodata=255)
    with rasterio.open(folder / "monai.tif", "w", **profile) as out:
        out.write(ids, 1)
    report(started)


def report(started: float) -> None:
    """Seconds since `started` and the peak memory of this process, as JSON on stdout."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    click.echo(json.dumps({"seconds": time.perf_counter() - started, "peak_mb": peak}))


def landscape(folder: Path, size: int, model: str) -> Path:
    """A scene to map, made once, in pixels of the model's size."""
    from geoseg.landscapes.spec import LandscapeSpec
    from geoseg.landscapes.write import write_landscape
    from geoseg.models.zoo import find_model, read_card

    scene = folder / "scene.tif"
    gsd = read_card(find_model(model)).gsd
    for name, side in ((scene.name, size), (SMALL, 256)):
        spec = LandscapeSpec(seed=5, height=side, width=side, gsd=gsd)
        write_landscape(spec, folder / name, folder / "labels.tif")
    return scene


def run_arm(arm: str, scene: Path, model: str) -> dict[str, float]:
    """One arm in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.predict_overhead", "--arm", arm, "--scene", str(scene)]
        command += ["--model", model, "--folder", folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@click.command()
@click.option("--size", default=2048, help="Side of the scene, px.")
@click.option("--repeats", default=3, help="Runs of each arm.")
@click.option("--model", default="landcover-rgb", help="Model package.")
@click.option("--arm", default=None, hidden=True)
@click.option("--scene", default=None, hidden=True)
@click.option("--folder", default=None, hidden=True)
def main(size: int, repeats: int, model: str, arm: str | None, scene: str | None, folder: str | None) -> None:
    """Print a table of medians."""
    if arm is not None and scene is not None and folder is not None:
        calls = {"forward": forward, "geoseg": geoseg, "monai": monai}
        if arm == "geoseg+polygons":
            geoseg(Path(scene), model, Path(folder), vector=True)
        else:
            calls[arm](Path(scene), model, Path(folder))
        return
    arms = [name for name in ARMS if name != "monai" or importlib.util.find_spec("monai")]
    with tempfile.TemporaryDirectory() as work:
        made = landscape(Path(work), size, model)
        runs = [{name: run_arm(name, made, model) for name in arms} for _ in range(repeats)]
    limit = statistics.median(run["forward"]["seconds"] for run in runs)
    click.echo(f"{size} x {size} px, {model}, medians of {repeats}\n")
    click.echo("| arm | s | Mpx/s | / forward | peak MB |\n|--|--|--|--|--|")
    for name in arms:
        seconds = statistics.median(run[name]["seconds"] for run in runs)
        peak = statistics.median(run[name]["peak_mb"] for run in runs)
        click.echo(f"| {name} | {seconds:.2f} | {size**2 / 1e6 / seconds:.2f} | {seconds / limit:.2f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
