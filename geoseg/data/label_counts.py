"""How many pixels of each label code there are in a window of a scene."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoseg.data.labelled_scene import LabelledScene
from geoseg.window import Window

_BLOCK = 512


def count_labels(scene: LabelledScene, window: Window, *, codes: int) -> NDArray[np.int64]:
    """Count the labels of a window, a part of it at a time.

    Args:
        scene: with its labels.
        window: in scene pixels.
        codes: how many label codes there are.

    Returns:
        (codes,) pixels.
    """
    counts = np.zeros(codes, dtype=np.int64)
    for top in range(window.row // _BLOCK * _BLOCK, window.bottom, _BLOCK):
        for left in range(window.col // _BLOCK * _BLOCK, window.right, _BLOCK):
            part = window.intersect(Window(row=top, col=left, height=_BLOCK, width=_BLOCK))
            if part is not None:
                labels = scene.read(part).labels
                counts += np.bincount(labels[labels < codes], minlength=codes)
    return counts
