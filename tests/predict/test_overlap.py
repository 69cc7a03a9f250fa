from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.config.predict import PredictSettings
from geoseg.errors import ModelError
from geoseg.models import edge_effects
from geoseg.models.context import Context
from geoseg.models.zoo import read_card
from geoseg.predict import overlap as choosing
from geoseg.predict.overlap import MOST_COMPUTED, TOLERANCE, choose_tiling

CONTEXT = Context(
    radius=None, divisor=32, tile=256, labels=(0.4, 0.1, 0.02, 0.01, *[0.0] * 4), probabilities=(0.0,) * 8
)


@pytest.fixture
def tiling_of(tiny_model):
    """What is chosen for a model with some context, tiles of 256 px and an overlap of 64."""
    card = replace(read_card(tiny_model), tile=256, overlap=64)

    def choose(context=CONTEXT, **settings):
        return choose_tiling(replace(card, context=context), PredictSettings(**settings), tiny_model)

    return choose


def scaled(factor, radius=None):
    return replace(CONTEXT, radius=radius, labels=tuple(factor * share for share in CONTEXT.labels))


def test_a_model_that_was_not_measured_keeps_its_overlap(tiling_of):
    assert (tiling_of(None).tile, tiling_of(None).overlap, tiling_of(None).margin) == (256, 64, 0)
    assert tiling_of(None, tile=64).overlap == 32
    assert "not measured" in tiling_of(None).promise


@pytest.mark.parametrize("overlap", [0, 32, 128])
def test_an_overlap_that_is_asked_for_is_taken(tiling_of, overlap):
    tiling = tiling_of(overlap=overlap)
    assert tiling.overlap == overlap
    assert tiling.difference == CONTEXT.difference(tile=256, overlap=overlap)


@given(tolerance=st.floats(1e-4, 1))
def test_the_overlap_is_the_smallest_within_the_tolerance(tiling_of, tolerance):
    sizes = [overlap for overlap in range(32, 160, 32) if CONTEXT.difference(tile=256, overlap=overlap) <= tolerance]
    if sizes:
        assert tiling_of(overlap="auto", seam_tolerance=tolerance).overlap == min(sizes)
    else:
        with pytest.raises(ModelError, match="out of reach of model tiny with tiles of 256 px: an overlap of 128 px"):
            tiling_of(overlap="auto", seam_tolerance=tolerance)


@given(factor=st.floats(0, 2), radius=st.none() | st.integers(0, 200))
def test_what_nobody_asked_for_computes_little(tiling_of, factor, radius):
    tiling = tiling_of(scaled(factor, radius))
    assert tiling.computed <= MOST_COMPUTED or tiling.overlap == 32
    assert tiling == tiling_of(scaled(factor, radius), overlap="auto")
    assert tiling.difference <= TOLERANCE or tiling.computed >= (384 / 352) ** 2


def test_a_margin_as_wide_as_the_radius_is_taken_where_the_overlap_holds_it_twice(tiling_of):
    near = scaled(1, radius=16)
    assert (tiling_of(near, overlap=32).margin, tiling_of(near, overlap=32).is_exact) == (16, True)
    far = scaled(1, radius=17)
    assert (tiling_of(far, overlap=32).margin, tiling_of(far, overlap=32).is_exact) == (0, False)


@given(radius=st.integers(0, 64))
def test_exact_is_the_smallest_overlap_that_holds_the_radius_twice(tiling_of, radius):
    tiling = tiling_of(scaled(1, radius), overlap="exact")
    assert 2 * radius <= tiling.overlap < 2 * radius + 32
    assert tiling.is_exact
    assert tiling.difference == 0
    assert tiling.promise.startswith("exact")


@given(radius=st.none() | st.integers(0, 300), overlap=st.sampled_from([0, 32, 64, 96, 128]))
def test_exact_is_said_only_where_it_is_proved(tiling_of, radius, overlap):
    tiling = tiling_of(scaled(1, radius), overlap=overlap)
    assert ("exact" in tiling.promise) == tiling.is_exact == (radius is not None and 2 * radius <= overlap)
    assert tiling.is_exact or "measured on noise" in tiling.promise


def test_exact_is_refused_with_the_reason(tiling_of):
    with pytest.raises(
        ModelError, match="no overlap is exact with model tiny: in its network each pixel sees the whole"
    ):
        tiling_of(overlap="exact")
    with pytest.raises(
        ModelError, match="overlap exact is 160 px with model tiny, more than half of tile 256: use --t"
    ):
        tiling_of(scaled(1, radius=65), overlap="exact")
    assert tiling_of(scaled(1, radius=65), overlap="exact", tile=320).is_exact


def test_larger_tiles_are_tried_where_the_network_has_a_radius(tiling_of, monkeypatch):
    monkeypatch.setattr(choosing, "_TIMES", (1, 2))
    assert tiling_of(scaled(1, radius=100)).tile == 512
    assert tiling_of(scaled(1, radius=100), tile=128).tile == 128
    assert tiling_of(scaled(1)).tile == 320
    assert tiling_of(scaled(0.01, radius=100)).tile == 512  # half as much is computed again
    assert tiling_of(None).tile == 256


@given(height=st.integers(1, 20_000), width=st.integers(1, 20_000))
def test_tiles_at_the_far_edges_are_cut_only_where_that_saves_much(tiling_of, height, width):
    tiling = tiling_of(scaled(1, radius=100))
    grid = tiling.grid(height=height, width=width)
    whole = replace(grid, edge_step=0)
    assert grid == whole or whole.computed_pixels() - grid.computed_pixels() >= 6 * 2**20
    if min(height, width) > 10_000:
        assert grid.computed_pixels() <= 1.3 * height * width


def test_a_package_without_context_is_measured_where_it_is_needed(tiling_of, monkeypatch, caplog):
    monkeypatch.setattr(edge_effects, "measure_context", lambda *_, **__: scaled(1, radius=16))
    assert tiling_of(None, overlap="exact").margin == 16
    assert "was not measured" in caplog.text
    monkeypatch.setattr(edge_effects, "measure_context", lambda *_, **__: None)
    with pytest.raises(ModelError, match="takes no tile but 256 px"):
        tiling_of(None, overlap="auto")
