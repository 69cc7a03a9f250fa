"""Opening any raster that a user or a file names, without letting it reach further than it may."""

from __future__ import annotations

import functools
from pathlib import Path
from xml.sax.saxutils import escape

import rasterio

from geoseg.errors import SceneError
from geoseg.raster.gdal import open_checked, rasterio_errors, shown
from geoseg.raster.reach import Reach
from geoseg.raster.remote import gdal_name, is_remote
from geoseg.raster.vrt import IS_VRT, harmless_vrt

NOTHING = Reach()
"""No more than what a file reaches by itself."""

_BEGINNING = 4096
_LARGEST_TEXT = 64 * 2**20
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PLAIN = (*_TIFF, b"\x89PNG", b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51", b"EHFA_HEADER_TAG")
_BESIDE = {".ovr": _TIFF, ".OVR": _TIFF, ".msk": _TIFF, ".MSK": _TIFF}
_BYTES = (
    '<VRTDataset rasterXSize="{size}" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1" '
    'subClass="VRTRawRasterBand"><SourceFilename relativeToVRT="0">{name}</SourceFilename><PixelOffset>1</PixelOffset>'
    "<LineOffset>{size}</LineOffset></VRTRasterBand></VRTDataset>"
)


def open_dataset(path: str, *, reach: Reach = NOTHING, **options: str) -> rasterio.io.DatasetReader:
    """Open any raster, after a look at what it points at.

    Args:
        path: file, address (`https://`, `s3://`), or what else GDAL opens.
        reach: what a VRT may point at besides what lies beside it or below.
        options: of its format.

    Raises:
        SceneError: if GDAL cannot open it, or it points where it may not.
    """
    return open_checked(harmless_name(path, reach), name=path, **options)


def harmless_name(path: str, reach: Reach = NOTHING) -> str:
    """What may be opened for a raster: the raster itself, or a VRT as text with every reference checked.

    Raises:
        SceneError: if it points where it may not.
    """
    if path.lower().startswith("vrt:"):
        raise SceneError(f"{path}: give the file itself, with --bands for some of its bands")
    if path.lstrip().startswith("<"):
        here = str(Path.cwd() / "VRT")
        return _of_text(path, here, reach.joined(Reach.beside(here)), 0)
    name = gdal_name(path)
    return _looked_at(name, reach.joined(Reach.beside(name)), 0)


def read_text(path: str) -> str:
    """A text file, local or remote, of at most 64 MB.

    Raises:
        SceneError: if it cannot be read, is larger or no UTF-8.
    """
    try:
        return _all_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SceneError(f"{shown(path)}: is no text in UTF-8 ({error.reason})") from error


def _looked_at(path: str, reach: Reach, depth: int) -> str:
    """As `harmless_name`, for a file that may be read."""
    beginning = _first_bytes(path)
    if IS_VRT.search(beginning):
        return _of_text(read_text(path), path, reach, depth)
    _require_plain_beside(path)
    if depth and not beginning.startswith(_PLAIN):
        open_checked(path).close()  # GDAL itself would take any format for what a VRT points at
    return path


def _of_text(text: str, base: str, reach: Reach, depth: int) -> str:
    @functools.cache
    def look(path: str, deeper: int) -> str:
        return _looked_at(gdal_name(path), reach, deeper)

    return harmless_vrt(text, base=base, reach=reach, look=look, depth=depth)


def _first_bytes(path: str) -> bytes:
    """How a file begins; nothing where that is not to be had without opening it as a raster."""
    if path.startswith("/vsi"):
        is_text = not is_remote(path) or path.lower().split("?", maxsplit=1)[0].endswith(".vrt")
        return _raw_bytes(path, _BEGINNING) if is_text else b""
    file = Path(path)
    try:
        if file.exists() and not file.is_file() and not file.is_dir():
            raise SceneError(f"{path}: is a pipe or a device: give a file")
        if not file.is_file():  # missing, a folder, or a name of another kind: opening it says so
            return b""
        with file.open("rb") as opened:
            return opened.read(_BEGINNING)
    except OSError:
        return b""


def _require_plain_beside(path: str) -> None:
    """Refuse overviews and masks beside a local file that are no TIFFs: GDAL would open whatever they are."""
    if path.startswith("/vsi"):
        return
    for ending, beginnings in _BESIDE.items():
        beside = Path(path + ending)
        if beside.exists() and not _first_bytes(str(beside)).startswith(beginnings):
            raise SceneError(f"{beside}: stands beside the scene as its mask or overviews, and is no TIFF: remove it")


def _all_bytes(path: str) -> bytes:
    if gdal_name(path).startswith("/vsi"):
        return _raw_bytes(path, _LARGEST_TEXT)
    try:
        file = Path(path)
        if not file.is_file():
            raise SceneError(f"{path}: no such file: check the path")
        if file.stat().st_size > _LARGEST_TEXT:
            raise SceneError(f"{path}: a text of over {_LARGEST_TEXT >> 20} MB: give a smaller one")
        return file.read_bytes()
    except OSError as error:
        raise SceneError(f"{path}: cannot be read: {error.strerror}") from error


def _raw_bytes(path: str, size: int) -> bytes:
    """Up to `size` bytes of a text that only GDAL can reach, as a raster of one line; behind its end stand zeros."""
    taken, asked = b"", _BEGINNING
    while asked <= size:
        text = _BYTES.format(size=asked, name=escape(gdal_name(path)))
        with (
            rasterio_errors(path),
            rasterio.Env(GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE="ALL"),
            open_checked(text, name=path) as dataset,
        ):
            taken = dataset.read(1).tobytes()
        if not taken[-1]:
            break
        asked *= 4
    return taken.rstrip(b"\0")
