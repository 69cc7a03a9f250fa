"""Regions with very long outlines, cut along the seams of blocks. Knows labels and tables, no pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.vector.borders import Borders
from geoseg.vector.components import join, number_roots
from geoseg.vector.regions import Regions


def cut_giants(regions: Regions, most_sides: int) -> Regions:
    """Cut every region with a long outline along the seams that it crosses.

    What hangs together of it in one block becomes a piece with an id and a line of the table of its own; the pieces
    share `RegionTable.region_ids`. All other regions keep what is known of them. Ids follow the first pixels again.
    Comes after the mapping unit: a piece may be smaller than it.

    Args:
        regions: as found or generalized; none is cut yet.
        most_sides: longest outline that is left whole, pixel sides.
    """
    giants = np.append(0, regions.table.sides) > most_sides
    if not giants.any():
        return regions
    ids = _first_labels(regions.ids, giants)
    if regions.contacts is not None:
        _join_contacts(regions.contacts.left, regions.contacts.right, regions.ids, ids)
    begins = np.flatnonzero(ids[1:] == np.arange(1, len(ids))) + 1
    old_ids = regions.ids[begins]
    number_roots(ids)
    pieces = regions.components.merged(
        ids[1:], regions.table.class_ids[old_ids - 1], _inside(regions, ids, len(begins))
    )
    _, first, of_region = np.unique(old_ids, return_index=True, return_inverse=True)
    return replace(regions, table=replace(pieces, region_ids=first[of_region] + 1), borders=None, ids=ids)


@compiled
def _first_labels(region_ids: NDArray[np.int32], giants: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The first label of each label's region; those of giants stay by themselves."""
    first = np.zeros(len(giants), dtype=np.int32)
    labels = np.zeros(len(region_ids), dtype=np.int32)
    for label in range(1, len(region_ids)):
        region = region_ids[label]
        if giants[region] or first[region] == 0:
            first[region] = label
        labels[label] = first[region]
    return labels


@compiled
def _join_contacts(
    left: NDArray[np.int32], right: NDArray[np.int32], region_ids: NDArray[np.int32], parents: NDArray[np.int32]
) -> None:
    """Join labels that touch in a block and are of one region now."""
    for at in range(len(left)):
        if region_ids[left[at]] == region_ids[right[at]]:
            join(parents, left[at], right[at])


def _inside(regions: Regions, ids: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Pixel sides between the components of each of `count` pieces."""
    above, below = ids[regions.last_rows[:-1].ravel()], ids[regions.first_rows[1:].ravel()]
    inside = np.bincount(above[above == below], minlength=count + 1)
    if regions.contacts is not None:
        _add_contacts(regions.contacts, ids, inside)
    return inside[1:]


def _add_contacts(contacts: Borders, ids: NDArray[np.int32], inside: NDArray[np.int64]) -> None:
    left = ids[contacts.left]
    same = left == ids[contacts.right]
    np.add.at(inside, left[same], contacts.sides[same])
