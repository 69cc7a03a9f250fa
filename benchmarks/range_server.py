"""A web server on loopback that serves ranges of files, counts what it sends, and fails as it is told."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Failure = Callable[[str], str | None]


@dataclass
class RangeServer:
    """What the server does and has done."""

    folder: Path
    url: str = ""
    sent: int = 0
    failed: int = 0
    requests: list[str] = field(default_factory=list)
    fails: Failure = lambda _path: None
    """Says of a request to a path how it fails: `cut`, `drop`, `error`, `hang` or not at all."""

    def drop(self, share: float, kinds: tuple[str, ...] = ("cut", "drop", "error")) -> None:
        """Let a share of the requests fail in one of these ways, the same ones each time."""
        chance = random.Random(3)  # noqa: S311 - which requests fail is no secret
        self.fails = lambda _path: chance.choice(kinds) if chance.random() < share else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: RangeServer, *args: object) -> None:
        self.told = server
        super().__init__(*args)

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.serve(body=False)

    def do_GET(self) -> None:
        self.serve(body=True)

    def serve(self, *, body: bool) -> None:
        path = self.path.split("?")[0]
        self.told.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}")
        failure = self.told.fails(path)
        self.told.failed += failure is not None
        file = self.told.folder / path.lstrip("/")
        if failure == "hang":
            threading.Event().wait(20)
        if failure in {"drop", "hang"}:
            self.hang_up()
        elif failure == "error" or not file.is_file():
            self.answer(503 if failure == "error" else 404, b"", body=body)
        else:
            self.send_part(file, body=body, cut=failure == "cut")

    def send_part(self, file: Path, *, body: bool, cut: bool) -> None:
        asked, size = self.headers.get("Range"), file.stat().st_size
        if asked is None:
            self.answer(200, file.read_bytes(), body=body, cut=cut)
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last or size - 1) + 1, size)
        if start >= size:
            self.answer(416, b"", body=body)
            return
        with file.open("rb") as opened:
            opened.seek(start)
            content = opened.read(stop - start)
        self.answer(206, content, body=body, cut=cut, **{"Content-Range": f"bytes {start}-{stop - 1}/{size}"})

    def answer(self, status: int, content: bytes, *, body: bool, cut: bool = False, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if not body:
            return
        part = content[: len(content) // 2] if cut else content
        with contextlib.suppress(ConnectionError):  # the other side may have had enough
            self.wfile.write(part)
        self.told.sent += len(part)
        if cut:
            self.hang_up()

    def hang_up(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[RangeServer]:
    """Serve the files of a folder on a port of its own."""
    told = RangeServer(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, told))
    server.daemon_threads = True
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()
