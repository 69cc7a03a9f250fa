"""Pixels of one class that touch, joined within an array. Knows classes of pixels, nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID
from geoseg.compiled import compiled


def label_components(class_ids: NDArray[np.uint8]) -> tuple[NDArray[np.int32], int]:
    """Label the 4-connected components of equal class.

    The pixels are joined in one sweep with a forest of labels, as Rosenfeld and Pfaltz do ("Sequential operations in
    digital picture processing", 1966). The root of a tree is its smallest label, so that numbers follow the pixels.

    Args:
        class_ids: (height, width); 255 where not valid.

    Returns:
        The labels (height, width): 1 to their count in the order of each component's first pixel, row by row, and 0
        where not valid. And their count.
    """
    labels = np.empty(class_ids.shape, dtype=np.int32)
    components, count = join_pixels(class_ids, labels)
    renumber(labels, components)
    return labels, count


def join_pixels(class_ids: NDArray[np.uint8], labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
    """Give pixels numbers, of which several may belong to one component.

    Args:
        class_ids: (height, width); 255 where not valid.
        labels: (height, width), C-contiguous; is filled with the numbers.

    Returns:
        The component of each number, 1 to their count in the order of first pixels; 0 stays 0. And their count.
    """
    parents = np.empty(class_ids.size + 1, dtype=np.int32)
    used = _sweep(np.ascontiguousarray(class_ids), labels, parents)
    count = number_roots(parents[:used])
    return parents[:used], count


@compiled
def renumber(labels: NDArray[np.int32], numbers: NDArray[np.int32]) -> None:
    """Replace each label by what `numbers` says of it, in place."""
    flat = labels.reshape(labels.size)
    for at in range(len(flat)):
        flat[at] = numbers[flat[at]]


@compiled
def join(parents: NDArray[np.int32], one: int, other: int) -> int:
    """Make one tree of those that two nodes stand in; gives its root, the smaller of their roots."""
    one, other = root_of(parents, one), root_of(parents, other)
    if one < other:
        parents[other] = one
        return one
    parents[one] = other
    return other


@compiled
def root_of(parents: NDArray[np.int32], node: int) -> int:
    """Root of a node's tree; the way to it becomes shorter."""
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@compiled
def number_roots(parents: NDArray[np.int32]) -> int:
    """Replace the parent of each node by the number of its tree; gives how many trees there are.

    Trees are numbered from 1 in the order of their roots, and no parent comes after its node. Node 0 gets 0.
    """
    count = 0
    for node in range(1, len(parents)):
        if parents[node] == node:
            count += 1
            parents[node] = count
        else:
            parents[node] = parents[parents[node]]
    return count


@compiled
def _sweep(class_ids: NDArray[np.uint8], labels: NDArray[np.int32], parents: NDArray[np.int32]) -> int:
    parents[0] = 0
    used = _sweep_first(class_ids[0], labels[0], parents)
    for row in range(1, len(class_ids)):
        used = _sweep_row(class_ids[row - 1 : row + 1], labels[row - 1 : row + 1], parents, used)
    return used


@compiled
def _sweep_first(class_ids: NDArray[np.uint8], labels: NDArray[np.int32], parents: NDArray[np.int32]) -> int:
    used = 1
    label = 0
    for col in range(len(class_ids)):
        if col == 0 or class_ids[col] != class_ids[col - 1]:
            label, used = _new_label(class_ids[col], parents, used)
        labels[col] = label
    return used


@compiled
def _sweep_row(class_ids: NDArray[np.uint8], labels: NDArray[np.int32], parents: NDArray[np.int32], used: int) -> int:
    """Go along the second of two rows; where the pixel before touches its like above, so does this one by it."""
    above, here = class_ids[0], class_ids[1]
    label = 0
    joined = False
    for col in range(len(here)):
        touches = here[col] == above[col]
        if col > 0 and here[col] == here[col - 1]:
            if touches and not joined:
                label = join(parents, label, labels[0, col])
        elif touches:
            label = labels[0, col]
        else:
            label, used = _new_label(here[col], parents, used)
        joined = touches
        labels[1, col] = label
    return used


@compiled
def _new_label(class_id: int, parents: NDArray[np.int32], used: int) -> tuple[int, int]:
    if class_id == NODATA_ID:
        return 0, used
    parents[used] = used
    return used, used + 1
