"""A stratified random sample of pixels to label: how many of each class, and which.

The pixels of a class are numbered row by row; numbers are drawn first and looked up in a second pass over the raster.
So every pixel of a class is as likely as any other, none comes twice, and blocks do not matter.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.config.sample import SampleSettings
from geoseg.errors import ConfigError, OutputError
from geoseg.evaluation.class_raster import ClassRaster, open_class_raster
from geoseg.evaluation.sample_file import SamplePoints, write_sample_file
from geoseg.evaluation.strata import Strata, class_id_pieces, strata_of
from geoseg.raster.staging import Staging

log = logging.getLogger(__name__)

Counts = NDArray[np.int64]

_ORDER = 255  # in place of a class id, to seed the order of the points


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """A sample that was drawn."""

    path: Path
    """The GeoPackage with its points."""

    strata: Strata
    """What it was drawn from."""

    points: Counts
    """Points drawn in each class, in the order of the strata."""


def draw_sample(class_raster: str | Path, output: str | Path, settings: SampleSettings) -> Sample:
    """Draw a stratified random sample of a map's pixels and write it as points to label.

    Args:
        class_raster: the map.
        output: the GeoPackage to write.
        settings: how many points, where.

    Raises:
        ConfigError: if the number of points is not given or too small for the classes.
        LabelError: if the map is missing, no class raster, or nodata everywhere.
        SceneError: if it cannot be read to its end.
        OutputError: if the GeoPackage is there already, has another ending, or cannot be written.
    """
    output = Path(output)
    if output.suffix.lower() != ".gpkg":
        raise OutputError(f"{output}: a sample is a GeoPackage: choose a name that ends in .gpkg")
    with (
        Staging(output.parent, [output.name], overwrite=settings.overwrite) as staging,
        open_class_raster(Path(class_raster), allow=settings.allow) as raster,
    ):
        strata = strata_of(raster)
        counts = allocate(strata.pixels, settings)
        _warn_of_scarce_classes(strata, counts, settings)
        points = draw_points(raster, strata, counts, seed=settings.seed)
        write_sample_file(staging.path(output.name), strata, points, seed=settings.seed, blind=settings.blind)
        staging.commit()
    return Sample(path=output, strata=strata, points=counts)


def allocate(pixels: Counts, settings: SampleSettings) -> Counts:
    """How many points each class gets, never more than it has pixels.

    A total is shared in proportion to pixels, except that no class gets fewer points than `at_least`, as Olofsson et
    al. (2014, section 5.1) advise for rare classes.

    Args:
        pixels: of each class; a class without any gets no point.
        settings: the number of points.

    Raises:
        ConfigError: if neither number is given or the total is too small.
    """
    if settings.per_class is not None:
        return np.minimum(pixels, settings.per_class)
    if settings.total is None:
        raise ConfigError("how many points? give a number for each class (--per-class) or in all (--total)")
    least = np.minimum(pixels, settings.at_least)
    if settings.total < least.sum():
        raise ConfigError(
            f"a total of {settings.total} points is too small for {settings.at_least} in each of "
            f"{np.count_nonzero(pixels)} classes: ask for {least.sum()} or more, or for fewer with at_least"
        )
    return _shared(min(settings.total, int(pixels.sum())), pixels, least)


def _shared(total: int, pixels: Counts, least: Counts) -> Counts:
    """Share a total in proportion to pixels where that is more than the least, in whole points."""
    free = pixels > 0
    while True:
        quota = (total - least[~free].sum()) * pixels / max(1, pixels[free].sum())
        short = free & (quota < least)
        if not short.any():
            break
        free &= ~short
    counts = np.where(free, np.floor(quota), least).astype(np.int64)
    largest_first = np.argsort(np.where(free, counts - quota, 1.0), kind="stable")
    counts[largest_first[: total - counts.sum()]] += 1
    return counts


def draw_points(raster: ClassRaster, strata: Strata, counts: Counts, *, seed: int) -> SamplePoints:
    """Draw pixels of each class, all alike and none twice, and put them in random order.

    What is drawn in a class depends on the seed and on that class alone.

    Args:
        raster: the map.
        strata: its strata.
        counts: points to draw in each.
        seed: at least 0.

    Raises:
        SceneError: if the map cannot be read.
    """
    ids = strata.classes.ids
    ranks = {
        id_: np.sort(np.random.default_rng((seed, id_)).choice(pixels, size=count, replace=False))
        for id_, pixels, count in zip(ids, strata.pixels.tolist(), counts.tolist(), strict=True)
        if count
    }
    found = _located(raster, ranks)
    order = np.random.default_rng((seed, _ORDER)).permutation(len(found))
    rows, cols, class_ids = found[order].T
    return SamplePoints(rows=rows, cols=cols, class_ids=class_ids)


def _located(raster: ClassRaster, ranks: dict[int, Counts]) -> Counts:
    """Row, column and class id of the pixels that have a rank in their class, row by row, shape (points, 3)."""
    found = []
    seen = dict.fromkeys(ranks, 0)
    for window, ids in class_id_pieces(raster):
        inside = np.bincount(ids.ravel(), minlength=_ORDER + 1)
        for id_, wanted in ranks.items():
            start, seen[id_] = seen[id_], seen[id_] + int(inside[id_])
            here = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, seen[id_])] - start
            if here.size:
                rows, cols = np.divmod(np.flatnonzero(ids.ravel() == id_)[here], window.width)
                found.append(np.stack([rows + window.row, cols, np.full_like(rows, id_)], axis=1))
    points = np.concatenate(found)
    return points[np.lexsort((points[:, 1], points[:, 0]))]


def _warn_of_scarce_classes(strata: Strata, counts: Counts, settings: SampleSettings) -> None:
    wished = settings.per_class if settings.per_class is not None else settings.at_least
    scarce = [
        f"{name} ({pixels})"
        for name, pixels, count in zip(strata.classes.names, strata.pixels, counts, strict=True)
        if 0 < count < wished
    ]
    if scarce:
        log.warning("fewer than %d pixels, so all of them are drawn: %s", wished, ", ".join(scarce))
