"""The work of an archive: every scene that sources name, and the folder that its map goes to."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from geoseg.raster.remote import is_remote
from pipelines.archive.catalogues import scenes_of_stac
from pipelines.archive.scenes import (
    STAC_ENDINGS,
    ArchiveScene,
    in_order,
    name_of,
    scenes_of_files,
    scenes_of_list,
)

HELD = ".items"
"""Folder in the output for items of item collections, which have no file of their own."""

_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveJob:
    """One scene and where its map goes."""

    scene: str
    """The scene."""

    folder: Path
    """A folder that no other scene of the archive has."""

    name: str = ""
    """Id of the item of its map, which no other has; that of `geoseg predict` where empty."""

    allow: tuple[str, ...] = ()
    """What the scene may reach besides what the settings allow."""

    refusal: str = ""
    """Why it may not be read; empty where it may."""


def find_archive(sources: Sequence[str], output: Path, *, allow: Sequence[str] = ()) -> list[ArchiveScene]:
    """Every scene that sources name, each once, in the order of their paths.

    Args:
        sources: files, folders, patterns, lists of scenes (.txt), STAC items, item collections, catalogues and
            collections (.json).
        output: folder for the maps; it is no source.
        allow: files, folders and hosts that lists, links and items may lead to besides those beside them.

    Raises:
        ConfigError: if a source names no scene, or a catalogue too many.
        SceneError: if a list cannot be read, or an entry of `allow` is none.
    """
    return in_order(each for source in sources for each in _scenes_of(source, output, allow))


def plan_archive(scenes: Sequence[ArchiveScene], output: Path) -> list[ArchiveJob]:
    """Give every scene its folder: its place, and a mark of its path where two scenes have one place."""
    shared = Counter(_folded(scene.place) for scene in scenes)
    return [_job(scene, output, is_shared=shared[_folded(scene.place)] > 1) for scene in scenes]


def flat(scenes: Sequence[str]) -> list[ArchiveScene]:
    """Scenes whose folders all stand side by side."""
    return [ArchiveScene(scene=scene, place=(name_of(scene),)) for scene in scenes]


def _scenes_of(source: str, output: Path, allow: Sequence[str]) -> Iterator[ArchiveScene]:
    ending = Path(source.split("?", maxsplit=1)[0]).suffix.lower()
    if not Path(source).is_dir():
        if ending == ".txt":
            return scenes_of_list(source, allow=allow)
        if ending in STAC_ENDINGS and (is_remote(source) or Path(source).exists()):
            return scenes_of_stac(source, allow=allow, hold=output / HELD)
    return scenes_of_files(source, allow=allow, output=output)


def _job(scene: ArchiveScene, output: Path, *, is_shared: bool) -> ArchiveJob:
    *above, own = scene.place
    own = f"{own}-{_mark(scene.scene)}" if is_shared else own
    return ArchiveJob(
        scene=scene.scene,
        folder=output.joinpath(*above, own),
        name="--".join((*above, own)),
        allow=scene.allow,
        refusal=scene.refusal,
    )


def _folded(place: Sequence[str]) -> str:
    """Alike for places that a file system without upper case cannot tell apart."""
    return "/".join(place).casefold()


def _mark(scene: str) -> str:
    path = scene if is_remote(scene) else os.path.abspath(scene)  # noqa: PTH100 - links stay
    return hashlib.sha256(path.encode()).hexdigest()[:_DIGITS]
