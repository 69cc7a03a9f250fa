"""What lies on the ground: parcels, meadows, gardens, pits, forest floor and water. No trees, roads or houses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.landscapes.materials import CROPS, MATERIAL
from geoseg.landscapes.noise import Floats, Grid, hashed, unit
from geoseg.landscapes.parcels import Parcels, parcels_over
from geoseg.landscapes.spec import Mix, World
from geoseg.landscapes.terrain import Terrain, forest_rank
from geoseg.landscapes.villages import LOT, STREET_SPACING, ragged_at, villages_near

_SHARES = {"crop": 0.70, "grass": 0.21, "bare": 0.09}  # of parcels, at mix 1


@dataclass(frozen=True, slots=True)
class Ground:
    """The ground on a grid, all (height, width)."""

    material: NDArray[np.uint8]
    tone: Floats
    dryness: Floats
    remoteness: Floats
    """From the nearest village: 0 in its centre, 1 where it ends."""

    water: NDArray[np.bool_]
    """True = river or lake."""

    bare_ground: NDArray[np.bool_]
    """True = soil, sand or gravel."""

    texture: Floats
    """Brightness of grass and soil, about 1."""

    mottle: Floats
    """Noise of some metres, variance about 1."""

    wood: Floats
    """Inclination to woodland, above 0 in a wood."""

    system_edge: Floats
    """Metres to the border of the system of parcels."""


def ground_over(world: World, grid: Grid, terrain: Terrain) -> Ground:
    """The ground on the pixels of a grid with that terrain."""
    fine, mottle, broad = (grid.noise(world.key(f"ground {period}"), period) for period in (2.2, 6.5, 48.0))
    texture = 1 + np.float32(0.05) * fine + np.float32(0.07) * mottle + np.float32(0.06) * broad
    parcels = parcels_over(world, grid)
    material, tone = _cover_of_parcels(world.mix, parcels, texture, mottle)
    wood = forest_rank(world, grid, terrain)

    flood_plain = terrain.shore < np.float32(26) + 12 * broad
    np.copyto(material, MATERIAL["pasture"], where=flood_plain)
    np.copyto(tone, texture, where=flood_plain)
    lot_bits, remoteness = _lots_at(world, grid)
    in_village = remoteness < 1
    garden_tone = texture * (np.float32(0.86) + np.float32(0.28) * unit(lot_bits, 0))
    yard = in_village & (unit(lot_bits, 1) < np.float32(0.07))
    np.copyto(material, MATERIAL["garden"], where=in_village)
    np.copyto(material, MATERIAL["gravel"], where=yard)
    np.copyto(tone, garden_tone, where=in_village)

    pit = grid.noise(world.key("pits"), 210.0) + np.float32(0.1) * broad + np.float32(0.03) * mottle
    pits = (pit > np.float32(2.3 - 0.2 * world.mix.bare)) & (remoteness > np.float32(1.2))
    np.copyto(material, MATERIAL["sand"], where=pits)
    np.copyto(tone, (texture * (np.float32(0.95) + np.float32(0.1) * broad)), where=pits)
    wooded = (wood > np.float32(0.07)) & (remoteness > np.float32(1.15)) & ~pits
    np.copyto(material, MATERIAL["understorey"], where=wooded)
    np.copyto(tone, texture, where=wooded)

    gravel_bank = np.float32(1.2) + np.float32(3.4) * grid.noise(world.key("banks"), 75.0) * world.mix.bare**0.5
    banks = (terrain.shore < gravel_bank) | (terrain.basin < np.float32(0.035))
    np.copyto(material, MATERIAL["sand"], where=banks)
    np.copyto(tone, texture, where=banks)
    river, lake = terrain.shore < 0, terrain.basin < 0
    np.copyto(material, MATERIAL["lake"], where=lake)
    np.copyto(material, MATERIAL["river"], where=river)
    np.copyto(tone, 1 + np.float32(0.05) * broad + np.float32(0.025) * fine, where=river | lake)
    is_bare = np.isin(material, [MATERIAL[name] for name in ("sand", "gravel", "dark soil", "pale soil")])
    dryness = np.clip(np.float32(0.16) + np.float32(0.13) * broad + np.float32(0.06) * mottle, 0, 1)
    return Ground(
        material, tone, dryness, remoteness, river | lake, is_bare, texture, mottle, wood, parcels.system_edge
    )


def _cover_of_parcels(mix: Mix, parcels: Parcels, texture: Floats, mottle: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """Material and brightness: one cover and tone per parcel, rows in crops, grass between parcels."""
    weights = np.array([_SHARES["crop"] * mix.crop, _SHARES["grass"] * mix.grass, _SHARES["bare"] * mix.bare])
    crop_most, grass_most = (np.cumsum(weights) / weights.sum())[:2]
    use, which = unit(parcels.bits, 0), unit(parcels.bits, 1)
    own = np.float32(0.88) + np.float32(0.24) * unit(parcels.bits, 2)
    is_crop, is_bare = use < crop_most, use >= grass_most
    material = CROPS[(which * len(CROPS)).astype(np.intp)]
    np.copyto(material, MATERIAL["meadow"], where=~is_crop & (which < np.float32(0.6)))
    np.copyto(material, MATERIAL["pasture"], where=~is_crop & (which >= np.float32(0.6)))
    np.copyto(material, MATERIAL["dark soil"], where=is_bare)
    np.copyto(material, MATERIAL["pale soil"], where=is_bare & (which < np.float32(0.45)))

    spacing = np.float32(4.2) + np.float32(2.4) * unit(parcels.bits, 3)
    rows = np.sin(parcels.across * (np.float32(2 * math.pi) / spacing))
    tramline = np.abs(parcels.across % np.float32(21) - np.float32(10.5)) < np.float32(0.8)
    sown = 1 + np.float32(0.085) * rows + np.float32(0.03) * mottle - np.float32(0.13) * tramline
    tone = own * np.where(is_crop, sown, texture)
    margin = parcels.edge < np.where(parcels.system_edge < np.float32(2.6), np.float32(2.6), np.float32(1.1))
    np.copyto(material, MATERIAL["verge"], where=margin)
    np.copyto(tone, texture, where=margin)
    return material, tone.astype(np.float32)


def _lots_at(world: World, grid: Grid) -> tuple[NDArray[np.uint64], Floats]:
    """Random bits of the garden at each pixel, and the remoteness from the nearest village."""
    remoteness = np.full(grid.shape, 9, dtype=np.float32)
    row, lot = np.zeros(grid.shape, dtype=np.int64), np.zeros(grid.shape, dtype=np.int64)
    ragged = ragged_at(world, grid)
    for village in villages_near(world, grid):
        across, along = village.local(grid)
        remote = village.remoteness(across, along, ragged)
        nearer = remote < remoteness
        np.copyto(remoteness, remote, where=nearer)
        np.copyto(row, np.floor(across / np.float32(STREET_SPACING / 2)).astype(np.int64), where=nearer)
        np.copyto(lot, np.floor(along / np.float32(LOT)).astype(np.int64) * 4096 + village.number, where=nearer)
    return hashed(world.key("garden"), row, lot), remoteness
