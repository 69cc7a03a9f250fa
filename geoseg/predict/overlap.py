"""Chooses how tiles overlap: as little as the edge effects of a network allow. Reads no pixels."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from geoseg.config.predict import TILE_MULTIPLE, MapFields
from geoseg.errors import ModelError
from geoseg.models.card import ModelCard
from geoseg.models.context import Context
from geoseg.models.zoo import load_model
from geoseg.predict.speeds import SMALL
from geoseg.tiling.grid import TileGrid

log = logging.getLogger(__name__)

TOLERANCE = 0.005
"""Share of the labels that may differ from one pass over the scene, where nobody says another."""

MOST_COMPUTED = 1.3
"""Pixels computed for each of the scene, at most, where nobody says which overlap or tolerance."""

_TIMES = (1.0, 1.5)
"""Sides of the tiles tried, in those of the model's, where its network sees no farther than its radius.

At twice the side torch is a third slower on a CPU, for its numbers no longer fit the caches."""

_LITTLE_MORE = 64
"""Tiles may be larger by this, px, where each pixel of the network sees the whole tile."""

_WORTH_CUTTING = 6 * 2**20
"""Pixels that must be saved before tiles at the far edges are cut: each other shape has to be compiled."""

_COMPILES_NOTHING = ("auto", "torch")
"""Engines that map a small scene without: `auto` is torch there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """Tiles of a scene, and how far their map is from that of one pass over all of it."""

    tile: int
    """Side of a tile, px."""

    overlap: int
    """Pixels shared by neighbouring tiles."""

    margin: int = 0
    """Outermost pixels of a tile that count nothing where it has a neighbour."""

    edge_step: int = 0
    """Tiles at the far edges may be cut to a multiple of it, px; 0 = never."""

    difference: float | None = None
    """Share of the labels that may differ from one pass over the scene, as measured on noise; None = not measured."""

    is_exact: bool = False
    """True where it is proved that, up to rounding, none differs."""

    trim: int = 0
    """Tiles may be computed only where they hold measurements, in parts of a multiple of it, px; 0 = whole."""

    cuts_all: bool = False
    """True where tiles at the far edges are cut however little that saves."""

    @property
    def computed(self) -> float:
        """Pixels computed for each of a scene that is large."""
        return (self.tile / (self.tile - self.overlap)) ** 2

    @property
    def promise(self) -> str:
        """What may be said of its map, in plain words."""
        if self.is_exact:
            return "exact: the labels of one pass over the whole scene, up to rounding"
        if self.difference is None:
            return "not measured: the model package says nothing of its context"
        return (
            f"about {self.difference:.1%} of the labels may differ from one pass over the whole scene, near the edges "
            "of tiles (measured on noise)"
        )

    def grid(self, *, height: int, width: int) -> TileGrid:
        """The lattice of such tiles over a scene of so many rows and columns."""
        grid = TileGrid(height=height, width=width, tile=self.tile, overlap=self.overlap, margin=self.margin)
        cut = replace(grid, edge_step=self.edge_step)
        least = 1 if self.cuts_all else _WORTH_CUTTING
        return cut if grid.computed_pixels() - cut.computed_pixels() >= least else grid


def choose_tiling(card: ModelCard, settings: MapFields, model: Path) -> Tiling:
    """Tile, overlap and margin of a prediction.

    Args:
        card: of the model.
        settings: `tile`, `overlap` and `seam_tolerance` count.
        model: its package, which is measured where its card says nothing of the context and that is needed.

    Raises:
        ModelError: if no overlap is exact or within the tolerance, or the network cannot be measured.
    """
    tile = settings.tile or card.tile
    if isinstance(settings.overlap, int):
        return _measured(card.context, tile, settings.overlap)
    if card.context is None and settings.overlap is None and settings.seam_tolerance is None:
        return Tiling(tile=tile, overlap=card.overlap if settings.tile is None else min(card.overlap, _largest(tile)))
    context = card.context or _context_of(model, card)
    if settings.overlap == "exact":
        return _exact(card, context, tile)
    if settings.seam_tolerance is not None:
        return _within(card, context, tile, settings.seam_tolerance)
    return _cheapest(context, [tile] if settings.tile else _sides(card, context))


def tiling_of(card: ModelCard, settings: MapFields, model: Path, *, height: int, width: int) -> Tiling:
    """As `choose_tiling`; where nobody asks for a tile or an overlap, less is computed where nothing is lost by it.

    A scene of one tile gets one that is no larger than it needs, and the tiles of a small one are cut where the scene
    ends. In any scene, tiles are computed where they hold measurements. Networks of which each pixel sees the whole
    tile keep theirs.

    Args:
        card: of the model.
        settings: `tile`, `overlap`, `seam_tolerance` and `engine` count.
        model: its package.
        height: of the scene on the pixels that the model sees, px.
        width: of that.

    Raises:
        ModelError: as `choose_tiling` does.
    """
    tiling, context = choose_tiling(card, settings, model), card.context
    is_asked_for = settings.tile is not None or settings.overlap not in {None, "auto"} or settings.seam_tolerance
    if is_asked_for or context is None or context.radius is None:
        return tiling
    tiling = replace(tiling, trim=context.edge_step)
    usual = tiling.grid(height=height, width=width)
    if usual.computed_pixels() >= SMALL:
        return tiling
    return _smallest(tiling, context, usual, cuts_all=settings.engine in _COMPILES_NOTHING)


def _smallest(tiling: Tiling, context: Context, usual: TileGrid, *, cuts_all: bool) -> Tiling:
    """The smallest tile of which a scene needs one; where it needs more the same, for a smaller one sees less."""
    step = context.edge_step
    cut = replace(tiling, edge_step=step, trim=step, cuts_all=cuts_all)
    if _count(usual) != (1, 1):
        return cut
    least = _rounded_up(max(usual.height, usual.width, 2 * tiling.overlap), step)
    return replace(cut, tile=min(least, tiling.tile), difference=0.0, is_exact=True)


def _count(grid: TileGrid) -> tuple[int, int]:
    """Tiles on top of each other and beside each other."""
    return len(grid.row_origins(grid.scene)), len(grid.col_origins(grid.scene))


def _sides(card: ModelCard, context: Context) -> list[int]:
    """Sides of tiles worth a look, px."""
    tried = [card.tile, card.tile + _LITTLE_MORE]
    if context.radius is not None:
        tried = [int(card.tile * times) for times in _TIMES]
    step = math.lcm(context.divisor, TILE_MULTIPLE)
    return [side for side in tried if side == card.tile or side % step == 0]


def _context_of(model: Path, card: ModelCard) -> Context:
    """Of a package that was made before geoseg measured them."""
    from geoseg.models.edge_effects import measure_context  # noqa: PLC0415 - torch only where it runs

    log.warning("%s: its package was not measured: measuring what the edges of tiles change", card.name)
    package = load_model(model)
    context = measure_context(package.network, package.spec, tile=package.tile, calibration=package.calibration)
    if context is None:
        raise ModelError(
            f"the network of model {card.name} takes no tile but {card.tile} px, so what its edges change cannot be "
            "measured: give an overlap in pixels"
        )
    return context


def _measured(context: Context | None, tile: int, overlap: int) -> Tiling:
    """What is known of an overlap. A margin as wide as the radius costs nothing where the overlap holds it twice."""
    if context is None or overlap > _largest(tile):  # the lattice refuses it
        return Tiling(tile=tile, overlap=overlap)
    radius = context.radius
    margin = radius if radius is not None and 2 * radius <= overlap else 0
    return Tiling(
        tile=tile,
        overlap=overlap,
        margin=margin,
        edge_step=_half(tile, context),
        difference=context.difference(tile=tile, overlap=overlap, margin=margin),
        is_exact=context.is_exact(margin=margin),
    )


def _half(tile: int, context: Context) -> int:
    """Half of a tile, rounded up to what the network takes; 0 where that is no less."""
    step = context.edge_step
    half = -(-tile // (2 * step)) * step
    return half if half < tile else 0


def _exact(card: ModelCard, context: Context, tile: int) -> Tiling:
    if context.radius is None:
        raise ModelError(
            f"no overlap is exact with model {card.name}: in its network each pixel sees the whole tile, or where in "
            "the tile it lies: use --overlap auto"
        )
    overlap = _up(2 * context.radius)
    if overlap > tile // 2:
        raise ModelError(
            f"overlap exact is {overlap} px with model {card.name}, more than half of tile {tile}: use --tile "
            f"{2 * overlap}, or --overlap auto"
        )
    return _measured(context, tile, overlap)


def _within(card: ModelCard, context: Context, tile: int, tolerance: float) -> Tiling:
    """The smallest overlap within a tolerance, whatever it costs."""
    every = list(_tilings(context, tile))
    found = next((tiling for tiling in every if _difference(tiling) <= tolerance), None)
    if found is None:
        best = min(every, key=_difference)
        raise ModelError(
            f"seam tolerance {tolerance:g} is out of reach of model {card.name} with tiles of {tile} px: an overlap of "
            f"{best.overlap} px leaves {_difference(best):.2g}: give a larger tile, or a tolerance of at least that"
        )
    return found


def _cheapest(context: Context, sides: list[int]) -> Tiling:
    """The tiling within the usual tolerance that computes least; where none is, the nearest to it that may be paid."""
    every = [tiling for side in sides for tiling in _tilings(context, side) if tiling.computed <= MOST_COMPUTED]
    within = [tiling for tiling in every if _difference(tiling) <= TOLERANCE]
    if within:
        return min(within, key=lambda tiling: tiling.computed)
    if every:
        return min(every, key=_difference)
    return _measured(context, min(sides), min(TILE_MULTIPLE, _largest(min(sides))))


def _tilings(context: Context, tile: int) -> Iterator[Tiling]:
    """Every overlap of a tile, from the smallest to half of it."""
    for overlap in range(TILE_MULTIPLE, _largest(tile) + 1, TILE_MULTIPLE):
        yield _measured(context, tile, overlap)


def _difference(tiling: Tiling) -> float:
    return 1.0 if tiling.difference is None else tiling.difference


def _largest(tile: int) -> int:
    """The largest overlap of a tile."""
    return tile // (2 * TILE_MULTIPLE) * TILE_MULTIPLE


def _up(pixels: int) -> int:
    return _rounded_up(pixels, TILE_MULTIPLE)


def _rounded_up(pixels: int, step: int) -> int:
    return -(-pixels // step) * step
