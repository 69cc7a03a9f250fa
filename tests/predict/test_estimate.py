"""Memory is known before a run, follows the width of a block alone, and can be bounded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.config.predict import PredictSettings
from geoseg.errors import ConfigError
from geoseg.predict import memory_bound
from geoseg.predict.estimate import Shape, block_bytes, estimate
from geoseg.predict.memory_bound import estimate_of, shown_bytes, sizing_of, usual_width
from geoseg.predict.plan import plan_prediction
from geoseg.predict.rehearsal import Rehearsal
from geoseg.tiling.blocks import MAX_BLOCK_WIDTH
from geoseg.tiling.grid import TileGrid

FEW = Rehearsal(
    engine="torch",
    threads=4,
    height=224,
    width=224,
    loaded_peak=500_000_000,
    peak=600_000_000,
    settled=400_000_000,
    device_peak=0,
    speed=2.0,
    start_seconds=3.0,
)
WIDTHS = st.integers(64, 100_000)


def shape(width=40_000, **facts):
    return Shape(grid=TileGrid(height=5000, width=width, tile=512, overlap=64), bands=3, itemsize=1, classes=6, **facts)


@pytest.fixture
def asked(monkeypatch):
    """Replace the measurement; it remembers for how many threads it was asked."""
    made = []

    def rehearsal_of(_plan, _settings, *, threads=None, anew=False):
        made.append((threads, anew))
        count = threads or FEW.threads
        fewer = 50_000_000 * (FEW.threads - count)
        return FEW.model_copy(update={"threads": count, "peak": FEW.peak - fewer, "loaded_peak": 300_000_000})

    monkeypatch.setattr(memory_bound, "rehearsal_of", rehearsal_of)
    return made


@pytest.fixture
def wide(write_scene, tiny_model):
    """The plan of a scene of 40,000 columns, of which nothing is written."""
    scene = write_scene(np.zeros((3, 64, 64), dtype=np.uint8))

    def plan(width=40_000, height=200, **options):
        settings = PredictSettings(model=str(tiny_model), **options)
        made = plan_prediction(scene, settings)
        georef = replace(made.output, width=width, height=height)
        return replace(made, grid=replace(made.grid, width=width, height=height), output=georef), settings

    return plan


@given(first=WIDTHS, second=WIDTHS)
def test_memory_never_shrinks_with_the_width_of_a_block(first, second):
    low, high = sorted((first, second))
    assert block_bytes(shape(100_000), low) <= block_bytes(shape(100_000), high)


def test_memory_counts_every_buffer_that_is_as_wide_as_a_block():
    one = block_bytes(shape(), 16_384) - block_bytes(shape(), 8192)
    kept, read, decided = 2 * 4 * 6 * 64, 4 * 1024, 2 * 512
    assert one >= 8192 * (kept + read + decided)


@pytest.mark.parametrize("more", [{"with_probabilities": True}, {"regrids": True}, {"factor": 2.0}])
def test_what_is_asked_for_beside_classes_takes_more(more):
    assert block_bytes(shape(**more), 8192) > block_bytes(shape(), 8192)


def test_blocks_are_narrower_where_a_column_takes_more_but_never_narrow():
    assert usual_width(shape()) == MAX_BLOCK_WIDTH
    heavy = replace(shape(with_probabilities=True), classes=20, bands=12, itemsize=2)
    assert 8192 <= usual_width(heavy) < MAX_BLOCK_WIDTH


def test_a_scene_that_is_narrow_is_one_column_of_blocks(wide, asked):
    assert sizing_of(*wide(width=3000)).cuts == ()
    assert asked == []


@pytest.mark.usefixtures("asked")
def test_the_bound_is_kept_by_narrower_blocks_then_by_fewer_tiles_at_a_time(wide):
    plan, settings = wide(vector=False)
    free = estimate_of(plan, settings)[0]
    narrow = estimate_of(*wide(vector=False, max_memory=free.memory - 20_000_000))[0]
    fewer = estimate_of(*wide(vector=False, max_memory=620_000_000))[0]
    assert narrow.memory <= free.memory - 20_000_000
    assert len(narrow.blocks) > len(free.blocks)
    assert narrow.threads == free.threads
    assert fewer.memory <= 620_000_000
    assert fewer.threads < free.threads


def test_a_bound_that_nothing_keeps_is_refused_with_the_least_that_would_do(wide, asked):
    with pytest.raises(ConfigError, match=r"does not fit into --max-memory 100 MB: it needs at least \d+ MB") as error:
        sizing_of(*wide(vector=False, max_memory="100MB"))
    assert "\n" not in str(error.value)
    assert asked[-1] == (1, False)
    least = int(str(error.value).split("at least ")[1].split(" MB")[0])
    assert sizing_of(*wide(vector=False, max_memory=least * 10**6))


@pytest.mark.usefixtures("asked")
def test_blocks_share_out_the_output_and_cuts_compute_one_column_of_tiles_twice(wide):
    plan, settings = wide(max_memory="1TB")
    needs = estimate_of(plan, settings)[0]
    assert sum(block.height * block.width for block in needs.blocks) == 200 * 40_000
    once = plan.grid.computed_pixels()
    columns = len({block.col for block in needs.blocks})
    assert needs.computed_pixels == once + (columns - 1) * once // len(plan.grid.col_origins(plan.grid.scene))


def test_loading_an_engine_may_take_more_than_mapping(wide):
    plan, settings = wide(width=3000, vector=False)
    blocks = sizing_of(plan, settings).blocks(plan.output.window)
    needs = estimate(plan, settings, FEW.model_copy(update={"loaded_peak": 2_000_000_000}), blocks)
    assert 2_000_000_000 < needs.memory < 2_200_000_000


def test_workers_each_take_as_much(wide):
    plan, settings = wide(width=3000, vector=False)
    blocks = sizing_of(plan, settings).blocks(plan.output.window)
    one, three = (
        estimate(plan, settings.model_copy(update={"workers": count}), FEW, blocks).memory for count in (1, 3)
    )
    assert 2.8 * one < three < 3 * one


def test_time_follows_the_tiles_and_the_speed(wide):
    plan, settings = wide(width=3000)
    blocks = sizing_of(plan, settings).blocks(plan.output.window)
    slow, quick = (
        estimate(plan, settings, FEW.model_copy(update={"speed": speed}), blocks).seconds for speed in (0.1, 1.0)
    )
    assert slow - quick == pytest.approx(plan.grid.computed_pixels() / 1e6 * 9 * 1.1)


@pytest.mark.parametrize(("count", "said"), [(999_000_001, "1000 MB"), (1_500_000_000, "1.50 GB"), (1, "1 MB")])
def test_sizes_are_shown_in_decimal_units_never_less(count, said):
    assert shown_bytes(count) == said


@pytest.mark.parametrize(("height", "edge_step", "share"), [(64, 32, 1.0), (33, 32, 1.0), (32, 32, 0.5), (32, 0, 1.0)])
def test_tiles_that_are_cut_need_less(wide, height, edge_step, share):
    plan, settings = wide(width=64, height=height, tile=64, overlap=32)
    plan = replace(plan, grid=replace(plan.grid, edge_step=edge_step))
    many = FEW.model_copy(update={"threads": 1, "peak": 900_000_000})
    cut = estimate(plan, settings, many, (plan.output.window,)).memory
    whole = estimate(replace(plan, grid=replace(plan.grid, edge_step=0)), settings, many, (plan.output.window,)).memory
    assert whole - cut == pytest.approx(1.04 * (1 - share) * 400_000_000, abs=2)
