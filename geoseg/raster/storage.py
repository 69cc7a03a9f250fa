"""How the files of a scene are stored. Reads no pixels."""

from __future__ import annotations

from geoseg.raster.opening import open_dataset
from geoseg.raster.scene import SceneSource


def storage_cols(source: SceneSource) -> int:
    """Columns of a storage block of a scene, px; the scene's width where rows are stored whole.

    Of several files it is the first that counts.

    Raises:
        SceneError: if the file cannot be opened.
    """
    with open_dataset(source.files[0]) as dataset:
        return min(int(dataset.block_shapes[0][1]), int(dataset.width))
