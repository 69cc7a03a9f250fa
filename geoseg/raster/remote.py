"""Rasters over the network: how GDAL names them, how it is to fetch them, and what its errors mean. Opens no file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import urlsplit

_SCHEMES = {
    "http": "/vsicurl/http://",
    "https": "/vsicurl/https://",
    "s3": "/vsis3/",
    "gs": "/vsigs/",
    "az": "/vsiaz/",
}
_REMOTE = re.compile(r"/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs)(_streaming)?[/?]")
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9]+)://")
_ENDING = re.compile(r"\.\w{2,4}")

_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listing of the folder, no search for files beside
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "VSI_CACHE": "TRUE",
    "VSI_CACHE_SIZE": str(8 * 2**20),
    "CPL_VSIL_CURL_CACHE_SIZE": str(64 * 2**20),  # so that what was looked at before the work is not fetched again
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "120",
    "GDAL_HTTP_LOW_SPEED_TIME": "20",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "512",
}
_REASONS = (
    (r"404|does not exist|NoSuchKey|NoSuchBucket|No such file", "there is no such file: check the address"),
    (
        r"401|403|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|credential|AWS_",
        "access was refused: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_NO_SIGN_REQUEST=YES for open data",
    ),
    (r"resolve host", "the host is not known: check the address and the network"),
    (r"timed? ?out|too slow|Timeout", "the server did not answer in time: try again later"),
    (r"connect to|Connection refused", "the host cannot be reached: check the address and the network"),
)


def gdal_name(path: str) -> str:
    """The name that GDAL knows a raster by: `s3://bucket/key` is `/vsis3/bucket/key`; others stay as they are."""
    found = _SCHEME.match(path)
    prefix = _SCHEMES.get(found["scheme"].lower()) if found else None
    return path if found is None or prefix is None else prefix + path[found.end() :]


def is_remote(path: str) -> bool:
    """True where a raster is fetched over the network, by either name."""
    return _REMOTE.search(gdal_name(path)) is not None


def address_of(name: str) -> str | None:
    """The address of a remote raster: `https://host/...` or `s3://bucket/...`; None where it is not plainly remote."""
    for scheme, prefix in _SCHEMES.items():
        if name.startswith(prefix):
            return f"{scheme}://{name.removeprefix(prefix)}"
    return None


def remote_settings(path: str) -> Mapping[str, str]:
    """GDAL's settings for a raster: none for local ones; the user's environment comes first."""
    name = gdal_name(path)
    if not is_remote(name):
        return {}
    ending = PurePosixPath(name).suffix
    only = {"CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ending} if _ENDING.fullmatch(ending) else {}
    return {key: value for key, value in (_SETTINGS | only).items() if key not in os.environ}


def why_unreachable(path: str, reason: str) -> str:
    """What the text of a failure means for the user, in plain words; the text itself where that is not known."""
    if not is_remote(path):
        return reason
    meaning = next((words for pattern, words in _REASONS if re.search(pattern, reason, re.IGNORECASE)), None)
    return reason if meaning is None else f"{meaning} ({reason})"


def is_final(message: str) -> bool:
    """Whether trying again would not help: no such file, no access, no such host, no answer for minutes."""
    return any(words in message for _, words in _REASONS)


def without_secrets(path: str) -> str:
    """An address as it may be shown: without its query, which can hold a signature, and without a password."""
    if not _SCHEME.match(path):
        return path
    parts = urlsplit(path)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
