"""How visible the joints of tiles are in a map: changes of class across them against changes anywhere else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.job import Job
from geoseg.tiling.grid import TileGrid

_CROPPED = 8  # what terratorch cuts from each side of a tile


@dataclass(frozen=True, slots=True, kw_only=True)
class Joints:
    """Where tiles begin or end inside a scene: a joint at n lies between pixels n - 1 and n."""

    rows: tuple[int, ...]
    """Between rows."""

    cols: tuple[int, ...]
    """Between columns."""


def joints_of(job: Job, side: int) -> Joints:
    """The joints of a library's tiles in a square scene; geoseg's are those of its lattice (`joints_of_grid`)."""
    starts = _regular(job, side)
    if job.arm.by == "torchgeo":  # rows are counted from below, and only the middles of tiles are kept
        cuts = [start + job.overlap // 2 for start in starts[1:]]
        return Joints(rows=tuple(sorted(side - cut for cut in cuts)), cols=tuple(cuts))
    length = job.tile
    if job.arm.by == "toolbelt":
        before = (starts[-1] + length - side) // 2
        starts = [start - before for start in starts]
    elif job.arm.by == "terratorch":
        length -= 2 * _CROPPED
        last = max(side - length, 0)
        starts = [min(start, last) for start in range(0, last + job.stride, job.stride)]
    elif job.arm.by != "rastervision":
        starts = [min(start, side - length) for start in starts]
    return _square([(start, start + length) for start in starts], side)


def joints_of_grid(grid: TileGrid) -> Joints:
    """The joints of geoseg's tiles: where they begin or end to count."""
    spans = [(window.col + grid.margin, window.right - grid.margin) for window in grid.windows() if window.row == 0]
    return _square(spans, grid.width)


def _regular(job: Job, side: int) -> list[int]:
    """Multiples of the stride up to the first from which a tile reaches the end."""
    return [*range(0, max(side - job.tile, 0), job.stride), -(-max(side - job.tile, 0) // job.stride) * job.stride]


def _square(spans: list[tuple[int, int]], side: int) -> Joints:
    ends = tuple(sorted({end for span in spans for end in span if 0 < end < side}))
    return Joints(rows=ends, cols=ends)


def seam_ratio(labels: NDArray[np.uint8], joints: Joints, *, rim: int = 0) -> float:
    """Share of neighbouring pixels of two classes across joints, divided by the share everywhere else.

    Args:
        labels: (height, width), class ids.
        joints: where tiles begin or end.
        rim: outermost pixels that are not looked at.

    Returns:
        1 where joints cannot be told from other lines; NaN where nothing changes elsewhere or there are no joints.
    """
    height, width = labels.shape
    inner = labels[rim : height - rim, rim : width - rim].astype(np.int16)
    across, elsewhere = np.zeros(2), np.zeros(2)
    for axis, places in ((0, joints.rows), (1, joints.cols)):
        changes = np.count_nonzero(np.diff(inner, axis=axis), axis=1 - axis)
        at_joint = np.zeros(len(changes), dtype=bool)
        at_joint[[place - 1 - rim for place in places if 0 <= place - 1 - rim < len(changes)]] = True
        length = inner.shape[1 - axis]
        across += changes[at_joint].sum(), at_joint.sum() * length
        elsewhere += changes[~at_joint].sum(), (~at_joint).sum() * length
    if not across[1] or not elsewhere[0]:
        return float("nan")
    return float((across[0] / across[1]) / (elsewhere[0] / elsewhere[1]))


def share_different(labels: NDArray[np.uint8], reference: NDArray[np.uint8], *, rim: int) -> float:
    """Share of pixels with another class than the reference, 0 to 1, without a rim of the scene."""
    height, width = labels.shape
    inside = slice(rim, height - rim), slice(rim, width - rim)
    return float(np.mean(labels[inside] != reference[inside]))
