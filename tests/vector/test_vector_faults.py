"""Whatever goes wrong while a vector file is written, the one that was there is intact, and one line says why."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely
from pyproj import CRS

from geoseg.errors import OutputError, SceneError
from geoseg.vector.columns import FOOTPRINTS
from geoseg.vector.layers import Layer, Table
from geoseg.vector.spool import Spool
from geoseg.vector.vector_file import write_vector

NAMES = ["map.gpkg", "map.parquet", "map.fgb"]
UTM = CRS.from_epsg(32633).to_wkt()
NOTES = Table(name="notes", description="", columns=(("text", "TEXT"),), rows=[("old",)])


def rows_of(batches: int, count: int = 500, corners: int = 64):
    """Batches of ragged discs."""
    turn = np.linspace(0, 2 * np.pi, corners)
    for number in range(batches):
        radius = np.random.default_rng(number).uniform(50, 100, (count, corners))
        radius[:, -1] = radius[:, 0]
        rings = np.stack([5e5 + radius * np.cos(turn), 5e6 + radius * np.sin(turn)], axis=-1)
        columns = [
            np.full(count, 4, np.int16),
            ["forest"] * count,
            np.ones(count),
            np.ones(count),
            np.zeros(count),
            np.arange(count) + number * count,
            shapely.to_wkb(shapely.polygons(rings)),
        ]
        arrays = [pa.array(column, type=field.type) for column, field in zip(columns, FOOTPRINTS, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=FOOTPRINTS)


def layer_of(batches) -> Layer:
    return Layer(
        name="landcover", description="", schema=FOOTPRINTS, geometry="Polygon", batches=batches, style="<qgis/>"
    )


def write(path: Path, batches) -> None:
    write_vector(path, [layer_of(batches)], crs=UTM, tables=lambda: [NOTES])


def assert_untouched(path: Path, content: bytes | None) -> None:
    """The file has its old content, and nothing stands beside it."""
    assert [file.name for file in path.parent.iterdir()] == ([] if content is None else [path.name])
    assert content is None or path.read_bytes() == content


@pytest.fixture(params=NAMES)
def path(request, tmp_path) -> Path:
    """Where a file was written before."""
    folder = tmp_path / "out"
    folder.mkdir()
    write(folder / request.param, rows_of(1, 3))
    return folder / request.param


@contextlib.contextmanager
def files_up_to(size: int):
    """No file of this process may grow beyond a number of bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [5_000, 60_000, 200_000, 700_000])
def test_a_disk_that_fills_up_leaves_the_old_file(path, size):
    content = path.read_bytes()
    with files_up_to(size), pytest.raises(OutputError) as failure:
        write(path, rows_of(4))
    assert str(path) in str(failure.value)
    assert len(str(failure.value).splitlines()) == 1
    assert_untouched(path, content)


def test_wherever_the_disk_fills_up_the_file_is_old_or_complete(path, tmp_path):
    content = path.read_bytes()
    whole = tmp_path / path.name
    write(whole, rows_of(1, 300))
    end = whole.stat().st_size
    for size in [*range(end - 40_000, end, 4096), end - 1]:
        with files_up_to(size), pytest.raises(OutputError):
            write(path, rows_of(1, 300))
        assert_untouched(path, content)


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize("hold", ["BEGIN EXCLUSIVE", "BEGIN IMMEDIATE", "BEGIN; SELECT * FROM landcover"])
def test_a_file_in_use_is_refused(tmp_path, mode, hold, monkeypatch):
    monkeypatch.setattr("geoseg.vector.locked._PATIENCE_SECONDS", 0.05)
    path = tmp_path / "map.gpkg"
    write(path, rows_of(1, 3))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(f"PRAGMA journal_mode = {mode}")
        for statement in hold.split("; "):
            other.execute(statement).fetchone()
        content = path.read_bytes()
        asked = []
        with pytest.raises(OutputError, match=r"map\.gpkg: another program is using it"):
            write(path, (asked.append(batch) or batch for batch in rows_of(1)))
        assert asked == []
        assert path.read_bytes() == content
    write(path, rows_of(1, 5))
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT COUNT(*) FROM landcover").fetchone() == (5,)
    assert [file.name for file in tmp_path.iterdir()] == ["map.gpkg"]


def test_a_file_that_comes_into_use_meanwhile_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr("geoseg.vector.locked._PATIENCE_SECONDS", 0.05)
    path = tmp_path / "map.gpkg"
    write(path, rows_of(1, 3))
    content = path.read_bytes()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:

        def batches():
            yield from rows_of(1)
            other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(OutputError, match="another program"):
            write(path, batches())
    assert_untouched(path, content)


def test_asking_who_uses_a_file_changes_nothing(tmp_path):
    path = tmp_path / "map.gpkg"
    write(path, rows_of(1, 3))
    before = path.read_bytes(), path.stat().st_mtime_ns
    with contextlib.suppress(SceneError):
        write(path, failing(SceneError("x")))
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_something_else_under_the_name_of_a_geopackage_is_replaced(tmp_path):
    path = tmp_path / "map.gpkg"
    path.write_text("no database")
    write(path, rows_of(1, 3))
    assert path.read_bytes().startswith(b"SQLite")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(OutputError, match=r"cannot be written: .*; choose another output folder"):
            write(folder / "map.gpkg", rows_of(1, 3))


AS_NOBODY = """
import os, pathlib, sys
from geoseg.errors import OutputError
from geoseg.vector.vector_file import write_vector
os.setuid(65534)
try:
    write_vector(pathlib.Path(sys.argv[1]), [], crs=None)
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_read_only_folder_is_named():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are hidden from other users
        path = Path(folder) / "map.gpkg"
        write(path, rows_of(1, 3))
        content = path.read_bytes()
        path.parent.chmod(0o755)
        run = subprocess.run([sys.executable, "-c", AS_NOBODY, path], capture_output=True, text=True, check=True)
        assert run.stdout == f"{path}: cannot be written: Permission denied; choose another output folder\n"
        assert_untouched(path, content)


def failing(error: BaseException):
    yield from rows_of(2)
    raise error


@pytest.mark.parametrize(
    "error", [SceneError("a raster"), OSError("a disk"), KeyboardInterrupt(), ValueError("a defect"), MemoryError()]
)
def test_errors_of_whoever_makes_the_features_get_through(path, error):
    content = path.read_bytes()
    with pytest.raises(type(error)) as failure:
        write(path, failing(error))
    assert failure.value is error
    assert_untouched(path, content)


def test_errors_of_whoever_makes_the_tables_get_through(tmp_path):
    def tables():
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        write_vector(tmp_path / "map.gpkg", [layer_of(rows_of(1))], crs=None, tables=tables)
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_run_are_in_nobodys_way(tmp_path):
    (tmp_path / ".geoseg-old").mkdir()
    (tmp_path / ".geoseg-old" / "map.gpkg").write_text("half")
    write(tmp_path / "map.gpkg", rows_of(1, 3))
    assert {file.name for file in tmp_path.iterdir()} == {".geoseg-old", "map.gpkg"}


WRITER = """
import importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("faults", sys.argv[1])
faults = importlib.util.module_from_spec(spec)
spec.loader.exec_module(faults)
path = pathlib.Path(sys.argv[2])
print("ready", flush=True)
while True:
    faults.write(path, faults.rows_of(6, 200))
"""


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path):
    path = tmp_path / "map.gpkg"
    write(path, rows_of(1, 3))
    chance = random.Random(7)  # noqa: S311 - moments, no secrets
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, __file__, str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout.readline() == "ready\n"
            for _ in range(5):
                time.sleep(chance.uniform(0.0, 0.1))
                process.send_signal(signal.SIGSTOP)  # as good as killed, for whoever looks at the file
                assert_whole(path)
                process.send_signal(signal.SIGCONT)
            process.kill()
        assert_whole(path)
        assert {file.name for file in tmp_path.iterdir() if not file.name.startswith(".geoseg-")} == {"map.gpkg"}


def assert_whole(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT COUNT(*) FROM landcover").fetchone()[0] in {3, 1200}
        assert database.execute("SELECT text FROM notes").fetchone() == ("old",)


def test_a_spool_gives_back_what_was_written_and_goes(tmp_path):
    with Spool(tmp_path / "rows", FOOTPRINTS) as spool:
        for batch in rows_of(3, 4):
            spool.write(batch)
        assert pa.Table.from_batches(spool.batches()) == pa.Table.from_batches(rows_of(3, 4))
    assert list(tmp_path.iterdir()) == []


def test_a_spool_on_a_full_disk_says_so(tmp_path):
    def fill():
        with Spool(tmp_path / "rows", FOOTPRINTS) as spool:
            for batch in rows_of(20):
                spool.write(batch)

    with files_up_to(10_000), pytest.raises(OutputError, match="no room for a scratch file"):
        fill()
    assert list(tmp_path.iterdir()) == []
