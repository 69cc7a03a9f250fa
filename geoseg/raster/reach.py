"""What a file that points at others may reach: what lies beside it or below, and what the user allowed. Opens no file.

A VRT, a STAC item or a list of files may come from a stranger. It must not make geoseg read other files of this machine
or ask other hosts, so each of its references passes here first.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from geoseg.errors import SceneError
from geoseg.raster.remote import address_of, gdal_name, without_secrets

_PLAIN_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d+)?")
_ARCHIVE = re.compile(r"/vsi(zip|tar|gzip|7z)/")
_WEB = ("http", "https")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_PREFIX = re.compile(r"[A-Za-z]\w+:")


@dataclass(frozen=True, slots=True)
class Reach:
    """Folders, files, hosts and buckets that references may lead to."""

    folders: tuple[str, ...] = ()
    """Folders and files, symbolic links resolved; what lies below is meant too."""

    hosts: tuple[tuple[str, str], ...] = ()
    """(kind, host or bucket): kind is `web`, or the scheme of a bucket."""

    @classmethod
    def of(cls, allowed: Sequence[str]) -> Reach:
        """What a user allowed: folders, files, hosts, `https://host`, `s3://bucket`.

        Raises:
            SceneError: if one is none of these.
        """
        reach = cls()
        for entry in allowed:
            reach = reach.joined(cls._of_entry(entry))
        return reach

    @classmethod
    def beside(cls, path: str) -> Reach:
        """What a file reaches by itself: the folder that it lies in, or its host or bucket."""
        place = _host_of(path)
        if place is not None:
            return cls(hosts=(place,))
        folder = posixpath.dirname(path) if path.startswith("/vsi") else os.path.realpath(Path(path).parent)
        return cls(folders=(folder,))

    def joined(self, other: Reach) -> Reach:
        """Both."""
        return Reach(self.folders + other.folders, self.hosts + other.hosts)

    def admits(self, path: str) -> bool:
        """Whether a file may be read.

        Args:
            path: absolute, an address, or what GDAL calls it.
        """
        place = _host_of(path)
        if place is not None:
            return place in self.hosts and not _is_twisted(path)
        if path.startswith("/vsi"):
            inside = _ARCHIVE.match(path) is not None and ".." not in path.split("/")
            return inside and any(_is_below(path, folder) for folder in self.folders)
        if _PREFIX.match(path) and not _DRIVE.match(path):
            return False
        real = os.path.realpath(path)
        return any(_is_below(real, folder) for folder in self.folders)

    def require(self, path: str, *, named_in: str) -> None:
        """Refuse a reference that leads elsewhere.

        Raises:
            SceneError: naming the file or host, and what would allow it.
        """
        if self.admits(path):
            return
        place = _host_of(path)
        if place is None:
            where = os.path.realpath(path) if _is_local(path) else path
            cure = f"if you trust it, pass --allow {where}" if _is_local(path) else "--allow takes files and hosts only"
            raise SceneError(
                f"{without_secrets(named_in)}: points at {where[:200]}, which is not beside it or below: {cure}"
            )
        kind, host = place
        shown = host if kind == "web" else f"{kind}://{host}"
        raise SceneError(
            f"{without_secrets(named_in)}: points at {shown}, where it does not come from: if you trust it, "
            f"pass --allow {shown}"
        )

    @classmethod
    def _of_entry(cls, entry: str) -> Reach:
        place = _host_of(entry)
        if place is not None:
            return cls(hosts=(place,))
        path = Path(entry).expanduser()
        if path.exists():
            return cls(folders=(os.path.realpath(path),))
        if _PLAIN_HOST.fullmatch(entry):
            return cls(hosts=(("web", entry.lower()),))
        raise SceneError(f"--allow {entry}: is no file, folder or host: give a path that exists, a host or s3://bucket")


def resolved(reference: str, *, base: str) -> str:
    """Where a reference leads: an absolute path, an address, or GDAL's name of something else.

    Args:
        reference: as it stands in a file; relative to the folder of the file, or not.
        base: the file.
    """
    if _PREFIX.match(reference) and "://" not in reference and not _DRIVE.match(reference):
        return reference
    address = address_of(gdal_name(reference))
    if address is not None:
        return address
    if reference.startswith("/vsi") or "://" in reference:
        return reference
    place = address_of(gdal_name(base))
    if place is not None:
        parts = urlsplit(place)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(parts.path), reference))
        return f"{parts.scheme}://{parts.netloc}{path}"
    if base.startswith("/vsi"):
        archive, inner = base[: base.index("/", 1) + 1], base[base.index("/", 1) + 1 :]
        return archive + posixpath.normpath(posixpath.join(posixpath.dirname(inner), reference))
    return str(Path(os.path.abspath(base)).parent / reference)  # noqa: PTH100 - links are resolved by what it reaches


def _host_of(path: str) -> tuple[str, str] | None:
    """Kind and host, or bucket, of a remote file; None where it is none."""
    address = address_of(gdal_name(path))
    if address is None:
        return None
    parts = urlsplit(address)
    if parts.scheme not in _WEB:
        return parts.scheme, parts.netloc
    host = parts.netloc.rpartition("@")[2].lower()
    return "web", host.removesuffix(":443" if parts.scheme == "https" else ":80")


def _is_twisted(path: str) -> bool:
    """Whether programs might read an address differently, or it climbs out of its bucket."""
    parts = unquote(address_of(gdal_name(path)) or path).split("/")
    return ".." in parts or "@" in parts[2] or any(char in path for char in "\\\r\n\t ")


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _is_local(path: str) -> bool:
    return not path.startswith("/vsi") and (_PREFIX.match(path) is None or _DRIVE.match(path) is not None)


def file_of_href(href: str) -> str:
    """The local path of a `file:` address; everything else as it is."""
    return unquote(urlsplit(href).path) if href.lower().startswith("file:") else href
