"""Chips as pairs of GeoTIFFs: an image with a mask, and its labels as class ids. The same chip gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import ImageColor
from rasterio.errors import RasterioError

from geoseg.classes import NODATA_ID, ClassMap
from geoseg.data.chips import IGNORED, Chip
from geoseg.errors import OutputError
from geoseg.georef import GeoRef

IMAGE, LABELS = "_image.tif", "_labels.tif"
"""Endings of the two files of a chip."""

_BLOCK = 256
_LEAST_TILED = 512
_LARGEST_ID = 254


@dataclass(frozen=True, slots=True, eq=False)
class LabelIds:
    """What label codes are called in files: a class by its id; several classes by an id that no class has."""

    table: NDArray[np.uint8]
    """(256,) id of each code; 255 stays."""

    meaning: dict[int, tuple[str, ...]]
    """Class names that each id leaves open."""

    @classmethod
    def of(cls, classes: ClassMap, sets: Sequence[Sequence[int]]) -> LabelIds:
        """Ids for label sets, given as class indices.

        Raises:
            OutputError: if there are more than the ids that are left.
        """
        used = {entry.id for entry in classes.classes}
        free = iter([each for each in range(_LARGEST_ID, -1, -1) if each not in used])
        table = np.full(256, IGNORED, dtype=np.uint8)
        meaning = {}
        for code, members in enumerate(sets):
            number = classes.classes[members[0]].id if len(members) == 1 else next(free, None)
            if number is None:
                raise OutputError("labels: classes and sets of classes are more than ids 0 to 254: name fewer sets")
            table[code] = number
            meaning[number] = tuple(classes.names[index] for index in members)
        return cls(table, meaning)


def write_pair(stem: Path, chip: Chip, grid: GeoRef, names: Sequence[str], ids: LabelIds, classes: ClassMap) -> None:
    """Write `<stem>_image.tif` and `<stem>_labels.tif`; each appears whole or not at all.

    Args:
        stem: the path that both begin with; its folder exists.
        chip: image and label codes.
        grid: of both.
        names: of the bands.
        ids: of the label codes.
        classes: the legend, for colours.

    Raises:
        OutputError: if one cannot be written.
    """
    image = np.where(chip.valid, chip.image, np.zeros((), chip.image.dtype))
    for ending, pixels in ((IMAGE, image), (LABELS, ids.table[chip.labels][np.newaxis])):
        path = Path(f"{stem}{ending}")
        partial = path.with_name(f".geoseg-{path.name}.partial")
        try:
            with (
                rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
                rasterio.open(partial, "w", **_profile(pixels, grid, is_labels=ending == LABELS)) as dataset,
            ):
                dataset.write(pixels)
                if ending == LABELS:
                    dataset.write_colormap(1, _colours(classes))
                else:
                    dataset.descriptions = tuple(names)
                    if not chip.valid.all():
                        dataset.write_mask(chip.valid)
            partial.replace(path)
        except (OSError, RasterioError) as error:
            partial.unlink(missing_ok=True)
            raise OutputError(f"{path}: cannot be written: {error}") from error


def _profile(pixels: NDArray[np.generic], grid: GeoRef, *, is_labels: bool) -> dict[str, object]:
    tiled = min(grid.height, grid.width) >= _LEAST_TILED
    blocks = {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK} if tiled else {}
    plain = {"nodata": NODATA_ID} if is_labels else {"photometric": "MINISBLACK", "ALPHA": "UNSPECIFIED"}
    return {
        "driver": "GTiff",
        "count": len(pixels),
        "dtype": str(pixels.dtype),
        "height": grid.height,
        "width": grid.width,
        "crs": grid.crs,
        "transform": grid.transform,
        "compress": "deflate",
        **blocks,
        **plain,
    }


def _colours(classes: ClassMap) -> dict[int, tuple[int, ...]]:
    return {entry.id: (*ImageColor.getrgb(entry.colour), 255)[:4] for entry in classes.classes}
