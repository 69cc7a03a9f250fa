"""Peak memory against the height of a scene: it should not grow.

    python -m benchmarks.memory_of_height [--width 2048] [--heights 2048,8192,16384] [--model demo-landscape]

Each scene is mapped in a process of its own, polygons included.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import click


def made(folder: Path, height: int, width: int) -> Path:
    """A landscape."""
    from geoseg.landscapes.spec import LandscapeSpec
    from geoseg.landscapes.write import write_landscape

    scene = folder / f"scene_{height}.tif"
    write_landscape(LandscapeSpec(seed=3, height=height, width=width), scene, folder / "labels.tif")
    return scene


def mapped(scene: str, model: str) -> None:
    """Map it in this process and print what that took."""
    from geoseg.predict import predict_scene

    with tempfile.TemporaryDirectory() as folder:
        prediction = predict_scene(scene, folder, model=model)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    click.echo(json.dumps({"peak_mb": peak, "seconds": prediction.seconds}))


@click.command()
@click.option("--width", default=2048, help="Columns, px.")
@click.option("--heights", default="2048,8192,16384", help="Rows, px, separated by commas.")
@click.option("--model", default="demo-landscape", help="Model package.")
@click.option("--scene", default=None, hidden=True)
def main(width: int, heights: str, model: str, scene: str | None) -> None:
    """Print a table."""
    if scene is not None:
        mapped(scene, model)
        return
    click.echo("| rows | columns | Mpx | s | Mpx/s | peak MB |\n|--|--|--|--|--|--|")
    with tempfile.TemporaryDirectory() as folder:
        for height in map(int, heights.split(",")):
            path = made(Path(folder), height, width)
            command = [sys.executable, "-m", "benchmarks.memory_of_height", "--scene", str(path), "--model", model]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            pixels = height * width / 1e6
            speed = pixels / found["seconds"]
            peak, seconds = found["peak_mb"], found["seconds"]
            click.echo(f"| {height} | {width} | {pixels:.1f} | {seconds:.1f} | {speed:.2f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
