from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.landscapes.render import CELL, render
from geoseg.landscapes.spec import LANDSCAPE_CLASSES, RADIOMETRIES, LandscapeSpec, Mix
from geoseg.window import Window

SPEC = LandscapeSpec(seed=5, height=CELL + 300, width=CELL + 120, gsd=2.0, nodata_border=20)


@pytest.fixture(scope="module")
def whole():
    return render(SPEC, SPEC.georef.window)


def shares(drawn):
    counts = np.bincount(drawn.class_ids[drawn.valid], minlength=8)[1:8]
    return dict(zip(LANDSCAPE_CLASSES.names, counts / counts.sum(), strict=True))


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_pixels_do_not_depend_on_the_window_they_are_asked_in(whole, data):
    row = data.draw(st.integers(-40, SPEC.height - 1))
    col = data.draw(st.integers(-40, SPEC.width - 1))
    window = Window(row=row, col=col, height=data.draw(st.integers(1, 200)), width=data.draw(st.integers(1, 200)))
    part = render(SPEC, window)
    inside = window.intersect(SPEC.georef.window)
    if inside is None:
        assert not part.valid.any()
        return
    here, there = inside.slices_in(window), inside.slices_in(SPEC.georef.window)
    assert part.image[:, *here].tobytes() == whole.image[:, *there].tobytes()
    assert part.class_ids[here].tobytes() == whole.class_ids[there].tobytes()
    assert part.valid[here].tobytes() == whole.valid[there].tobytes()
    outside = np.ones(window.shape, dtype=bool)
    outside[here] = False
    assert not part.valid[outside].any()


def test_the_same_world_lies_under_scenes_with_other_corners(whole):
    moved = replace(SPEC, origin=(SPEC.origin[0] + 100 * SPEC.gsd, SPEC.origin[1] - 64 * SPEC.gsd), nodata_border=None)
    part = render(moved, Window(row=0, col=0, height=300, width=300))
    theirs = whole.class_ids[64:364, 100:400]
    assert (part.class_ids == theirs)[theirs != 255].mean() > 0.9999


def test_a_seed_gives_one_landscape_and_another_seed_another(whole):
    window = Window(row=100, col=100, height=64, width=64)
    again, other = render(SPEC, window), render(replace(SPEC, seed=6), window)
    assert np.array_equal(again.image, whole.image[:, 100:164, 100:164])
    assert (other.class_ids != again.class_ids).mean() > 0.2


def test_squares_fit_together_without_a_seam(whole):
    image = whole.image.astype(int)
    steps = np.abs(np.diff(image[:, 100:-100], axis=2)).mean(axis=(0, 1))
    assert steps[CELL - 1] < steps[CELL - 40 : CELL + 40].mean() + 4 * steps[CELL - 40 : CELL + 40].std()


def test_labels_are_nodata_exactly_where_the_image_is(whole):
    assert 0.8 < whole.valid.mean() < 0.99
    assert (whole.class_ids[~whole.valid] == 255).all()
    assert not whole.image[:, ~whole.valid].any()
    assert np.isin(whole.class_ids[whole.valid], LANDSCAPE_CLASSES.ids).all()
    assert (whole.image[:, whole.valid] > 0).all()


def test_the_footprint_is_turned_and_ragged(whole):
    first = whole.valid[60:-60].argmax(axis=1)
    assert abs(int(first[:100].mean()) - int(first[-100:].mean())) > 5
    assert len(set(first.tolist())) > 10


def test_a_scene_without_border_is_valid_everywhere_and_nothing_outside_is():
    spec = replace(SPEC, nodata_border=None)
    part = render(spec, Window(row=-10, col=-10, height=20, width=20))
    assert part.valid[10:, 10:].all()
    assert part.valid.sum() == 100


def test_sixteen_bit_shows_the_same_scene_as_reflectance():
    window = Window(row=0, col=0, height=400, width=400)
    spec = LandscapeSpec(seed=5, height=400, width=400, gsd=2.0)
    eight, sixteen = render(spec, window), render(replace(spec, dtype="uint16"), window)
    assert sixteen.image.dtype == np.uint16
    assert np.array_equal(eight.class_ids, sixteen.class_ids)
    assert 200 < np.median(sixteen.image[0]) < 3000
    for band in range(4):
        both = np.corrcoef(np.sqrt(sixteen.image[band].ravel()), eight.image[band].ravel())
        assert both[0, 1] > 0.95


@pytest.mark.parametrize("seed", [1, 2, 11])
def test_a_square_kilometre_has_a_fair_share_of_every_class(seed):
    spec = LandscapeSpec(seed=seed, height=512, width=512, gsd=2.0)
    share = shares(render(spec, spec.georef.window))
    assert share["water"] >= 0.03
    assert share["bare"] >= 0.02
    assert share["building"] >= 0.015
    assert share["road"] >= 0.02
    assert min(share["forest"], share["crop"], share["grass"]) >= 0.04


def test_class_shares_do_not_depend_on_the_ground_sampling_distance():
    fine = LandscapeSpec(seed=2, height=1000, width=1000, gsd=1.0)
    coarse = LandscapeSpec(seed=2, height=250, width=250, gsd=4.0)
    one, other = (shares(render(spec, spec.georef.window)) for spec in (fine, coarse))
    assert other == pytest.approx(one, abs=0.01)


def test_a_mix_without_something_has_none_of_it():
    spec = LandscapeSpec(seed=2, height=200, width=200, gsd=4.0, mix=Mix(water=0, forest=0, villages=0, bare=0))
    share = shares(render(spec, spec.georef.window))
    assert share["water"] == share["forest"] == share["building"] == 0


@pytest.mark.parametrize("name", sorted(RADIOMETRIES))
def test_season_and_sensor_change_the_image_and_no_label(name):
    plain = LandscapeSpec(seed=3, height=128, width=128, gsd=3.0)
    window = plain.georef.window
    other = render(replace(plain, radiometry=RADIOMETRIES[name]), window)
    reference = render(plain, window)
    assert np.array_equal(other.class_ids, reference.class_ids)
    assert np.array_equal(other.image, reference.image) == (name == "temperate")


def test_shadows_fall_away_from_the_sun_and_change_no_label():
    spec = LandscapeSpec(seed=2, height=300, width=300, gsd=1.0)
    noon = replace(spec.radiometry, noise=0.0, haze=0.0)
    high, low = replace(noon, sun_elevation=80.0), replace(noon, sun_elevation=25.0)
    lit, shaded = (render(replace(spec, radiometry=light), spec.georef.window) for light in (high, low))
    assert np.array_equal(lit.class_ids, shaded.class_ids)
    assert shaded.image.mean() < lit.image.mean() - 1
