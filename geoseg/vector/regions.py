"""Connected regions of equal class, found block by block.

The pixels of a block are joined to components, several blocks at once; the components of all blocks are then joined
where their seams meet. So what grows with the scene are the tables of components and regions, and two rows of labels
for each seam. Knows arrays, no files and no geometry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geoseg.ahead import in_order
from geoseg.compiled import compiled
from geoseg.errors import GridError
from geoseg.vector.borders import Borders
from geoseg.vector.components import join, join_pixels, number_roots, renumber
from geoseg.vector.parts import Areas, Part, RegionBlock, measure
from geoseg.vector.table import RegionTable

__all__ = ["Areas", "Borders", "RegionBlock", "RegionTable", "Regions", "find_regions", "relabelled"]

_MOST_LABELS = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Regions:
    """All regions of a raster.

    A component is what of a region lies in one block and hangs together there. Components have labels, block by block
    and in a block in the order of their first pixel.
    """

    table: RegionTable
    """What is known of each region."""

    borders: Borders | None
    """Who touches whom; None where nobody asked, and after regions were put together or cut."""

    ids: NDArray[np.int32]
    """Region id by label; no region is 0 in both."""

    components: RegionTable
    """What is known of each component; label `i + 1` stands at position `i`. Seams are part of its outline."""

    contacts: Borders | None
    """Who touches whom among the components of a block, by labels; None where nobody asked."""

    offsets: NDArray[np.int64]
    """(blocks + 1,): the labels of block `i` are those above `offsets[i]` up to `offsets[i + 1]`."""

    first_rows: NDArray[np.int32]
    """(blocks, width): labels of the first row of each block; 0 is none."""

    last_rows: NDArray[np.int32]
    """(blocks, width): labels of its last row."""

    def block_ids(self, block: int, class_ids: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Label a block once more. Threads may do this side by side.

        Args:
            block: which of the blocks from top to bottom.
            class_ids: its classes (height, width), as `find_regions` got them.

        Returns:
            The region ids (height + 2, width) of the block and of the rows above and below it; 0 is no region, and
            outside of the raster.
        """
        height, width = class_ids.shape
        ids = np.zeros((height + 2, width), dtype=np.int32)
        components, _ = join_pixels(class_ids, ids[1:-1])
        block_ids = np.append(np.int32(0), self.ids[self.offsets[block] + 1 : self.offsets[block + 1] + 1])
        renumber(ids[1:-1], block_ids[components])
        if block > 0:
            ids[0] = self.ids[self.last_rows[block - 1]]
        if block + 1 < len(self.first_rows):
            ids[-1] = self.ids[self.first_rows[block + 1]]
        return ids


def find_regions(blocks: Iterable[RegionBlock], *, areas: Areas | None, with_borders: bool, workers: int) -> Regions:
    """Find the 4-connected regions of equal class of a raster. The regions do not depend on its blocks.

    Args:
        blocks: the raster from top to bottom, at least one; drawn in the caller's thread.
        areas: is asked for a few rows of a block at a time; None where only pixels count.
        with_borders: True where `Regions.borders` and `Regions.contacts` are wanted.
        workers: threads.

    Raises:
        GridError: if a block has more pixels, or the raster more components, than fit into 32 bits.
    """

    def measured(block: RegionBlock) -> Part:
        if block.class_ids.size > _MOST_LABELS:
            raise GridError(
                f"{block.class_ids.size} px in a block of {block.window.height} rows, at most {_MOST_LABELS} can be: "
                "cut the scene into narrower ones"
            )
        return measure(block, areas=areas, with_borders=with_borders)

    parts: list[Part] = []
    found = 0
    for part in in_order(measured, blocks, workers=workers):
        found += len(part.table)
        if found > _MOST_LABELS:
            raise GridError(f"more than {_MOST_LABELS} regions: cut the scene or smooth its classes first")
        parts.append(part)
    return _joined(parts)


def relabelled(regions: Regions, new_ids: NDArray[np.int32], table: RegionTable) -> Regions:
    """The regions after some were put together.

    Args:
        regions: as they were.
        new_ids: the new id by old id, 0 for 0.
        table: the table of the new regions.
    """
    return replace(regions, table=table, borders=None, ids=new_ids[regions.ids])


def _joined(parts: list[Part]) -> Regions:
    """Put together what the seams join."""
    offsets = np.cumsum([0, *(len(part.table) for part in parts)], dtype=np.int64)
    first_rows = np.stack([_after(part.first_row, offset) for part, offset in zip(parts, offsets, strict=False)])
    last_rows = np.stack([_after(part.last_row, offset) for part, offset in zip(parts, offsets, strict=False)])
    components = RegionTable.together([part.table for part in parts])
    for row in (first_rows[0], last_rows[-1]):
        components.touches_edge[row[row > 0] - 1] = True
    ids = np.arange(len(components) + 1, dtype=np.int32)
    _join_seams(last_rows[:-1], first_rows[1:], components.class_ids, ids)
    class_ids = components.class_ids[ids[1:] == np.arange(1, len(ids))]
    number_roots(ids)
    above, below = ids[last_rows[:-1].ravel()], ids[first_rows[1:].ravel()]
    inside = np.bincount(above[above == below], minlength=len(class_ids) + 1)[1:]
    contacts = _contacts([part.borders for part in parts], offsets)
    return Regions(
        table=components.merged(ids[1:], class_ids, inside),
        borders=None if contacts is None else _borders(ids, contacts, above, below),
        ids=ids,
        components=components,
        contacts=contacts,
        offsets=offsets,
        first_rows=first_rows,
        last_rows=last_rows,
    )


def _after(labels: NDArray[np.int32], offset: int) -> NDArray[np.int32]:
    """Labels of a block as labels of the raster."""
    return np.where(labels > 0, labels + np.int32(offset), np.int32(0))


@compiled
def _join_seams(
    above: NDArray[np.int32], below: NDArray[np.int32], class_ids: NDArray[np.uint8], parents: NDArray[np.int32]
) -> None:
    """Join labels of one class on the two sides of seams."""
    for seam in range(len(above)):
        for col in range(above.shape[1]):
            one, other = above[seam, col], below[seam, col]
            if one > 0 and other > 0 and class_ids[one - 1] == class_ids[other - 1]:
                join(parents, one, other)


def _contacts(parts: list[Borders | None], offsets: NDArray[np.int64]) -> Borders | None:
    """The borders of all blocks by labels of the raster."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return Borders(
        left=np.concatenate([part.left + np.int32(offset) for part, offset in zip(known, offsets, strict=False)]),
        right=np.concatenate([part.right + np.int32(offset) for part, offset in zip(known, offsets, strict=False)]),
        sides=np.concatenate([part.sides for part in known]),
    )


def _borders(ids: NDArray[np.int32], contacts: Borders, above: NDArray[np.int32], below: NDArray[np.int32]) -> Borders:
    """Sum up the borders within blocks and those along seams."""
    return Borders.of_pairs(
        np.concatenate([ids[contacts.left], above]),
        np.concatenate([ids[contacts.right], below]),
        np.concatenate([contacts.sides, np.ones(len(above), dtype=np.int64)]),
    )
