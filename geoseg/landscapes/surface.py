"""The land on a grid of pixels: what lies on top, its brightness, freshness and height.

Layers are painted from the ground up, and the last one painted is what is labelled. Knows no sensor; of the light
only from where it comes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.landscapes.buildings import farms_near, houses_of, roofs_over
from geoseg.landscapes.ground import Ground, ground_over
from geoseg.landscapes.materials import MATERIAL
from geoseg.landscapes.noise import Floats, Grid, hashed, unit
from geoseg.landscapes.roads import RoadDistances, road_distances
from geoseg.landscapes.spec import World
from geoseg.landscapes.terrain import terrain_at
from geoseg.landscapes.trees import crowns_over, site_bits, tree_sites
from geoseg.landscapes.villages import villages_near

_VERGE = 2.2  # metres of grass beside a country road
_YARD = 21.0  # metres from the middle of a farm to the side of its yard


@dataclass(frozen=True, slots=True)
class Surface:
    """What is seen from above, all (height, width)."""

    material: NDArray[np.uint8]
    """Number of the material on top."""

    tone: Floats
    """Brightness, about 1."""

    dryness: Floats
    """0 is as fresh as the material can be, 1 is dry."""

    height: Floats
    """Metres above ground."""

    elevation: Floats
    """Relief of the ground, metres."""

    def paint(
        self,
        where: NDArray[np.bool_],
        material: str | NDArray[np.uint8],
        tone: Floats | float = 1.0,
        height: Floats | float = 0.0,
    ) -> None:
        """Put something on top where `where` is True."""
        number = np.uint8(MATERIAL[material]) if isinstance(material, str) else material
        np.copyto(self.material, number, where=where)
        np.copyto(self.tone, np.asarray(tone, dtype=np.float32), where=where)
        np.copyto(self.height, np.asarray(height, dtype=np.float32), where=where)


def surface_over(world: World, grid: Grid, sun: tuple[float, float]) -> Surface:
    """Draw the land on a grid.

    Args:
        world: which land.
        grid: the pixels.
        sun: unit vector (x, y) towards the sun.
    """
    terrain = terrain_at(world, grid)
    ground = ground_over(world, grid, terrain)
    surface = Surface(
        material=ground.material,
        tone=ground.tone,
        dryness=ground.dryness,
        height=np.zeros(grid.shape, dtype=np.float32),
        elevation=np.float32(22) * terrain.elevation,
    )
    farms = farms_near(world, grid)
    tracks = np.array([farm.track for farm in farms], dtype=np.float64).reshape(-1, 4)
    roads = road_distances(world, grid, tracks)
    surface.paint(roads.country & (roads.kerb < _VERGE) & ~ground.water, "verge", ground.texture)
    for farm in farms:
        _paint_yard(surface, grid, (farm.x, farm.y, farm.angle), ground)
    _paint_trees(world, surface, grid, sun)
    _paint_roads(world, surface, grid, roads)
    buildings = [house for village in villages_near(world, grid) for house in houses_of(world, village)]
    buildings += [building for farm in farms for building in farm.buildings]
    roofs = roofs_over(buildings, grid, sun)
    grain = 1 + np.float32(0.04) * grid.noise(world.key("roof grain"), 2.0)
    surface.paint(roofs.here, roofs.material, roofs.tone * grain, roofs.height)
    return surface


def _paint_yard(surface: Surface, grid: Grid, pose: tuple[float, float, float], ground: Ground) -> None:
    x, y, angle = pose
    part = grid.around(x, x, y, y, 1.5 * _YARD)
    if part[0].start >= part[0].stop or part[1].start >= part[1].stop:
        return
    dx, dy = (grid.xs[part[1]] - x)[None, :], (grid.ys[part[0]] - y)[:, None]
    u, v = dx * math.cos(angle) + dy * math.sin(angle), dy * math.cos(angle) - dx * math.sin(angle)
    rounded = ((u**4 + v**4) ** 0.25).astype(np.float32)
    view = Surface(
        surface.material[part], surface.tone[part], surface.dryness[part],
        surface.height[part], surface.elevation[part],
    )  # fmt: skip
    view.paint(
        (rounded + np.float32(1.5) * ground.mottle[part] < _YARD) & ~ground.water[part], "gravel", ground.texture[part]
    )


def _paint_trees(world: World, surface: Surface, grid: Grid, sun: tuple[float, float]) -> None:
    """Woods, gallery woods along rivers, hedges, garden trees and lone trees."""
    sites = tree_sites(grid)
    bits = site_bits(world, sites)
    standing = unit(hashed(world.key("standing"), bits.astype(np.int64), bits.astype(np.int64)))
    crowns = crowns_over(grid, sites, bits, standing < tree_chance(world, sites), sun)
    conifers = grid.noise(world.key("conifers"), 260.0) + 2 * unit(crowns.bits, 0) - np.float32(1)
    kind = np.where(
        conifers > np.float32(0.55),
        np.uint8(MATERIAL["conifer"]),
        np.where(unit(crowns.bits, 1) < np.float32(0.36), MATERIAL["pale broadleaf"], MATERIAL["broadleaf"]),
    ).astype(np.uint8)
    tone = crowns.light * (np.float32(0.82) + np.float32(0.36) * unit(crowns.bits, 3))
    leaves = 1 + np.float32(0.07) * grid.noise(world.key("leaves"), 2.0)
    surface.paint(crowns.here, kind, tone * leaves, crowns.height)


def tree_chance(world: World, sites: Grid) -> Floats:
    """Probability that a tree stands at a place."""
    terrain = terrain_at(world, sites)
    ground = ground_over(world, sites, terrain)
    rank = ground.wood - 30 * np.maximum(0, np.float32(1.12) - ground.remoteness)
    gated = sites.noise(world.key("hedges"), 190.0) > np.float32(0.2)
    amount = min(world.mix.forest, 2.0)
    chance = np.full(rank.shape, 0.004 * amount, dtype=np.float32)
    np.copyto(chance, 0.5 * amount, where=gated & (ground.system_edge < np.float32(3.4)))
    np.copyto(chance, 0.3 * amount, where=(terrain.shore < np.float32(20)) & ~gated)
    np.copyto(chance, 0.09 * amount, where=ground.remoteness < 1)
    chance = np.maximum(chance, np.clip((rank + np.float32(0.05)) * 9, 0, np.float32(0.96)))
    open_ground = ground.bare_ground & (rank < 0)
    wet = (terrain.shore < np.float32(3)) | (terrain.basin < np.float32(0.04))
    return np.where(wet | open_ground, np.float32(0), chance)


def _paint_roads(world: World, surface: Surface, grid: Grid, roads: RoadDistances) -> None:
    on_road = roads.kerb < 0
    worn = grid.noise(world.key("asphalt"), 45.0)
    grain = grid.noise(world.key("road grain"), 2.5)
    tone = 1 + np.float32(0.05) * worn + np.float32(0.03) * grain
    tone = np.where(roads.kerb > np.float32(-0.7), tone * np.float32(1.12), tone)
    surface.paint(on_road, "asphalt", tone)
    surface.paint(on_road & ~roads.country & (worn > np.float32(0.3)), "pale asphalt", tone)
