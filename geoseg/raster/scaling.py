"""What the numbers of a scene mean: the scale and offset that it declares, and the numbers that are read by them.

A normaliser knows numbers by their dtype: whole numbers in steps of some reflectance, floats as reflectance. So numbers
are read in one of three ways: as stored, shifted by whole steps, or as float32 reflectance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import SceneError

CUSTOMARY: Mapping[str, float] = {"uint8": 1 / 255, "uint16": 1e-4, "int16": 1e-4, "float32": 1.0}
"""Reflectance of one step, by dtype, where no model says otherwise."""

_ALIKE = 1e-5
_WIDEST_OFFSET = 1.0
_REFLECTANCE = (0.3, 20.0)  # what the largest number of a dtype may mean
_SHIFTED = "int16"


@dataclass(frozen=True, slots=True)
class Declared:
    """Scale and offset of each band as file or item declare them: reflectance is number x scale + offset."""

    scales: tuple[float, ...]
    """Per band, not 0."""

    offsets: tuple[float, ...]
    """Per band."""

    @property
    def is_plain(self) -> bool:
        """True where nothing is declared: scale 1 and offset 0 in every band."""
        return set(self.scales) == {1.0} and set(self.offsets) == {0.0}


@dataclass(frozen=True, slots=True)
class Conversion:
    """How stored numbers become those that are read: number x scale + offset, per band."""

    scales: tuple[float, ...]
    """Per band; all 1 where numbers are only shifted."""

    offsets: tuple[float, ...]
    """Per band."""

    dtype: str
    """Of the result: int16 where whole numbers are only shifted (and kept within it), else float32."""

    def __call__(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        """Converted numbers, shape (bands, height, width)."""
        made = np.empty(image.shape, dtype=self.dtype)
        for place, (scale, offset) in enumerate(zip(self.scales, self.offsets, strict=True)):
            made[place] = self._band(image[place], scale, offset)
        return made

    def _band(self, numbers: NDArray[np.generic], scale: float, offset: float) -> NDArray[np.generic]:
        if self.dtype == _SHIFTED:
            limits = np.iinfo(np.int16)
            return np.clip(numbers.astype(np.int32) + round(offset), limits.min, limits.max)
        steps = offset / scale
        if abs(steps - round(steps)) < _ALIKE * max(1.0, abs(steps)):  # as if the file had been shifted before
            return (numbers.astype(np.float32) + np.float32(round(steps))) * np.float32(scale)
        return numbers.astype(np.float32) * np.float32(scale) + np.float32(offset)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What was made of declared numbers."""

    conversion: Conversion | None = None
    """None where numbers are read as stored."""

    remark: str | None = None
    """What had to be assumed."""


def meaning_of(declared: Declared, dtype: str, scales: Mapping[str, float] = CUSTOMARY) -> Meaning:
    """How to read the numbers of a scene.

    Args:
        declared: by the scene.
        dtype: as stored.
        scales: reflectance of one step of each dtype that can be read, as a normaliser has them.

    Raises:
        SceneError: if some bands declare a scale and others do not.
    """
    if declared.is_plain:
        return Meaning()
    bare = [scale == 1 and offset == 0 for scale, offset in zip(declared.scales, declared.offsets, strict=True)]
    if any(bare):
        raise SceneError(
            f"{sum(bare)} of {len(bare)} bands declare no scale and the others do: what their numbers mean cannot be "
            "known; write the same scale and offset to all (gdal_edit.py -scale -offset)"
        )
    if not _gives_reflectance(declared, dtype):
        return Meaning(remark=f"{_told(declared)}, which gives no reflectance: numbers are taken as they are stored")
    step = declared.scales[0]
    if all(_alike(scale, step) for scale in declared.scales):
        if set(declared.offsets) == {0.0} and _alike(step, scales.get(dtype)):
            return Meaning()
        shifts = [offset / step for offset in declared.offsets]
        whole = all(abs(shift - round(shift)) < _ALIKE * max(1.0, abs(shift)) for shift in shifts)
        if whole and dtype != "float32" and _alike(step, scales.get(_SHIFTED)):
            ones = (1.0,) * len(shifts)
            return Meaning(Conversion(ones, tuple(float(round(shift)) for shift in shifts), _SHIFTED))
    if "float32" not in scales:
        return Meaning(
            remark=f"{_told(declared)}; the model knows no reflectance: numbers are taken as they are stored"
        )
    return Meaning(Conversion(declared.scales, declared.offsets, "float32"))


def _gives_reflectance(declared: Declared, dtype: str) -> bool:
    if any(abs(offset) > _WIDEST_OFFSET for offset in declared.offsets):
        return False
    if dtype == "float32":
        return True
    largest = np.iinfo(dtype).max
    low, high = _REFLECTANCE
    return all(low <= scale * largest <= high for scale in declared.scales)


def _alike(value: float, other: float | None) -> bool:
    return other is not None and abs(value - other) <= _ALIKE * abs(other)


def _told(declared: Declared) -> str:
    scales, offsets = (
        ", ".join(f"{value:g}" for value in sorted(set(part))) for part in (declared.scales, declared.offsets)
    )
    return f"declares scale {scales} and offset {offsets}"
