"""A class raster against a reference, read in blocks of rows: memory does not grow with the rasters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID
from geoseg.data.confusion import ConfusionMatrix
from geoseg.errors import LabelError
from geoseg.evaluation.class_raster import ClassRaster, open_class_raster
from geoseg.evaluation.scores import Evaluation
from geoseg.window import Window

_BLOCK_PIXELS = 4 * 2**20
_STORAGE_ROWS = 512


def evaluate(
    predicted: str | Path,
    reference: str | Path,
    *,
    ignore: Sequence[int] = (),
    label_map: Mapping[int, str] | None = None,
) -> Evaluation:
    """Compare a class raster with a reference, pixel by pixel of the class raster.

    A reference on another grid or in another CRS is read by its nearest pixel. Pixels that are nodata in
    either raster (255, the file's nodata value, its mask) count in no score.

    Args:
        predicted: the class raster.
        reference: the labels.
        ignore: values of the reference that are no class.
        label_map: class name, as the class raster has it, of each value of the reference; other values are no
            class. None where the reference has the same class ids.

    Raises:
        LabelError: if a file is missing or no class raster, or if the two share no pixel with a class.
        SceneError: if a file cannot be read to its end.
    """
    with (
        open_class_raster(Path(predicted)) as map_raster,
        open_class_raster(Path(reference)) as labels_elsewhere,
        labels_elsewhere.on_grid_of(map_raster) as labels,
    ):
        confusion, unmapped = _compared(map_raster, labels, _ids_of_labels(map_raster, ignore, label_map))
        _require_pixels(map_raster, labels, confusion, unmapped)
        counts = confusion.counts
        ids = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
        names = map_raster.names if label_map else labels_elsewhere.names | map_raster.names
        return Evaluation(
            class_ids=tuple(ids.tolist()),
            class_names=tuple(names.get(id_, str(id_)) for id_ in ids.tolist()),
            confusion=ConfusionMatrix(counts[np.ix_(ids, ids)]),
            unmapped_share=unmapped / (confusion.pixels + unmapped),
        )


def _ids_of_labels(
    map_raster: ClassRaster, ignore: Sequence[int], label_map: Mapping[int, str] | None
) -> NDArray[np.uint8]:
    """Look-up table (256,) from a value of the reference to a class id of the map; 255 where it is no class."""
    table = np.arange(NODATA_ID + 1, dtype=np.uint8)
    if label_map is not None:
        ids = {name: class_id for class_id, name in map_raster.names.items()}
        unknown = sorted(set(label_map.values()) - set(ids))
        if unknown:
            raise LabelError(
                f"{map_raster.path}: has no class {unknown[0]!r}: its classes are {', '.join(ids) or 'not named'}"
            )
        table[:] = NODATA_ID
        table[list(label_map)] = [ids[name] for name in label_map.values()]
    table[list(ignore)] = NODATA_ID
    return table


def _compared(
    map_raster: ClassRaster, labels: ClassRaster, ids_of_labels: NDArray[np.uint8]
) -> tuple[ConfusionMatrix, int]:
    """The confusion of all ids from 0 to 254, and how many pixels only the labels have."""
    confusion, unmapped = ConfusionMatrix.empty(NODATA_ID), 0
    for window in _row_blocks(map_raster.shape):
        label_ids, mapped_ids = ids_of_labels[labels.read(window)], map_raster.read(window)
        confusion = confusion.add(label_ids, mapped_ids)
        unmapped += int(((label_ids != NODATA_ID) & (mapped_ids == NODATA_ID)).sum())
    return confusion, unmapped


def _row_blocks(shape: tuple[int, int]) -> Iterator[Window]:
    height, width = shape
    rows = max(_STORAGE_ROWS, _BLOCK_PIXELS // width // _STORAGE_ROWS * _STORAGE_ROWS)
    for top in range(0, height, rows):
        yield Window.between(top, min(top + rows, height), 0, width)


def _require_pixels(map_raster: ClassRaster, labels: ClassRaster, confusion: ConfusionMatrix, unmapped: int) -> None:
    if confusion.pixels:
        return
    if unmapped:
        raise LabelError(f"{map_raster.path}: is nodata at all {unmapped} pixels where {labels.path} has a class")
    raise LabelError(f"{labels.path}: has no class at any pixel of {map_raster.path}")
