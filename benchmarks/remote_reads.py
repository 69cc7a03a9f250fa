"""The same scene mapped from disk, over HTTP and from S3, with and without requests that fail.

    nice -n 10 python -m benchmarks.remote_reads [--side 3000] [--folder DIR]

Both servers run on loopback in this process: one that serves ranges of files, and moto's S3. They count the bytes of
the bodies that they send, also of those cut. Each map is made by `geoseg predict` in a process of its own with two
threads, so nothing is in a cache. Of the requests over HTTP that fail a third is answered by 503, a third cut in the
middle of the body, a third dropped without an answer; S3 answers 503.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import click
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from benchmarks.range_server import RangeServer, serving
from benchmarks.stopped import Work, prepared

SHARES = (0.0, 0.1, 0.3)
_BUCKET = "scenes"
_OPTIONS = ("--engine", "torch", "--device", "cpu", "--no-vector")
_COLUMNS = ("scene", "requests that fail", "requests", "failed", "bytes / file", "s", "same bytes")


@dataclass(frozen=True, slots=True)
class Way:
    """How the scene is reached."""

    name: str
    address: str
    server: RangeServer | None
    environment: dict[str, str]


class _Counted:
    """The S3 server, counting, and failing as it is told."""

    def __init__(self, told: RangeServer) -> None:
        self.told = told
        self.inner: Any = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        self.told.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        if self.told.fails(environ["PATH_INFO"]) is not None:
            self.told.failed += 1
            start("503 Service Unavailable", [("Content-Length", "0")])
            return
        for part in self.inner(environ, start):
            self.told.sent += len(part)
            yield part


class _Silent(WSGIRequestHandler):
    """Keeps connections open, as S3 does, and writes no log."""

    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        pass


@contextmanager
def s3_with(scene: Path) -> Iterator[Way]:
    """A bucket that holds the scene."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    told = RangeServer(scene.parent)
    server = make_server("127.0.0.1", 0, _Counted(told), threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update(keys)
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{server.server_port}")
    client.create_bucket(Bucket=_BUCKET)
    client.upload_file(str(scene), _BUCKET, scene.name)
    reached = {"AWS_S3_ENDPOINT": f"127.0.0.1:{server.server_port}", "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE"}
    yield Way("S3", f"s3://{_BUCKET}/{scene.name}", told, keys | reached)
    server.shutdown()
    thread.join()


def mapped(work: Work, way: Way, folder: Path) -> tuple[float, dict[str, str]]:
    """Seconds that `geoseg predict` takes, and the digest of each raster it makes."""
    command = [sys.executable, "-m", "geoseg", "predict", way.address, "-o", str(folder), "--model", str(work.model)]
    environment = os.environ | {"OMP_NUM_THREADS": "2"} | way.environment
    started = time.perf_counter()
    done = subprocess.run([*command, *_OPTIONS], env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise click.ClickException(f"{way.address}: {done.stderr}")
    return seconds, {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.tif")}


def row(way: Way, share: float, made: tuple[float, bool], size: int) -> tuple[str, ...]:
    """A line of the table."""
    seconds, same = made
    sent = ("-", "-", "-")
    if way.server is not None:
        sent = (str(len(way.server.requests)), str(way.server.failed), f"{way.server.sent / size:.3f}")
    return (way.name, f"{share:.0%}", *sent, f"{seconds:.1f}", "yes" if same else "NO")


def measured(work: Work, ways: Iterable[Way]) -> Iterator[tuple[str, ...]]:
    """The table, line by line; the first way is what the others are compared with."""
    first: dict[str, str] = {}
    size = work.scene.stat().st_size
    for way in ways:
        for share in SHARES if way.server is not None else (0.0,):
            if way.server is not None:
                way.server.sent, way.server.failed, way.server.requests = 0, 0, []
                way.server.drop(share)
            seconds, rasters = mapped(work, way, work.folder / f"{way.name} {share}")
            first = first or rasters
            yield row(way, share, (seconds, len(rasters) > 1 and rasters == first), size)


@click.command()
@click.option("--side", default=3000, help="Pixels of a side of the scene, three bands of uint8.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where scene and maps go; a temporary one by default.")
def main(side: int, folder: Path | None) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        work = prepared(folder or Path(temporary), height=side, width=side)
        click.echo(f"{side} x {side} px, {work.scene.stat().st_size:,} bytes\n")
        click.echo(f"| {' | '.join(_COLUMNS)} |\n|{'--|' * len(_COLUMNS)}")
        with serving(work.scene.parent) as web, s3_with(work.scene) as s3:
            ways = [Way("on disk", str(work.scene), None, {}), Way("HTTP", f"{web.url}/{work.scene.name}", web, {}), s3]
            for line in measured(work, ways):
                click.echo(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    main()
