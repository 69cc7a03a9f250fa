import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner

from geoseg.errors import LabelError
from geoseg.raster.scene import open_scene
from pipelines.mosaic_chips import MosaicPlan, choose_groups, find_chips, group_chips, main, mosaic_chips, split_chips

SIDE = 16
PLACES = [(0, 0), (0, 1), (1, 1), (0, 20), (0, 40), (0, 60), (0, 80), (1, 80)]
PLAN = MosaicPlan(bands=(3, 1), distance=100.0, seed=0, held_out=0.3, validation=0.3, border=2)


@pytest.fixture
def folder(write_scene, tmp_path):
    for number, (row, col) in enumerate(PLACES):
        rng = np.random.default_rng(number)
        transform = Affine(2, 0, 5e5 + col * SIDE * 2, 0, -2, 5e6 - row * SIDE * 2)
        write_scene(rng.integers(0, 255, (4, SIDE, SIDE), dtype=np.uint8), f"c{number}_img.tif", transform=transform)
        labels = rng.integers(0, 3, (1, SIDE, SIDE), dtype=np.uint8)
        write_scene(labels, f"c{number}_lab.tif", transform=transform)
    return tmp_path


@pytest.fixture
def chips(folder):
    return find_chips(folder, image="*_img.tif", labels="*_lab.tif")


def test_chips_within_the_distance_are_one_group(chips):
    names = [[chip.name for chip in group] for group in group_chips(chips, 100.0)]
    assert names == [["c0", "c1", "c2"], ["c3"], ["c4"], ["c5"], ["c6", "c7"]]


def test_every_chip_is_in_one_split_and_splits_are_apart(chips):
    splits = split_chips(chips, PLAN)
    members = [chip.name for part in splits.values() for chip in part]
    assert sorted(members) == [chip.name for chip in chips]
    together = {frozenset(chip.name for chip in group) for group in group_chips(chips, PLAN.distance)}
    for group in together:
        assert sum(any(chip.name in group for chip in part) for part in splits.values()) == 1


def test_chosen_groups_hold_about_the_share_of_each_class():
    counts = np.random.default_rng(0).integers(1, 1000, (20, 4))
    chosen = choose_groups(counts, 0.25, np.random.default_rng(1))
    assert counts[chosen].sum(axis=0) / counts.sum(axis=0) == pytest.approx(0.25, abs=0.05)


def test_a_mosaic_holds_each_chip_at_its_place_and_nothing_elsewhere(folder, chips):
    output = folder / "out"
    splits = mosaic_chips(chips, output, PLAN)
    split = next(name for name, part in splits.items() if any(chip.name == "c0" for chip in part))
    for path in sorted(output.glob(f"{split}_*_image.tif")):
        with open_scene(path) as scene, rasterio.open(str(path).replace("_image", "_labels")) as labels:
            patch = scene.read(scene.georef.window)
            values = labels.read(1)
            if patch.valid.shape != (2 * SIDE, 2 * SIDE):
                continue
            assert patch.valid.tolist() == np.kron([[1, 1], [0, 1]], np.ones((SIDE, SIDE))).astype(bool).tolist()
            assert (values[SIDE:, :SIDE] == 255).all()
            with rasterio.open(folder / "c2_img.tif") as chip, rasterio.open(folder / "c2_lab.tif") as reference:
                assert np.array_equal(patch.image[:, SIDE:, SIDE:], chip.read([3, 1]))
                inner = slice(SIDE + 2, 2 * SIDE - 2)
                assert np.array_equal(values[inner, inner], reference.read(1)[2:-2, 2:-2])
            return
    pytest.fail("no mosaic of three chips")


def test_the_filling_value_is_not_learnt_along_the_edges_of_training_chips(folder, chips):
    splits = mosaic_chips(chips, folder / "out", PLAN)
    counts = dict.fromkeys(splits, 0)
    for path in (folder / "out").glob("*_labels.tif"):
        with rasterio.open(path) as labels:
            counts[path.name.split("_")[0]] += int((labels.read(1) == 0).sum())
    expected = {name: sum(int(chip.counts[0]) for chip in part) for name, part in splits.items()}
    assert counts["test"] == expected["test"]
    assert counts["val"] == expected["val"]
    assert 0 < counts["train"] < expected["train"]


def test_the_job_writes_the_split(folder):
    arguments = [str(folder), "-o", str(folder / "out"), "--image", "*_img.tif", "--labels", "*_lab.tif"]
    done = CliRunner().invoke(main, [*arguments, "--distance", "100"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "train: " in done.output
    stated = json.loads((folder / "out" / "split.json").read_text())
    assert stated["buffer_metres"] == 100
    assert set(stated["holdout"]).isdisjoint(stated["validation"])


def test_a_folder_without_chips_is_refused_in_one_line(tmp_path):
    arguments = [str(tmp_path), "-o", str(tmp_path / "out"), "--image", "*_img.tif", "--labels", "*_lab.tif"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert "no file matches '*_img.tif'" in done.output


def test_by_northing_all_south_of_a_gap_is_held_out_and_all_north_of_another_validates(write_scene, tmp_path):
    tops = [0, 1, 30, 31, 32, 60, 61, 62, 63, 90]
    for number, row in enumerate(tops):
        transform = Affine(2, 0, 5e5, 0, -2, 5e6 - row * SIDE * 2)
        write_scene(np.zeros((3, SIDE, SIDE), dtype=np.uint8), f"c{number}_img.tif", transform=transform)
        write_scene(np.zeros((1, SIDE, SIDE), dtype=np.uint8), f"c{number}_lab.tif", transform=transform)
    chips = find_chips(tmp_path, image="*_img.tif", labels="*_lab.tif")
    plan = replace(PLAN, bands=(1,), northing=True, held_out=0.15, validation=0.25)
    named = {split: sorted(chip.name for chip in part) for split, part in split_chips(chips, plan).items()}
    assert named == {"test": ["c9"], "val": ["c0", "c1"], "train": ["c2", "c3", "c4", "c5", "c6", "c7", "c8"]}
    with pytest.raises(LabelError, match="two are needed: lower --distance"):
        split_chips(chips, replace(plan, distance=1e5))


def test_kept_bands_get_names_and_none_is_alpha(folder):
    output = folder / "out"
    given = ["--image", "*_img.tif", "--labels", "*_lab.tif", "--bands", "1,2,3,4", "--names", "red,green,blue,nir"]
    done = CliRunner().invoke(main, [str(folder), "-o", str(output), *given, "--distance", "100"])
    assert done.exit_code == 0, done.output
    for path in output.glob("*_image.tif"):
        with open_scene(path, bands=("nir", "red")) as scene:
            assert scene.bands == ("nir", "red")
