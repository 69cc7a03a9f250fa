"""The files of a comparison: JSON, CSV, PNG, a web page and a GeoPackage, all of them or none."""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import geopandas
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from geoseg.errors import OutputError
from geoseg.evaluation.figures import confusion_png, reliability_png
from geoseg.evaluation.pool import POOLED, Comparison
from geoseg.evaluation.report import report_html
from geoseg.evaluation.scores import Evaluation, ZoneScores, reliability_bins
from geoseg.raster.staging import Staging

BLOCKS = "blocks.gpkg"
"""The blocks with their scores, to look at in a GIS."""


def write_comparison(comparison: Comparison, folder: Path, *, overwrite: bool) -> tuple[Path, ...]:
    """Write all files of a comparison.

    Args:
        comparison: what was compared.
        folder: where the files end up; made if it is missing.
        overwrite: whether files there may be replaced.

    Returns:
        The files.

    Raises:
        OutputError: if a file is there already and may not be replaced, or cannot be written.
    """
    texts, pictures = _texts(comparison), _pictures(comparison.pooled)
    blocks = [each for each in comparison.pooled.zones if each.zone.outline is not None]
    names = [*texts, *pictures, *([BLOCKS] if blocks else [])]
    with Staging(folder, names, overwrite=overwrite) as staging:
        for name, text in texts.items():
            staging.path(name).write_text(text, encoding="utf-8")
        for name, picture in pictures.items():
            staging.path(name).write_bytes(picture)
        if blocks:
            _write_blocks(staging.path(BLOCKS), blocks)
        staging.commit()
    return tuple(folder / name for name in names)


def _texts(comparison: Comparison) -> dict[str, str]:
    pooled = comparison.pooled
    texts = {
        "scores.json": json.dumps(comparison.as_json(), indent=2, allow_nan=False) + "\n",
        "scores.csv": _csv(_class_rows(comparison)),
        "scenes.csv": _csv(_scene_rows(comparison)),
        "confusion_matrix.csv": _csv(_confusion_rows(pooled)),
        "report.html": report_html(comparison),
    }
    if pooled.reliability is not None:
        texts["reliability.csv"] = _csv(reliability_bins(pooled.reliability))
    if pooled.zones:
        texts["zones.csv"] = _csv([zone.as_json() for zone in pooled.zones])
    return texts


def _pictures(pooled: Evaluation) -> dict[str, bytes]:
    pictures = {"confusion_matrix.png": confusion_png(pooled)}
    if pooled.reliability is not None:
        pictures["reliability.png"] = reliability_png(pooled.reliability)
    return pictures


def _named(comparison: Comparison) -> list[tuple[str, Evaluation]]:
    return [*zip(comparison.names, comparison.scenes, strict=True), (POOLED, comparison.pooled)]


def _class_rows(comparison: Comparison) -> list[dict[str, object]]:
    return [{"scene": name} | row for name, scene in _named(comparison) for row in scene.by_class()]


def _scene_rows(comparison: Comparison) -> list[dict[str, object]]:
    return [
        {"scene": name, "pixels": scene.pixels, "unmapped_share": scene.unmapped_share} | scene.overall()
        for name, scene in _named(comparison)
    ]


def _confusion_rows(evaluation: Evaluation) -> list[dict[str, object]]:
    names = evaluation.class_names
    return [
        {"reference": name} | dict(zip(names, counts, strict=True))
        for name, counts in zip(names, evaluation.confusion.counts.tolist(), strict=True)
    ]


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows with the columns of the first; None is empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _write_blocks(path: Path, blocks: Sequence[ZoneScores]) -> None:
    """One layer for each CRS: `blocks`, `blocks_2`, ..."""
    by_crs: dict[str | None, list[ZoneScores]] = {}
    for each in blocks:
        by_crs.setdefault(each.zone.crs, []).append(each)
    for number, (crs, members) in enumerate(by_crs.items(), start=1):
        table = geopandas.GeoDataFrame(
            [each.as_json() for each in members], geometry=[each.zone.outline for each in members], crs=crs
        )
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="'crs' was not provided", category=UserWarning)
                table.to_file(path, layer="blocks" if number == 1 else f"blocks_{number}", driver="GPKG")
        except (DataSourceError, DataLayerError, FeatureError) as error:
            raise OutputError(f"{path.name}: cannot be written: {' '.join(str(error).split())}") from error
