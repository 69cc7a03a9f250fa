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
from geoseg.predict.overlap import tiling_of as tiling_of_scene
from geoseg.predict.speeds import SMALL

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


RADIUS = scaled(1, radius=100)
SIDES = st.integers(1, 4000)


@pytest.fixture
def fitted_tiling(tiny_model):
    """What is chosen for a scene of some size, of a model with tiles of 512 px."""
    labels = (0.1, 0.05, *[0.01] * 14)
    context = replace(CONTEXT, radius=300, tile=512, labels=labels, probabilities=labels)
    card = replace(read_card(tiny_model), tile=512, overlap=64)

    def choose(height, width, context=context, **settings):
        given = replace(card, context=context)
        return tiling_of_scene(given, PredictSettings(**settings), tiny_model, height=height, width=width)

    return choose


def tiles_of(grid):
    return len(grid.row_origins(grid.scene)), len(grid.col_origins(grid.scene))


@given(height=SIDES, width=SIDES)
def test_a_small_scene_gets_as_many_tiles_of_which_less_is_computed(fitted_tiling, height, width):
    usual = fitted_tiling(20_000, 20_000).grid(height=height, width=width)
    small = fitted_tiling(height, width).grid(height=height, width=width)
    assert tiles_of(small) == tiles_of(usual)
    assert small.overlap == usual.overlap
    assert small.tile == usual.tile or (small.tile < usual.tile and tiles_of(usual) == (1, 1))
    assert small.computed_pixels() <= usual.computed_pixels()
    if usual.computed_pixels() >= SMALL:
        assert small == usual


@given(height=st.integers(1000, 1900), width=st.integers(1000, 1900))
def test_of_a_small_scene_little_is_computed_that_lies_beyond_it(fitted_tiling, height, width):
    grid = fitted_tiling(height, width).grid(height=height, width=width)
    down, across = tiles_of(grid)
    most = (height + (down - 1) * grid.overlap + 127) * (width + (across - 1) * grid.overlap + 127)
    assert grid.computed_pixels() <= most


def test_a_scene_of_one_tile_is_exact(fitted_tiling):
    assert fitted_tiling(300, 100).tile == 384
    assert fitted_tiling(300, 100).grid(height=300, width=100).computed_pixels() == 384 * 128
    assert fitted_tiling(300, 100).is_exact
    assert not fitted_tiling(300, 1000).is_exact


def test_an_engine_that_compiles_is_given_tiles_of_one_shape(fitted_tiling):
    grid = fitted_tiling(300, 1000, engine="openvino").grid(height=300, width=1000)
    assert {window.shape for window in grid.windows()} == {(grid.tile, grid.tile)}


@pytest.mark.parametrize("asked", [{"tile": 512}, {"overlap": 64}, {"overlap": "exact", "tile": 1280}])
def test_what_is_asked_for_does_not_follow_the_scene(fitted_tiling, asked):
    assert fitted_tiling(300, 100, **asked) == fitted_tiling(20_000, 20_000, **asked)


def test_tiles_stay_where_each_pixel_sees_all_of_them(fitted_tiling):
    seen = replace(CONTEXT, tile=512, labels=(0.0,) * 16, probabilities=(0.0,) * 16)
    for context in (seen, None):
        assert fitted_tiling(300, 100, context=context) == fitted_tiling(20_000, 20_000, context=context)
