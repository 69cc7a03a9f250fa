"""Writes the data of sources and targets; what is there already is taken as it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.shift.cases import CASES
from benchmarks.shift.landscape_data import write_source, write_target
from benchmarks.shift.places import Places
from benchmarks.shift.real_data import SOURCE_WRITERS, TARGET_WRITERS, TargetFolders


def prepare_source(places: Places, name: str, seed: int) -> None:
    """Write the scenes and labels of a source."""
    folder = places.source_data(name, seed)
    write = write_source if name == "landscape" else SOURCE_WRITERS[name]
    _whole(folder, lambda partial: write(seed, partial))


def prepare_target(places: Places, name: str, seed: int) -> None:
    """Write the scenes of a target, and its labels apart from them."""
    scenes, hidden = places.target_data(name, seed), places.hidden(name, seed)
    if hidden.exists():
        return
    shutil.rmtree(scenes, ignore_errors=True)

    def write(partial: Path) -> None:
        scenes.mkdir(parents=True)
        if CASES[name].kind == "landscape":
            write_target(name, seed, scenes, partial)
        else:
            TARGET_WRITERS[name](seed, TargetFolders(scenes, partial))

    _whole(hidden, write)


def _whole(folder: Path, write: Callable[[Path], None]) -> None:
    """Have a folder written beside its place, and moved there when it is complete."""
    if folder.exists():
        return
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write(partial)
    partial.rename(folder)
