"""A tiny project to train on: two scenes with two easy classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from geoseg.config.settings import settings_from
from geoseg.config.train import TrainSettings


@dataclass(frozen=True)
class Project:
    """Scenes and settings to train on."""

    root: Path

    def settings(self, **changes):
        values = {
            "root": self.root,
            "name": "tiny",
            "title": "A tiny model",
            "sources": [
                {
                    "scene": "*_scene.tif",
                    "labels": "*_labels.tif",
                    "label_map": {1: "dark", 2: "bright"},
                    "split": split,
                }
                for split in ("train", "val", "test")
            ],
            "classes": [
                {"id": 4, "name": "dark", "colour": "#000000"},
                {"id": 2, "name": "bright", "colour": "#ffffff"},
            ],
            "bands": [1, 2],
            "gsd": 1.0,
            "network": {"encoder": "tu-test_resnet", "options": {"decoder_channels": [8, 8, 8, 8, 8]}},
            "tile": 64,
            "overlap": 32,
            "chip": 32,
            "batch_size": 2,
            "iterations": 6,
            "validate_every": 3,
            "precision": "fp32",
            "device": "cpu",
            "augment": {"gain": 0.02, "bias": 0.0, "gamma": 0.02, "gsd_jitter": [0.8, 1.2]},
            "optimiser": {"learning_rate": 0.02, "warmup": 0.0},
        }
        return settings_from(TrainSettings, values | changes, origin="test")


@pytest.fixture
def project(write_scene, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        labels = np.kron(rng.integers(1, 3, (8, 8), dtype=np.uint8), np.ones((12, 12), np.uint8))
        image = np.stack([labels * 80, 255 - labels * 60]) + rng.integers(0, 9, (2, 96, 96))
        transform = Affine(1, 0, 5e5, 0, -1, 5e6)
        write_scene(image.astype(np.uint8), f"{name}_scene.tif", transform=transform)
        write_scene(labels[None], f"{name}_labels.tif", transform=transform, nodata=255)
    return Project(root=tmp_path)
