"""Points in the regions that are worth a look. Knows rows of the layer of regions, no files."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from geoseg.vector.columns import GEOMETRY, REVIEW

_DOUBT = "doubt"


class ReviewList:
    """Keeps the least certain of all regions that pass by.

    The doubt about a region is (1 - mean confidence) x log2(1 + pixels): of two equally sure ones the larger counts
    for more, but not so much that the largest regions of the map always lead or single pixels do. Where doubts are
    equal, the region with the smaller id comes first.
    """

    def __init__(self, count: int) -> None:
        """Say how many to keep; 0 keeps none."""
        self._count = count
        self._kept: pa.Table | None = None

    def look_at(self, batch: pa.RecordBatch) -> None:
        """Take note of rows of the layer of regions; those without a confidence are left out."""
        known = batch.filter(pc.is_valid(batch["confidence"]))
        if self._count == 0 or known.num_rows == 0:
            return
        doubts = _doubts(known)
        if known.num_rows > self._count:
            enough = np.partition(doubts, -self._count)[-self._count]
            chosen = np.flatnonzero(doubts >= enough)
            known, doubts = known.take(pa.array(chosen)), doubts[chosen]
        table = pa.Table.from_batches([known]).append_column(_DOUBT, pa.array(doubts))
        table = table if self._kept is None else pa.concat_tables([self._kept, table])
        order = pc.sort_indices(table, sort_keys=[(_DOUBT, "descending"), ("region_id", "ascending")])
        self._kept = table.take(order[: self._count])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Rows of the layer `review`, the least certain region first: none or one batch."""
        if self._kept is None:
            return
        table = self._kept.combine_chunks()
        inside = shapely.point_on_surface(shapely.from_wkb(table[GEOMETRY].to_numpy()))
        columns = {name: table[name].combine_chunks() for name in table.column_names}
        columns["rank"] = pa.array(range(1, len(table) + 1), pa.int32())
        columns[GEOMETRY] = pa.array(shapely.to_wkb(inside, flavor="iso"), pa.binary())
        yield pa.RecordBatch.from_arrays([_one(columns[field.name]) for field in REVIEW], schema=REVIEW)


def _doubts(batch: pa.RecordBatch) -> NDArray[np.float64]:
    confidence = batch["confidence"].to_numpy(zero_copy_only=False)
    pixels = batch["area_px"].to_numpy(zero_copy_only=False)
    return np.asarray((1 - confidence) * np.log2(1 + pixels))


def _one(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
