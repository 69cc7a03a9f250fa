"""What is made already: a mark beside every map says of which pixels and by which options it came about.

A map counts as made where its item is the one that was written then, its layers have the sizes that the item says, the
options are the same, and so are the scene's files: by size and time, or where a time differs by their contents. Of
files that are not on this machine only the address is known.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import geoseg
from geoseg.config.predict import PredictSettings
from geoseg.errors import SceneError
from geoseg.models.card import ModelCard
from geoseg.models.zoo import find_model, packaged_models, read_card
from geoseg.raster.gathering import gather
from geoseg.raster.opening import open_dataset
from geoseg.raster.reach import Reach
from geoseg.raster.remote import gdal_name
from pipelines.archive.jobs import ArchiveJob
from pipelines.archive.scenes import STAC_ENDINGS
from pipelines.file_states import State, is_same, sha256_of, states_of
from pipelines.written import read_json, write_json

DONE = "done.json"
"""The mark, in the folder of the map."""

BEGUN = ".geoseg-begun"
"""Stands in the folder of a map that is being made by a job: what is there is its own."""

MOST_ATTEMPTS = 3
"""Processes that may end while they map one scene."""

_HOW_ONLY = {
    *("overwrite", "workers", "scheduler", "cluster", "block_rows", "batch_size", "max_memory", "restart"),
    *("keep_blocks", "allow"),
}
_BESIDE = (".aux.xml", ".msk")


def digest_of_options(settings: PredictSettings) -> str:
    """Changes with the model, the version of geoseg and every setting that changes a map, files that it names too.

    Raises:
        ModelError: if the model is unknown or damaged.
    """
    models = packaged_models() if settings.model == "auto" else (settings.model,)
    parts = (
        geoseg.__version__,
        [_digest_of_card(read_card(find_model(model))) for model in models],
        settings.model_dump(mode="json", exclude=_HOW_ONLY),
        [sha256_of(Path(text)) for text in (settings.aoi, _file_of_mask(settings)) if text and Path(text).is_file()],
    )
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def mark_done(job: ArchiveJob, options: str, result: Mapping[str, Any], inputs: Mapping[str, State]) -> None:
    """Say that a map is made.

    Args:
        job: scene and folder.
        options: see `digest_of_options`.
        result: what was made, for the report.
        inputs: see `input_states`, from before the map was made.

    Raises:
        OutputError: if it cannot be written.
    """
    item = sha256_of(Path(result["outputs"]["stac_item"]))
    mark = {
        "options": options,
        "scene": _known_as(job.scene),
        "item": item,
        "inputs": dict(inputs),
        "result": dict(result),
    }
    write_json(job.folder / DONE, mark)


def finished(job: ArchiveJob, options: str) -> dict[str, Any] | None:
    """What an earlier run made of the same scene with the same options, if all of it is still there."""
    mark = read_json(job.folder / DONE)
    if mark.get("options") != options or mark.get("scene") != _known_as(job.scene):
        return None
    try:
        outputs = {layer: job.folder / Path(path).name for layer, path in mark["result"]["outputs"].items()}
        item = outputs["stac_item"]
        whole = all(path.exists() for path in outputs.values()) and sha256_of(item) == mark["item"]
        whole = whole and _is_as_described(item)
        inputs: Mapping[str, State] = mark["inputs"]
        beside = {path + ending for path in inputs for ending in _BESIDE if Path(path + ending).is_file()}
        same = whole and beside <= inputs.keys() and all(is_same(Path(path), each) for path, each in inputs.items())
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return None
    told = {layer: str(path) for layer, path in outputs.items()}
    return {**mark["result"], "scene": job.scene, "outputs": told} if same else None


def input_states(scene: str, allow: Sequence[str]) -> dict[str, State]:
    """State of every file of this machine that a scene is made of, by its path; none where they are elsewhere."""
    return states_of(map(Path, _files_of(scene, allow)))


def is_own(job: ArchiveJob) -> bool:
    """Whether what stands in the folder of a map was made by such a job, so that it may be replaced."""
    return (job.folder / DONE).exists() or (job.folder / BEGUN).exists()


def begin(job: ArchiveJob, run: str) -> None:
    """Say that a map is being made, unless the folder holds files of somebody else.

    Raises:
        OutputError: if it cannot be said.
    """
    with suppress(OSError):
        if not is_own(job) and any(not name.startswith(".") for name in os.listdir(job.folder)):  # noqa: PTH208
            return
    write_json(job.folder / BEGUN, {"run": run, "attempts": attempts(job, run) + 1})


def attempts(job: ArchiveJob, run: str) -> int:
    """How many processes of a run began a map and have not ended it."""
    told = read_json(job.folder / BEGUN)
    count = told.get("attempts")
    return count if told.get("run") == run and isinstance(count, int) else 0


def ended(job: ArchiveJob) -> None:
    """Take back that a map is being made; a folder that then is empty goes too."""
    with suppress(OSError):
        (job.folder / BEGUN).unlink(missing_ok=True)
        job.folder.rmdir()


def _known_as(scene: str) -> str:
    """The same wherever the job is started."""
    is_here = not gdal_name(scene).startswith("/vsi") and ":" not in scene
    return str(Path(scene).absolute()) if is_here else scene


def _digest_of_card(card: ModelCard) -> str:
    return hashlib.sha256(repr(card).encode()).hexdigest()


def _file_of_mask(settings: PredictSettings) -> str | None:
    return None if settings.mask is None else settings.mask.partition("=")[0]


def _files_of(scene: str, allow: Sequence[str]) -> list[str]:
    """The file of a scene with what lies beside it, and what it points at; only the former where it is damaged."""
    files = [scene]
    with suppress(SceneError, OSError):
        if Path(scene).is_dir() or scene.lower().endswith((*STAC_ENDINGS, ".txt")):
            found = gather(scene, Reach.of(allow))
            files += [each.path for each in found.bands] + [each.name for each in found.parts]
        elif scene.lower().endswith(".vrt"):
            with open_dataset(scene, reach=Reach.of(allow)) as dataset:
                files += dataset.files
    local = [file for file in dict.fromkeys(files) if not gdal_name(file).startswith("/vsi")]
    return [*local, *(file + ending for file in local for ending in _BESIDE)]


def _is_as_described(item: Path) -> bool:
    """Whether the files are there with the sizes that their item tells."""
    assets = json.loads(item.read_text(encoding="utf-8"))["assets"].values()
    sizes = [((item.parent / unquote(asset["href"])).stat().st_size, asset.get("file:size")) for asset in assets]
    return all(told in {size, None} for size, told in sizes)
