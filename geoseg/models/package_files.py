"""The files of a model package, from a folder or a zip, as bytes. Trusts neither; imports no torch.

Nothing is unpacked to disk, so no member can land anywhere. What a zip declares is compared with what it holds before
anything is read.
"""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from geoseg.errors import ModelError

WEIGHTS_FILE = "weights.safetensors"
"""The weights inside a package."""

REFERENCE_FILE = "reference.safetensors"
"""What the ground it was validated on looks like, inside a package; optional."""

CARD_FILE = "model.json"
"""The card inside a package."""

PICTURE_FILE = "preview.png"
"""A picture of what the model does; optional."""

_OPTIONAL_FILES = (PICTURE_FILE, REFERENCE_FILE)
_LARGEST = MappingProxyType({CARD_FILE: 4 * 2**20, PICTURE_FILE: 64 * 2**20, REFERENCE_FILE: 1024 * 2**20})
"""Bytes; those of the weights follow from the network."""

_MOST_MEMBERS = 1000
_KNOWN_COMPRESSION = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MOST_INFLATED = 20
"""Times its size in the zip that a member may have: weights shrink by little, and zeros by a thousand."""

_ALWAYS_BYTES = 2**20
"""A member may have, however small it is in the zip."""

_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, OSError, OverflowError, RuntimeError, ValueError)


def read_files(package: Path) -> dict[str, bytes]:
    """All files of a package that are read, by name; optional ones where they are there.

    Raises:
        ModelError: if the package or one of its files is missing, too large for what it is, or cannot be read.
    """
    if package.is_file():
        return _read_zip(package, (CARD_FILE, WEIGHTS_FILE), _OPTIONAL_FILES)
    if not package.is_dir():
        raise ModelError(f"{package}: no such model package: give a folder or a zip")
    optional = [name for name in _OPTIONAL_FILES if (package / name).is_file()]
    return {name: _file_in(package, name) for name in (CARD_FILE, WEIGHTS_FILE, *optional)}


def read_file(package: Path, name: str) -> bytes:
    """One file of a package.

    Raises:
        ModelError: as `read_files`.
    """
    return _read_zip(package, (name,), ())[name] if package.is_file() else _file_in(package, name)


def _file_in(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        if path.exists() and not path.is_file():
            raise ModelError(f"{path}: cannot be read: no ordinary file")
        _refuse_size(path, name, path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read_zip(path: Path, required: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, bytes]:
    """Read members into memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = _trusted(path, archive)
            missing = next((name for name in required if name not in members), None)
            if missing is not None:
                raise ModelError(f"{path}: not a model package: holds no {missing}")
            there = [name for name in (*required, *optional) if name in members]
            return {name: archive.read(members[name]) for name in there}
    except _BROKEN_ZIP as error:
        raise ModelError(f"{path}: cannot be read as a zip: {error}") from error


def _trusted(path: Path, archive: zipfile.ZipFile) -> Mapping[str, zipfile.ZipInfo]:
    """The members by name, once none of them is odd."""
    members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise ModelError(f"{path}: has {len(members)} members, a model package has up to {_MOST_MEMBERS}")
    doubled = [name for name, count in Counter(member.filename for member in members).items() if count > 1]
    if doubled:
        raise ModelError(f"{path}: holds {doubled[0]!r} twice: do not trust it")
    for member in members:
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts:
            raise ModelError(f"{path}: member {member.filename!r} points outside the archive: do not trust it")
    read = {member.filename: member for member in members}
    for name in (CARD_FILE, WEIGHTS_FILE, *_OPTIONAL_FILES):
        if name in read:
            _refuse_bomb(path, read[name])
    return read


def _refuse_bomb(path: Path, member: zipfile.ZipInfo) -> None:
    _refuse_size(path / member.filename, member.filename, member.file_size)
    if member.compress_type not in _KNOWN_COMPRESSION:
        raise ModelError(f"{path}: {member.filename} is compressed in an unusual way: zip it anew (stored or deflated)")
    held = min(member.compress_size, path.stat().st_size)
    if member.file_size > max(_MOST_INFLATED * held, _ALWAYS_BYTES):
        raise ModelError(f"{path}: {member.filename} unpacks to {member.file_size} bytes from {held}: do not trust it")


def _refuse_size(path: Path, name: str, size: int) -> None:
    limit = _LARGEST.get(name)
    if limit is not None and size > limit:
        raise ModelError(f"{path}: has {size} bytes, at most {limit} are read: do not trust it")
