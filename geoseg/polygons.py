"""The composition of `geoseg vectorize`: one class raster in, its polygons and their STAC item out. Needs no torch."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rasterio.enums import ColorInterp

import geoseg
from geoseg.classes import NODATA_ID, ClassMap
from geoseg.config.legend import load_legend
from geoseg.config.vectorize import VectorizeSettings
from geoseg.errors import ConfigError, OutputError, SceneError
from geoseg.models.zoo import find_model, read_card
from geoseg.raster.legend import find_legend, legend_of
from geoseg.raster.opening import open_dataset
from geoseg.raster.reach import Reach
from geoseg.raster.staging import Staging
from geoseg.stac.existing import Described, described
from geoseg.stac.item import SUFFIX, ItemFacts, href_of, write_stac_item
from geoseg.vector.blocks import BLOCK_ROWS, ClassSource
from geoseg.vector.columns import Provenance
from geoseg.vector.locked import refuse_locked
from geoseg.vector.run_table import RunRecord, run_id_of, sha256_of
from geoseg.vector.vector_file import SUFFIXES, refuse_suffix
from geoseg.vector.vectorize import ClassRasters, VectorSummary, vectorize
from geoseg.window import Window

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

_YAML = (".yaml", ".yml")
_NEVER_RECORDED = {"allow", "overwrite", "workers"}
_ANY_LEGEND = ClassMap.of([(0, "any", "#000000")])
_KEY = "polygons"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolygonMap:
    """The polygons of a class raster. The files exist."""

    path: Path
    """Of the polygons."""

    stac_item: Path
    """Describes them for catalogues."""

    summary: VectorSummary
    """How many there are of each class."""


def vectorize_raster(
    rasters: ClassRasters, out: Path | None, settings: VectorizeSettings, *, progress: Progress | None = None
) -> PolygonMap:
    """Make polygons of any class raster.

    Args:
        rasters: the class raster, and confidence and probabilities where there are any. What they may point at is said
            by the settings.
        out: .gpkg, .parquet or .fgb; `x.gpkg` beside `x.classes.tif` or `x.tif` where None.
        settings: checked before.
        progress: is told what is being done, rows done and rows to do.

    Raises:
        ConfigError: if boundaries are to be smoothed without probabilities, the ending of `out` says no format, or the
            given legend cannot be read.
        ModelError: if the legend is to be that of a model that is not there.
        SceneError: if a raster cannot be read, is no class raster, does not fit the others, or points where it may not.
        OutputError: if an output exists already and may not be replaced, is in use, or cannot be written.
    """
    stem = rasters.class_raster.stem.removesuffix(".classes")
    path = rasters.class_raster.with_name(stem + SUFFIXES[0]) if out is None else out
    rasters = replace(rasters, reach=Reach.of(settings.allow))
    _refuse(rasters, path, settings)
    known = described(rasters.class_raster, stem)
    item = path.with_name(path.stem + SUFFIX)
    continues = known is not None and item == rasters.class_raster.with_name(stem + SUFFIX)
    overwrite = settings.overwrite or (continues and not os.path.lexists(path))
    with Staging(path.parent, (path.name, item.name), overwrite=overwrite) as staging:
        classes = _legend(rasters, settings, progress)
        record = _record(rasters, settings, known)
        summary = vectorize(
            rasters,
            staging.path(path.name),
            classes=classes,
            options=settings.vector_options(strict=settings.strict, workers=settings.workers),
            record=record,
            progress=None if progress is None else functools.partial(progress, "polygons"),
        )
        facts = _facts(rasters, classes, record, known, path)
        if known is not None and continues:
            known.save_with(staging.path(item.name), _KEY, staging.path(path.name), facts)
        else:
            write_stac_item(staging.path(item.name), facts, {_KEY: staging.path(path.name)})
        refuse_locked(path)
        staging.commit()
    return PolygonMap(path=path, stac_item=item, summary=summary)


def _refuse(rasters: ClassRasters, path: Path, settings: VectorizeSettings) -> None:
    """What needs no reading of pixels to be refused."""
    refuse_suffix(path)
    if settings.smooth and rasters.probabilities is None:
        raise ConfigError("smooth: needs the probability of each class: give --probabilities, or leave out --smooth")
    with open_dataset(str(rasters.class_raster), reach=rasters.reach) as dataset:
        bands = sum(kind != ColorInterp.alpha for kind in dataset.colorinterp)
    if bands != 1:
        raise SceneError(f"{rasters.class_raster}: has {bands} bands: a class raster has one")
    if path.resolve() in {each.resolve() for each in _files(rasters).values()}:
        raise OutputError(f"{path}: is an input: choose another output")
    refuse_locked(path)


def _legend(rasters: ClassRasters, settings: VectorizeSettings, progress: Progress | None) -> ClassMap:
    if settings.classes is not None:
        path = Path(settings.classes)
        is_file = path.suffix.lower() in _YAML
        return load_legend(path) if is_file else read_card(find_model(settings.classes)).classes
    present = np.zeros(NODATA_ID + 1, dtype=np.bool_)
    with ClassSource(ClassRasters(class_raster=rasters.class_raster, reach=rasters.reach), _ANY_LEGEND) as source:
        height = source.georef.height

        def tell(window: Window) -> None:
            if progress is not None:
                progress("classes", window.bottom, height)

        for block in source.class_blocks(tell, rows=BLOCK_ROWS):
            present[block.class_ids] = True
    if not present[:NODATA_ID].any():
        raise SceneError(f"{rasters.class_raster}: is nodata everywhere: there is nothing to make polygons of")
    return legend_of(find_legend(rasters.class_raster, rasters.reach), np.flatnonzero(present[:NODATA_ID]).tolist())


def _record(rasters: ClassRasters, settings: VectorizeSettings, known: Described | None) -> RunRecord:
    options = settings.model_dump(mode="json", exclude=_NEVER_RECORDED, exclude_defaults=True)
    inputs = {what: sha256_of(path) for what, path in _files(rasters).items()}
    acquired = None if known is None else known.acquired
    provenance = Provenance(
        scene=None if known is None else known.scene_name,
        acquired=None if acquired is None else acquired.date(),
        model=None if known is None or known.model is None else known.model.name,
        run_id=run_id_of(options, inputs),
    )
    return RunRecord(provenance=provenance, options=options, inputs=inputs)


def _files(rasters: ClassRasters) -> dict[str, Path]:
    """The input files by what they are."""
    named = {
        "class_raster": rasters.class_raster,
        "confidence": rasters.confidence,
        "probabilities": rasters.probabilities,
    }
    return {what: path for what, path in named.items() if path is not None}


def _facts(
    rasters: ClassRasters, classes: ClassMap, record: RunRecord, known: Described | None, path: Path
) -> ItemFacts:
    with ClassSource(ClassRasters(class_raster=rasters.class_raster, reach=rasters.reach), _ANY_LEGEND) as source:
        grid = source.georef
    return ItemFacts(
        id=path.stem,
        grid=grid,
        classes=classes,
        created=record.created,
        software={"geoseg": geoseg.__version__},
        lineage=f"Polygons of {rasters.class_raster.name} by geoseg vectorize.",
        acquired=None if known is None else known.acquired,
        class_raster=href_of(rasters.class_raster, path.parent),
    )
