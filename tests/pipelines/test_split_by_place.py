import json

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from sklearn.metrics import cohen_kappa_score

from geoseg.raster.scene import open_scene
from pipelines.split_by_place import PlacePlan, agreement, main, places, split_places

SIDE = 64
PLAN = PlacePlan(bands=(2, 1), names=("green", "blue"), ignore=(8, 255))


def place_of(seed):
    return np.kron(np.random.default_rng(seed).integers(1, 5, (8, 8), dtype=np.uint8), np.ones((8, 8), np.uint8))


def on_another_date(labels, seed):
    rng = np.random.default_rng(seed)
    later = labels.copy()
    later[rng.random(labels.shape) < 0.1] = 8  # a flood
    later[rng.random(labels.shape) < 0.05] = 3
    return later


def test_agreement_is_cohens_kappa_of_what_both_know():
    rng = np.random.default_rng(0)
    labels = rng.choice([1, 2, 3, 8, 255], (2, 500), p=[0.4, 0.3, 0.1, 0.1, 0.1]).astype(np.uint8)
    labels[1, :300] = labels[0, :300]
    kappa, shared = agreement(labels, (8, 255))
    known = ~np.isin(labels, (8, 255)).any(axis=0)
    assert shared[0, 1] == known.sum()
    assert kappa[0, 1] == pytest.approx(cohen_kappa_score(labels[0, known], labels[1, known]))


def test_dates_of_one_place_are_one_place_and_other_places_are_not():
    chips = [place_of(1), place_of(2), on_another_date(place_of(1), 5), np.full((SIDE, SIDE), 8), place_of(3)]
    found = places(np.stack([chip.ravel() for chip in chips]), PLAN)
    assert found[0] == found[2]
    assert len({found[0], found[1], found[4]}) == 3
    assert found[3] == -1


def test_a_place_is_in_one_split_and_what_cannot_be_placed_is_learnt():
    rng = np.random.default_rng(0)
    place = np.repeat(np.arange(-1, 19), 2)
    splits = split_places(rng.integers(1, 100, (40, 4)), place, PLAN)
    assert np.array_equal(sum(mask.astype(int) for mask in splits.values()), np.ones(40))
    for number in range(19):
        assert sum(mask[place == number].any() for mask in splits.values()) == 1
    assert splits["train"][place == -1].all()
    assert all(mask.any() for mask in splits.values())


def test_chips_keep_their_pixels_and_get_names(write_scene, tmp_path):
    for number in range(12):
        image = np.random.default_rng(number).integers(-5, 9999, (3, SIDE, SIDE)).astype(np.int16)
        write_scene(image, f"c{number:02}_ms.tif")
        write_scene(place_of(number)[None], f"c{number:02}_mask.tif")
    given = ["--image", "*_ms.tif", "--labels", "*_mask.tif", "--bands", "2,1", "--names", "green,blue"]
    done = CliRunner().invoke(main, [str(tmp_path), "-o", str(tmp_path / "out"), *given])
    assert done.exit_code == 0, done.output
    stated = json.loads((tmp_path / "out" / "split.json").read_text())
    assert stated["places"] == 12
    name = stated["holdout"][0]
    with open_scene(tmp_path / "out" / f"test_{name}_image.tif", bands=("blue",)) as scene:
        pixels = scene.read(scene.georef.window).image
    with rasterio.open(tmp_path / f"{name}_ms.tif") as source:
        assert np.array_equal(pixels[0], source.read(1))
