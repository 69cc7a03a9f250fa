"""From land to samples: sunlight and cast shadows, air, optics, sensor noise and the stretch to integers."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import ndtri

from geoseg.landscapes.materials import palette
from geoseg.landscapes.noise import Floats, Grid, hashed, key_of
from geoseg.landscapes.spec import LandscapeSpec, Radiometry
from geoseg.landscapes.surface import Surface

SHADOW_REACH = 20.0
"""The longest shadow, metres."""

_SKYLIGHT = (0.42, 0.47, 0.56, 0.40)  # what reaches the shade, per band
_SCATTER = (0.62, 0.78, 1.0, 0.30)  # share of the haze per band
_AIRLIGHT = (0.29, 0.30, 0.32, 0.27)  # reflectance of endless haze
_FULL_SCALE = (0.40, 0.38, 0.36, 0.66)  # reflectance shown as 255
_LEAST, _PER_REFLECTANCE = 1, 10_000


def halo_of(spec: LandscapeSpec) -> int:
    """How many pixels around a window its samples depend on."""
    return math.ceil(SHADOW_REACH / spec.gsd) + math.ceil(4 * spec.radiometry.blur) + 1


def expose(spec: LandscapeSpec, surface: Surface, grid: Grid) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Samples (4, height, width) of a surface, at least 1; right but for the outer `halo_of` pixels."""
    radiometry = spec.radiometry
    fresh, dry = palette(radiometry.autumn)
    dryness = np.clip(surface.dryness + np.float32(1 - radiometry.greenness), 0, 1)
    shade = _shade(surface, grid, radiometry)
    relief = _relief(surface, grid, radiometry)
    veil = 1 + np.float32(0.12) * grid.noise(key_of(spec.seed, "haze"), 900.0)
    noise = _noise(spec, grid)
    bands = []
    for band in range(4):
        colour = fresh[:, band][surface.material]
        colour = colour + dryness * (dry[:, band][surface.material] - colour)
        lit = colour * surface.tone * relief * (1 - shade * np.float32(1 - _SKYLIGHT[band]))
        haze = np.float32(radiometry.haze * _SCATTER[band]) * veil
        seen = lit + haze * (np.float32(_AIRLIGHT[band]) - lit)
        if radiometry.blur > 0:
            seen = gaussian_filter(seen, radiometry.blur, mode="nearest", truncate=3.0)
        seen = seen * np.float32(radiometry.gain[band]) + np.float32(radiometry.bias[band])
        bands.append(seen + np.float32(radiometry.noise) * noise[band])
    return _quantise(spec, np.stack(bands))


def _shade(surface: Surface, grid: Grid, radiometry: Radiometry) -> Floats:
    """Share of the sun that taller things take, 0 to 1; about a metre of penumbra."""
    rise = math.tan(math.radians(radiometry.sun_elevation)) * grid.gsd
    right = math.sin(math.radians(radiometry.sun_azimuth))
    down = -math.cos(math.radians(radiometry.sun_azimuth))
    steps = math.ceil(min(SHADOW_REACH, 17.0 / rise * grid.gsd) / grid.gsd)
    over = np.full(grid.shape, -1.0, dtype=np.float32)
    for step in range(1, steps + 1):
        towards = np.roll(surface.height, (-round(step * down), -round(step * right)), axis=(0, 1))
        np.maximum(over, towards - np.float32(step * rise), out=over)
    shade: Floats = np.clip(over - surface.height, 0, 1) * np.float32(0.95)
    return shade


def _relief(surface: Surface, grid: Grid, radiometry: Radiometry) -> Floats:
    """Brightness of slopes, 1 on level ground."""
    fall_down, fall_right = np.gradient(surface.elevation, grid.gsd)
    azimuth = math.radians(radiometry.sun_azimuth)
    towards = math.cos(azimuth) * fall_down - math.sin(azimuth) * fall_right
    return np.asarray(1 + 0.9 * np.clip(towards, -0.25, 0.25), dtype=np.float32)


@functools.cache
def _normal_table() -> Floats:
    """(65536,) normal deviates for 16 uniform bits."""
    table: Floats = ndtri((np.arange(65536) + 0.5) / 65536).astype(np.float32)
    return table


def _noise(spec: LandscapeSpec, grid: Grid) -> Floats:
    """(4, height, width) independent normal deviates, one for each pixel of the ground and band."""
    cols = np.floor(grid.xs / grid.gsd).astype(np.int64)
    rows = np.floor(grid.ys / grid.gsd).astype(np.int64)
    bits = hashed(key_of(spec.seed, "sensor"), cols[None, :], rows[:, None])
    parts = [(bits >> np.uint64(16 * band)).astype(np.uint16) for band in range(4)]
    return np.stack([_normal_table()[part] for part in parts])


def _quantise(spec: LandscapeSpec, reflectance: Floats) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if spec.dtype == "uint16":
        return np.asarray(np.clip(np.rint(reflectance * _PER_REFLECTANCE), _LEAST, 65535), dtype=np.uint16)
    scale = np.array(_FULL_SCALE, dtype=np.float32)[:, None, None]
    stretched = np.clip(reflectance / scale, 0, 1) ** np.float32(1 / spec.radiometry.gamma)
    samples: NDArray[np.uint8] = np.clip(np.rint(stretched * 255), _LEAST, 255).astype(np.uint8)
    return samples
