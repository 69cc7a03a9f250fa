"""How other libraries' users read a scene and write its labels: the whole at once, in the profile of the scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray


def read_whole(scene: Path) -> NDArray[np.uint8]:
    """(3, height, width)."""
    with rasterio.open(scene) as dataset:
        return np.asarray(dataset.read())


def write_labels(labels: NDArray[np.uint8], scene: Path, out: Path) -> Path:
    """Write class ids (height, width) as a GeoTIFF with the storage and the place of the scene."""
    with rasterio.open(scene) as dataset:
        profile = dataset.profile
    profile.update(count=1, photometric="minisblack", nodata=255, dtype="uint8")
    with rasterio.open(out, "w", **profile) as target:
        target.write(labels, 1)
    return out


def ids_of(indices: torch.Tensor, ids: torch.Tensor) -> NDArray[np.uint8]:
    """Class indices (height, width) to class ids."""
    if torch.equal(ids.long(), torch.arange(len(ids))):
        return indices.to(torch.uint8).numpy()
    return ids[indices].numpy()
