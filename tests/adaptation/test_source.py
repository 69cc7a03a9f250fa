from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from geoseg.adaptation.source import held_out_chips, open_source
from geoseg.config.adapt import AdaptSettings
from geoseg.config.settings import settings_from
from geoseg.config.train import TrainSettings
from geoseg.data.chips import Chip
from geoseg.data.sampling import Region
from geoseg.errors import ConfigError
from geoseg.models.zoo import load_model
from geoseg.raster.curves import BandCurve
from geoseg.window import Window


@pytest.fixture
def package(tiny_model):
    return load_model(tiny_model)


@pytest.fixture
def settings(tiny_model):
    return AdaptSettings(model=str(tiny_model), side=64, batch_size=2)


@pytest.fixture
def source(write_scene, tmp_path, legend):
    """A scene whose left half is to learn from, and one to validate on; forest and crop are one value there."""
    rng = np.random.default_rng(0)
    for name in ("train", "val"):
        labels = np.kron(rng.integers(0, 3, (16, 16), dtype=np.uint8), np.ones((12, 12), np.uint8))
        image = np.stack([labels * 80] * 3) + rng.integers(0, 9, (3, 192, 192))
        write_scene(image.astype(np.uint8), f"{name}_scene.tif")
        write_scene(labels[None], f"{name}_labels.tif", nodata=255)

    def make(**changes):
        values = {
            "root": tmp_path,
            "name": "tiny",
            "sources": [
                {
                    "scene": f"{split}_scene.tif",
                    "labels": f"{split}_labels.tif",
                    "label_map": {0: "water", 1: ["forest"], 2: ["crop"] if split == "train" else ["forest", "crop"]},
                    "split": split,
                    "bands": [1, 2, 3],
                }
                for split in ("train", "val")
            ],
            "classes": [{"id": entry.id, "name": entry.name, "colour": "#000000"} for entry in legend.classes],
            "bands": ["red", "green", "blue"],
            "gsd": 2.0,
            "device": "cpu",
            "augment": {"gain": 1.5, "bias": 0.0, "noise": 0.5},
        }
        return settings_from(TrainSettings, values | changes, origin="test")

    return make


def test_batches_are_normalised_as_the_package_does_without_its_curves(source, package, settings):
    curves = (BandCurve(knots=(0.0, 1.0), values=(5.0, 9.0)),) * 3
    curved = replace(package, normalizer=replace(package.normalizer, curves=curves))
    with open_source(source(), package, settings) as plain, open_source(source(), curved, settings) as other:
        batch = plain.maker(3)
        assert torch.equal(batch.images, other.maker(3).images)
        assert batch.images.shape == (2, 3, 64, 64)
        assert batch.labels.shape == (2, 64, 64)
        assert batch.images.abs().max() < 4  # of -2 to 3, augmented modestly
        logits = torch.zeros(2, 3, 64, 64, requires_grad=True)
        assert plain.loss(logits, batch.labels).item() > 0


def test_held_out_chips_are_scaled_and_carry_codes(source, package, settings):
    with open_source(source(), package, settings) as ground:
        assert ground.chips.shape == (9, 3, 64, 64)
        assert 0 <= ground.chips.min() < ground.chips.max() <= 1
        assert ground.members.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]]
        assert set(np.unique(ground.labels)) == {0, 1, 3}
        assert ground.valid.all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bands": ["red", "green", "nir"]}, "its bands are red, green, nir, those of the model tiny red, green, blue"),
        (
            {
                "classes": [
                    {"id": number, "name": name, "colour": "#000000"}
                    for number, name in enumerate(("water", "forest", "field"))
                ]
            },
            "its classes are water, forest, field, those of the model tiny water, forest, crop",
        ),
    ],
)
def test_ground_of_another_model_is_refused_before_it_is_read(source, package, settings, changes, message):
    with pytest.raises(ConfigError, match=message), open_source(source(**changes), package, settings):
        pass


class FakeGround:
    """A scene whose labels are known in its upper half."""

    def __init__(self, chip):
        self.chip = chip
        self.reads = 0

    def read(self, window, *, within):
        self.reads += 1
        return self.chip(window, within)


def test_chips_are_spread_over_the_ground_and_no_more_is_read_than_needed():
    seen = []

    def chip(window, within):
        seen.append(window)
        assert within.height == 640
        labels = np.full(window.shape, 1 if window.row < 320 else 255, dtype=np.uint8)
        return Chip(image=np.ones((1, *window.shape), np.uint8), labels=labels, valid=np.ones(window.shape, bool))

    region = Region(scene=FakeGround(chip), window=Window(row=0, col=0, height=640, width=640), scale=1, gsd=1)
    found = held_out_chips([region], side=64, gsd=1, most=10)
    assert 5 <= len(found) <= 10
    assert region.scene.reads <= 20
    assert {window.row for window in seen} >= {0, 128, 256}
