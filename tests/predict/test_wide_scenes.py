"""A scene wider than a block is mapped in columns of blocks, with the bytes of one."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from geoseg.predict import memory_bound, predict_scene


@pytest.mark.parametrize(
    ("width", "most", "columns"),
    [(1000, 300, 4), pytest.param(40_000, None, 4, marks=pytest.mark.slow, id="40000-by-default")],
)
def test_a_map_of_columns_of_blocks_is_that_of_one_block(
    write_scene, tiny_model, tmp_path, monkeypatch, width, most, columns
):
    rng = np.random.default_rng(4)
    image = np.kron(rng.integers(1, 256, (3, 12, width // 8)), np.ones((1, 8, 8))).astype(np.uint8)
    scene = write_scene(image, nodata=0)
    told = []

    def mapped(name):
        options = {"model": str(tiny_model), "tile": 64 if most else 256, "vector": False, "probabilities": True}
        made = predict_scene(scene, tmp_path / name, progress=lambda *done: told.append(done), **options)
        return [made.class_raster, made.confidence, made.probabilities]

    if most:
        monkeypatch.setattr(memory_bound, "usual_width", lambda _shape: most)
    cut = mapped("cut")
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1] == told[-1][2] == columns * 96
    monkeypatch.setattr(memory_bound, "usual_width", lambda _shape: 10**6)
    whole = mapped("whole")
    assert told[-1][2] == 96
    for one, other in zip(cut, whole, strict=True):
        assert one.read_bytes() == other.read_bytes()
    with rasterio.open(whole[0]) as dataset:
        assert len(np.unique(dataset.read(1))) > 1
