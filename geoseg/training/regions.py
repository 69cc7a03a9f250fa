"""From settings to the ground that is learnt from, validated on and tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from geoseg.classes import ClassMap
from geoseg.config.train import SourceSettings, TrainSettings
from geoseg.data.chips import IGNORED
from geoseg.data.label_counts import count_labels
from geoseg.data.label_sets import LabelSets
from geoseg.data.labelled_scene import LabelledScene, ScenePair, open_labelled_scenes, reopen_scenes
from geoseg.data.labels import LabelSource
from geoseg.data.sampling import Region
from geoseg.data.splits import Split, SplitWindow, split_by_blocks
from geoseg.errors import ConfigError, GeosegError, LabelError
from geoseg.raster.scene import Access


@dataclass(frozen=True, slots=True)
class _File:
    """A scene of a source."""

    source: SourceSettings
    scene: Path
    labels: LabelSource


def label_sets(settings: TrainSettings) -> LabelSets:
    """What the labels of all sources may say.

    Raises:
        LabelError: if a source names a class that is not in the legend, or there are too few or too many.
    """
    classes = settings.class_map
    if len(classes) < 2:  # noqa: PLR2004 - one class leaves nothing to tell apart
        raise LabelError("a network needs at least 2 classes to tell apart")
    return LabelSets.of(classes, (source.label_sets for source in settings.sources))


def open_regions(settings: TrainSettings, *, cache_mb: int) -> Mapping[Split, tuple[Region, ...]]:
    """Open all scenes of the settings.

    Args:
        settings: what to learn from.
        cache_mb: memory for decoded scenes; all regions share it.

    Returns:
        Regions by what they are for; a split without scenes has no regions.

    Raises:
        GeosegError: if a file is missing or does not fit the settings.
    """
    sets, classes, allowed = label_sets(settings), settings.class_map, settings.allowed
    files = [
        _File(source, scene, replace(label_source(source, labels, sets, classes), allow=allowed))
        for source in settings.sources
        for scene, labels in settings.files_of(source)
    ]
    pairs = [
        ScenePair(
            scene=file.scene,
            labels=file.labels,
            bands=_bands(settings, file.source),
            access=Access(mask=file.source.mask, allow=allowed),
        )
        for file in files
    ]
    scenes = open_labelled_scenes(pairs, cache_bytes=cache_mb * 2**20)
    found: dict[Split, list[Region]] = {"train": [], "val": [], "test": []}
    try:
        for file, scene in zip(files, scenes, strict=True):
            for part in _parts(settings, file.source, scene, codes=len(sets.sets)):
                found[part.split].append(_region(settings, file, scene, part))
    except GeosegError:
        for scene in scenes:
            scene.close()
        raise
    return {split: tuple(regions) for split, regions in found.items()}


def reopen_regions(regions: Mapping[Split, Sequence[Region]], *, cache_mb: int) -> Mapping[Split, tuple[Region, ...]]:
    """The same regions with files and a cache of their own, so that reading one does not wait for the other.

    Raises:
        GeosegError: if a file cannot be opened any more.
    """
    known = {id(region.scene): region.scene for part in regions.values() for region in part}
    opened = reopen_scenes(list(known.values()), cache_bytes=cache_mb * 2**20)
    twin = dict(zip(known, opened, strict=True))
    return {
        split: tuple(replace(region, scene=twin[id(region.scene)]) for region in part)
        for split, part in regions.items()
    }


def close_regions(regions: Mapping[Split, Sequence[Region]]) -> None:
    """Close the scenes of regions."""
    for part in regions.values():
        for region in part:
            region.scene.close()


def _region(settings: TrainSettings, file: _File, scene: LabelledScene, part: SplitWindow) -> Region:
    source = file.source
    scale = source.scale or settings.scales.get(scene.dtype)
    if scale is None:
        raise ConfigError(f"scales: {file.scene} has {scene.dtype} pixels: add a scale for them")
    return Region(
        scene=scene,
        window=part.window,
        scale=scale,
        offset=source.offset,
        weight=source.weight,
        gsd=source.gsd or scene.georef.gsd or settings.gsd,
        layout=_layout(settings, source),
        source=source.name or file.scene.parent.name,
        legend=tuple(sorted({*file.labels.codes.values(), file.labels.outside} - {IGNORED})),
    )


def _bands(settings: TrainSettings, source: SourceSettings) -> tuple[str, ...]:
    """The bands to read of a source's scenes: those of the model that they have."""
    bands = source.bands or settings.bands
    if len(bands) != len(settings.bands):
        raise ConfigError(
            f"sources: {source.scene} names {len(bands)} bands, the model has {len(settings.bands)} "
            f"({', '.join(settings.bands)}): give one for each, null where the scene has none"
        )
    absent = [name for name, band in zip(settings.bands, bands, strict=True) if band is None]
    required = sorted(set(absent) - set(settings.optional_bands))
    if required:
        raise ConfigError(f"sources: {source.scene} lacks band {required[0]}, which is not in optional_bands: add it")
    return tuple(band for band in bands if band is not None)


def _layout(settings: TrainSettings, source: SourceSettings) -> tuple[int | None, ...] | None:
    if source.bands is None or None not in source.bands:
        return None
    places = iter(range(len(settings.bands)))
    return tuple(None if band is None else next(places) for band in source.bands)


def label_source(source: SourceSettings, path: Path, sets: LabelSets, classes: ClassMap) -> LabelSource:
    """The labels of one scene of a source, and the code of each of their values.

    Raises:
        LabelError: if a class is not in the legend.
    """
    codes = {
        value: IGNORED if names is None else sets.code_of(classes, names) for value, names in source.label_map.items()
    }
    outside = IGNORED if source.outside is None else sets.code_of(classes, source.outside)
    return LabelSource(path=path, codes=codes, attribute=source.attribute, layer=source.layer, outside=outside)


def _parts(
    settings: TrainSettings, source: SourceSettings, scene: LabelledScene, *, codes: int
) -> tuple[SplitWindow, ...]:
    if source.split != "blocks":
        return (SplitWindow(window=scene.georef.window, split=source.split),)
    blocks = settings.blocks
    return split_by_blocks(
        scene.georef,
        block_metres=blocks.side,
        buffer_metres=blocks.buffer,
        shares=(blocks.val, blocks.test),
        seed=settings.seed,
        count=lambda window: count_labels(scene, window, codes=codes),
    )
