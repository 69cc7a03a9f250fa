"""From the files of a scene and a choice of bands to what is read: which file, which of its bands, which mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from geoseg.errors import SceneError
from geoseg.raster.band_files import BandFile
from geoseg.raster.bands import common_name
from geoseg.raster.file_facts import FileFacts, read_facts
from geoseg.raster.file_pixels import FileSource
from geoseg.raster.gathering import Gathered, opened_band
from geoseg.raster.mosaic import MosaicSource
from geoseg.raster.opening import harmless_name
from geoseg.raster.pixel_source import PixelSource
from geoseg.raster.quality import MaskedSource, QualityRule
from geoseg.raster.reach import Reach
from geoseg.raster.remote import is_remote
from geoseg.raster.scaling import Declared
from geoseg.raster.stack import StackSource
from geoseg.raster.valid_mask import ValidityRule


def chosen_pixels(gathered: Gathered, indices: Sequence[int], reach: Reach) -> PixelSource:
    """Some bands of a scene, ready to be opened.

    Args:
        gathered: its files.
        indices: bands, from 1, in the order to read them.
        reach: what an item may point at.

    Raises:
        SceneError: if a file cannot be read, is not to be reached, or they do not go together.
    """
    if len(gathered.parts) == 1:
        return FileSource.of(gathered.parts[0], indices)
    if gathered.parts:
        return MosaicSource.of(gathered.parts, indices)
    files = [gathered.bands[index - 1] for index in indices]
    facts = [opened_band(each, reach) for each in files]
    if len({each.path for each in facts}) == 1:
        return _with_nodata(FileSource.of(facts[0], [each.index for each in files]), files)
    every = [_with_nodata(FileSource.of(fact, [each.index]), [each]) for fact, each in zip(facts, files, strict=True)]
    return StackSource.of(every)


def declared_numbers(gathered: Gathered, indices: Sequence[int], reach: Reach) -> Declared:
    """Scale and offset of some bands: an item knows better than its files.

    Raises:
        SceneError: if a file cannot be read.
    """
    if gathered.parts:
        every = {each.declared_of(indices) for each in gathered.parts}
        if len(every) > 1:
            raise SceneError(
                f"{gathered.parts[0].name} and the others declare different scales or offsets: map them apart"
            )
        return every.pop()
    files = [gathered.bands[index - 1] for index in indices]
    found = [each.declared or opened_band(each, reach).declared_of([each.index]) for each in files]
    return Declared(tuple(each.scales[0] for each in found), tuple(each.offsets[0] for each in found))


def masked_pixels(pixels: PixelSource, gathered: Gathered, rule: QualityRule, reach: Reach) -> PixelSource:
    """The same pixels, with some marked as nodata by a band of the scene or a file.

    Raises:
        SceneError: if there is no such band or file, or it does not fit.
    """
    return MaskedSource.of(pixels, _quality(gathered, rule, reach), rule)


def _quality(gathered: Gathered, rule: QualityRule, reach: Reach) -> PixelSource:
    wanted = common_name(rule.band)
    for place, each in enumerate(gathered.bands, start=1):
        if rule.band == str(place) or wanted in {common_name(each.key), common_name(each.band.description or "")}:
            return FileSource.of(opened_band(each, reach), [each.index])
    for band in gathered.parts[0].bands if gathered.parts else ():
        if rule.band == str(band.index) or (band.description and wanted == common_name(band.description)):
            return chosen_pixels(gathered, [band.index], reach)
    if Path(rule.band).exists() or is_remote(rule.band):
        return FileSource.of(_one_band(read_facts(harmless_name(rule.band, reach), name=rule.band), rule), [1])
    have = [each.key for each in gathered.bands] or [
        band.description or str(band.index) for band in gathered.parts[0].bands
    ]
    raise SceneError(f"--mask {rule.band}: the scene has no such band ({', '.join(have)}), and it is no file")


def _one_band(facts: FileFacts, rule: QualityRule) -> FileFacts:
    if len(facts.bands) != 1 or facts.palette is not None:
        raise SceneError(f"--mask {rule.band}: has {len(facts.bands)} bands, or colours: give a file with one band")
    return facts


def _with_nodata(source: FileSource, files: Sequence[BandFile]) -> FileSource:
    """With the nodata of the item where the file has none."""
    own = source.validity
    if source.palette is not None or any(value is not None for value in own.nodata):
        return source
    nodata = tuple(each.nodata for each in files)
    return replace(source, validity=ValidityRule(nodata=nodata, alpha=own.alpha, mask_band=own.mask_band))
