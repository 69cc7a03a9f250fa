"""What is read of a scene's storage blocks, counted at the file: GDAL keeps no block that is still compressed.

strace notes every read of the scene's file. GDAL reads a storage block from the file each time it decodes it, so bytes
read inside a block, divided by its size, are how often it was decoded, whatever threads, caches and windows did it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import rasterio

_CALLS = "openat,read,pread64,readv,preadv,lseek"
_LINE = re.compile(r"(?P<pid>\d+)\s+(?P<call>.*)")
_CUT = re.compile(r"(?P<begun>.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(?P<rest>.*)")
_DONE = re.compile(r"(?P<name>\w+)\((?P<fd>\d+|AT_FDCWD)[^,]*(?P<arguments>.*)\)\s+= (?P<result>\d+)")


def tracing(scene: Path, log: Path) -> list[str]:
    """What to put before a command so that its reads of a scene are noted in a log.

    Raises:
        FileNotFoundError: if strace is not installed.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise FileNotFoundError("strace is not installed: what is decoded cannot be counted without it")
    return [strace, "-f", "-y", "-s", "0", "-e", f"trace={_CALLS}", "-P", str(scene), "-o", str(log)]


def noted_reads(lines: Iterable[str]) -> list[tuple[int, int]]:
    """Offset and length of every read in a log of strace about one file."""
    reads: list[tuple[int, int]] = []
    places: dict[str, int] = {}
    for call in _whole_calls(lines):
        done = _DONE.match(call)
        if done is None:
            continue
        name, fd, result = done["name"], done["fd"], int(done["result"])
        if name == "openat":
            places[str(result)] = 0
        elif name == "lseek":
            places[fd] = result
        elif name.startswith("pread"):
            reads.append((int(done["arguments"].rsplit(",", 1)[1]), result))
        else:
            reads.append((places.get(fd, 0), result))
            places[fd] = places.get(fd, 0) + result
    return reads


def _whole_calls(lines: Iterable[str]) -> Iterable[str]:
    """System calls; those that strace shows in two parts are put together."""
    begun: dict[str, str] = {}
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        pid, call = found["pid"], found["call"]
        if cut := _CUT.match(call):
            begun[pid] = cut["begun"]
        elif resumed := _RESUMED.match(call):
            yield begun.pop(pid, "") + resumed["rest"]
        else:
            yield call


def storage_blocks(scene: Path) -> list[tuple[int, int, int]]:
    """Offset, bytes and pixels inside the scene of every storage block of a GeoTIFF, bands together."""
    with rasterio.open(scene) as dataset:
        blocks = []
        for (row, col), window in dataset.block_windows(1):
            offset = dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=1)
            size = dataset.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=1)
            blocks.append((int(offset), int(size), window.width * window.height))
        return blocks


def decoded_ratio(blocks: list[tuple[int, int, int]], reads: list[tuple[int, int]]) -> float:
    """Pixels decoded over pixels there are.

    Args:
        blocks: offset, bytes and pixels of each storage block.
        reads: offset and length of each read of the file.
    """
    decoded = 0.0
    for offset, size, pixels in blocks:
        inside = sum(max(0, min(start + length, offset + size) - max(start, offset)) for start, length in reads)
        decoded += pixels * inside / size
    return decoded / sum(pixels for _, _, pixels in blocks)
