"""From settings to the ground that is learnt from, validated on and tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from geoseg.classes import ClassMap
from geoseg.config.train import SourceSettings, TrainSettings
from geoseg.data.labelled_scene import LabelledScene, ScenePair, open_labelled_scenes
from geoseg.data.sampling import Region
from geoseg.data.splits import Split, SplitWindow, split_by_blocks
from geoseg.errors import ConfigError, LabelError


def open_regions(settings: TrainSettings, *, cache_mb: int) -> Mapping[Split, tuple[Region, ...]]:
    """Open all scenes of the settings.

    Args:
        settings: what to learn from.
        cache_mb: memory for decoded scenes; all regions share it, so read them from one thread.

    Returns:
        Regions by what they are for; a split without scenes has no regions.

    Raises:
        GeosegError: if a file is missing or does not fit the settings.
    """
    sources = [(source, files) for source in settings.sources for files in settings.files_of(source)]
    pairs = [
        ScenePair(scene=scene, labels=labels, bands=source.bands or settings.bands, label_map=source.label_map)
        for source, (scene, labels) in sources
    ]
    classes = _classes(settings)
    scenes = open_labelled_scenes(pairs, classes=classes, cache_bytes=cache_mb * 2**20)
    found: dict[Split, list[Region]] = {"train": [], "val": [], "test": []}
    for (source, files), scene in zip(sources, scenes, strict=True):
        if scene.dtype not in settings.scales:
            raise ConfigError(f"scales: {files[0]} has {scene.dtype} pixels: add a scale for them")
        for part in _parts(settings, source, scene):
            region = Region(scene=scene, window=part.window, scale=settings.scales[scene.dtype], weight=source.weight)
            found[part.split].append(region)
    return {split: tuple(regions) for split, regions in found.items()}


def close_regions(regions: Mapping[Split, Sequence[Region]]) -> None:
    """Close the scenes of regions."""
    for part in regions.values():
        for region in part:
            region.scene.close()


def _parts(settings: TrainSettings, source: SourceSettings, scene: LabelledScene) -> tuple[SplitWindow, ...]:
    if source.split != "blocks":
        return (SplitWindow(window=scene.georef.window, split=source.split),)
    blocks = settings.blocks
    return split_by_blocks(
        scene.georef,
        block_metres=blocks.side,
        guard_metres=blocks.guard,
        shares=(blocks.val, blocks.test),
        seed=settings.seed,
    )


def _classes(settings: TrainSettings) -> ClassMap:
    classes = settings.class_map
    if len(classes) < 2:  # noqa: PLR2004 - one class leaves nothing to tell apart
        raise LabelError("a network needs at least 2 classes to tell apart")
    return classes
