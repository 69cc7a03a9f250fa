"""What a prediction will need: tiles, blocks, memory, time, disk. Reads no pixels and needs no torch.

Memory is what was measured on a few tiles (see `geoseg.predict.rehearsal`) and what grows with the width of a block,
counted term by term. It is an upper bound for the rasters; what polygons need depends on the map and is estimated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from geoseg.config.predict import PredictSettings
from geoseg.predict.plan import PredictPlan
from geoseg.predict.rehearsal import Rehearsal
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window

_STORED = 512  # rows that a written raster stores together
_OUT_ROWS = 3  # rows of tiles that are decided, waiting to be written, or being written
_COMPRESSED = 0.6  # bytes of a byte of a layer, at most as maps are
_BLOCK_PIXELS = 4 * 2**20
_FINE_PIXELS = 4 * 2**20  # read at a time where the model sees other pixels
_FINE_BYTES = 15  # of each, for the sums; the pixels themselves are held twice, in whole storage blocks
_REGRIDDED = 2**21  # pixels at a time
_MARGIN, _SLACK = 1.04, 24 * 2**20  # what the C library makes of it
_POLYGONS = (96 * 2**20, 26 * 2**10, 0.25)  # bytes: always, per column, per pixel
_POLYGON_SECONDS, _COG_SECONDS = 50e-9, 30e-9  # a pixel
_BESIDE = 1.1  # time of a run by that of its network
_LAYER_BYTES = {"classes": 0.12, "confidence": 0.7, "probabilities": 0.5, "polygons": 0.8}
"""Of a pixel of the scene, about; overviews are in it. Of probabilities each class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Numbers on which the memory of a block depends."""

    grid: TileGrid
    """The lattice of tiles."""

    bands: int
    """That the scene has."""

    itemsize: int
    """Bytes of a number of the scene."""

    classes: int
    """Of the model."""

    storage_rows: int = 512
    """Of a storage block of the scene, px."""

    with_probabilities: bool = False
    """True where the probability of each class is decided too."""

    factor: float = 1.0
    """Side of a pixel the model sees, in scene pixels."""

    regrids: bool = False
    """True where outputs are on another grid than the one the model sees."""

    @classmethod
    def of(cls, plan: PredictPlan, settings: PredictSettings) -> Shape:
        """Of a scene and a model."""
        return cls(
            grid=plan.grid,
            bands=len(plan.present),
            itemsize=np.dtype(plan.source.dtype).itemsize,
            classes=len(plan.card.classes),
            storage_rows=max(1, round(plan.source.storage_rows / plan.factor)),
            with_probabilities=settings.probabilities or settings.needs_probabilities,
            factor=plan.factor,
            regrids=plan.regrids,
        )

    @property
    def layers(self) -> int:
        """Bytes of a pixel that is decided."""
        return 2 + (self.classes if self.with_probabilities else 0)


def block_bytes(shape: Shape, width: int) -> int:
    """Upper bound of the memory that a block of so many columns needs beside libraries, network and tiles.

    Rows of blocks on top of each other are one stream, so their number makes no difference.

    Args:
        shape: of scene and model.
        width: columns of the block on the pixels that the model sees.
    """
    grid = shape.grid
    span = min(width + 2 * grid.tile, grid.width)
    return round(
        span * (_read_rows(shape) * (shape.bands * shape.itemsize + 1) + _kept_bytes(shape))
        + width * (_decided_bytes(shape) + _stored_bytes(shape))
        + _fixed_bytes(shape, span)
    )


def _read_rows(shape: Shape) -> int:
    """Rows read: of this row of tiles and the next, in whole storage blocks, and once more those being read."""
    step = shape.storage_rows * -(-64 // shape.storage_rows)
    grid = shape.grid
    held = -(-(grid.tile + grid.stride) // step) * step + step
    return held + -(-grid.stride // step) * step


def _kept_bytes(shape: Shape) -> int:
    """Sums that wait for the next row of tiles, of a column."""
    return 2 * 4 * shape.classes * shape.grid.overlap


def _decided_bytes(shape: Shape) -> int:
    """Decided rows of a column; where the outputs are on another grid also probabilities."""
    decided = _OUT_ROWS * shape.layers * shape.grid.tile
    return decided + (3 * 4 * shape.classes * shape.grid.tile if shape.regrids else 0)


def _stored_bytes(shape: Shape) -> int:
    """Rows on their way to a file, of a column: as they are, compressed, and where they are checked."""
    rows = max(_STORED, _BLOCK_PIXELS // 16_384)
    planes = shape.layers - 2
    return round(shape.layers * _STORED + 2 * _COMPRESSED * shape.layers * rows + planes * _STORED)


def _fixed_bytes(shape: Shape, span: int) -> int:
    grid = shape.grid
    fixed = 4 * shape.classes * grid.tile * grid.overlap
    if shape.factor != 1:
        row, pixel = span * shape.factor**2, shape.bands * shape.itemsize + 1
        fine = min(_FINE_PIXELS, round(row * min(grid.tile + grid.stride, grid.height)))
        whole = min(fine + round(2 * row * shape.storage_rows), round(row * grid.height))
        fixed += fine * _FINE_BYTES + 2 * whole * pixel
    if shape.regrids:
        fixed += 4 * 4 * shape.classes * _REGRIDDED
    return fixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run will need."""

    tiles: int
    """At most: those without any valid pixel are never computed."""

    computed_pixels: int
    """Of all tiles together."""

    scene_pixels: int
    """Of the scene as the model sees it."""

    blocks: tuple[Window, ...]
    """In which the work is done, on the grid of the outputs."""

    threads: int
    """Tiles computed at a time."""

    memory: int
    """Most memory on this machine, bytes: an upper bound for rasters; with polygons an estimate."""

    device_memory: int
    """Most memory on a GPU, bytes; 0 without one."""

    seconds: float
    """From start to end, about."""

    output_bytes: int
    """Of all layers, about."""

    disk_bytes: int
    """Needed while it runs, about, with the outputs."""


def estimate(
    plan: PredictPlan, settings: PredictSettings, rehearsal: Rehearsal, blocks: tuple[Window, ...]
) -> Estimate:
    """What a run will need.

    Args:
        plan: scene and model.
        settings: of the run.
        rehearsal: what was measured for them.
        blocks: that it is cut into.
    """
    grid, pixels = plan.grid, plan.output.height * plan.output.width
    outputs = _output_bytes(plan, settings, pixels)
    computed = _computed_pixels(grid, blocks) if not plan.regrids else grid.computed_pixels()
    return Estimate(
        tiles=len(grid.row_origins(grid.scene)) * len(grid.col_origins(grid.scene)),
        computed_pixels=computed,
        scene_pixels=grid.height * grid.width,
        blocks=blocks,
        threads=rehearsal.threads,
        memory=max(raster_memory(plan, settings, rehearsal, blocks), _polygon_memory(plan, settings, rehearsal)),
        device_memory=rehearsal.device_peak,
        seconds=_seconds(computed, pixels, settings, rehearsal),
        output_bytes=sum(outputs.values()),
        disk_bytes=sum(outputs.values()) + round(1.5 * sum(outputs[layer] for layer in outputs if layer != "polygons")),
    )


def raster_memory(
    plan: PredictPlan, settings: PredictSettings, rehearsal: Rehearsal, blocks: tuple[Window, ...]
) -> int:
    """Upper bound of the memory until the rasters are written, bytes, in all processes of this machine."""
    shape = Shape.of(plan, settings)
    widest = max(block.width for block in blocks)
    width = -(-widest * plan.grid.width // plan.output.width) if plan.regrids else widest
    few = Shape(
        grid=replace(plan.grid, height=rehearsal.height, width=rehearsal.width),
        bands=shape.bands,
        itemsize=shape.itemsize,
        classes=shape.classes,
        with_probabilities=shape.with_probabilities,
    )
    beyond = round(_at_a_time(plan.grid, rehearsal.threads) * max(0, rehearsal.peak - rehearsal.loaded_peak))
    peak = min(rehearsal.peak, rehearsal.loaded_peak) + beyond
    mapping = peak - block_bytes(few, rehearsal.width) // 2 + block_bytes(shape, min(width, plan.grid.width))
    one = max(rehearsal.loaded_peak, mapping)
    return round(_MARGIN * one * (max(1, settings.workers))) + _SLACK


def _at_a_time(grid: TileGrid, threads: int) -> float:
    """Most pixels of tiles that are computed at a time, as a share of so many whole tiles; less where tiles are cut."""
    rows, cols = grid.row_origins(grid.scene), grid.col_origins(grid.scene)
    if (len(rows) - 1) * (len(cols) - 1) >= threads:
        return 1.0
    sides = sorted((window.height * window.width for window in grid.windows()), reverse=True)
    return sum(sides[:threads]) / (threads * grid.tile**2)


def _polygon_memory(plan: PredictPlan, settings: PredictSettings, rehearsal: Rehearsal) -> int:
    if not settings.vector:
        return 0
    always, of_column, of_pixel = _POLYGONS
    width, height = plan.output.width, plan.output.height
    return round(rehearsal.settled + always + of_column * width + of_pixel * width * height)


def _computed_pixels(grid: TileGrid, blocks: tuple[Window, ...]) -> int:
    """Of all tiles, those over a cut between columns twice; blocks on top of each other share theirs."""
    down = {block.row for block in blocks}
    top = [block for block in blocks if block.row == min(down)]
    every = grid.row_origins(grid.scene)
    rows = sum(grid.window(row, 0).height for row in every)
    cols = sum(grid.window(0, col).width for block in top for col in grid.col_origins(_under(block, grid)))
    return rows * cols


def _under(block: Window, grid: TileGrid) -> Window:
    """A block, inside the lattice."""
    return Window.between(0, 1, min(block.col, grid.width - 1), min(block.right, grid.width))


def _seconds(computed: int, pixels: int, settings: PredictSettings, rehearsal: Rehearsal) -> float:
    network = computed / 1e6 / rehearsal.speed / settings.workers
    after = pixels * (_COG_SECONDS + (_POLYGON_SECONDS if settings.vector else 0))
    return rehearsal.start_seconds + _BESIDE * network + after


def _output_bytes(plan: PredictPlan, settings: PredictSettings, pixels: int) -> dict[str, int]:
    wanted = {"classes": 1, "confidence": 1}
    wanted |= {"probabilities": len(plan.card.classes)} if settings.probabilities else {}
    wanted |= {"polygons": 1} if settings.vector else {}
    return {layer: round(often * _LAYER_BYTES[layer] * pixels) for layer, often in wanted.items()}
