from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg.georef import GeoRef
from geoseg.inference.decide import Decision
from geoseg.predict.layers import Layers
from geoseg.window import Window


@pytest.fixture
def grid() -> GeoRef:
    crs = rasterio.crs.CRS.from_epsg(32633).to_wkt()
    return GeoRef(crs=crs, transform=Affine(2, 0, 5e5, 0, -2, 5e6), height=30, width=50)


def decision_of(window, class_ids, confidence):
    rows, cols = window.slices_in(Window.of_shape(*class_ids.shape))
    planes = np.stack([confidence, class_ids])
    return Decision(
        window=window,
        class_ids=class_ids[rows, cols],
        confidence=confidence[rows, cols],
        probabilities=planes[:, rows, cols],
    )


def test_blocks_side_by_side_make_the_same_rasters_as_one_block(tmp_path, grid, legend):
    rng = np.random.default_rng(3)
    class_ids = rng.choice(np.array([0, 3, 7, 255], dtype=np.uint8), grid.window.shape)
    confidence = np.where(class_ids == 255, 255, rng.integers(0, 101, grid.window.shape)).astype(np.uint8)
    quarters = [Window.between(top, top + 15, left, right) for top in (0, 15) for left, right in ((0, 32), (32, 50))]

    totals = []
    for folder, windows in (("whole", [grid.window]), ("quarters", quarters)):
        (tmp_path / folder).mkdir()
        paths = {layer: tmp_path / folder / f"{layer}.tif" for layer in ("classes", "confidence")}
        with ExitStack() as stack:
            layers = Layers(grid, legend, paths, stack)
            for window in windows:
                layers.write(decision_of(window, class_ids, confidence))
        totals.append(layers.totals())

    for layer, expected in (("classes", class_ids), ("confidence", confidence)):
        one, four = (tmp_path / folder / f"{layer}.tif" for folder in ("whole", "quarters"))
        assert one.read_bytes() == four.read_bytes()
        with rasterio.open(four) as dataset:
            np.testing.assert_array_equal(dataset.read(1), expected)
    assert [total.pixels for total in totals[1]] == [int((class_ids == entry.id).sum()) for entry in legend.classes]
    assert [total.pixels for total in totals[0]] == [total.pixels for total in totals[1]]
    for one, four in zip(*totals, strict=True):
        assert one.area_m2 == pytest.approx(four.area_m2)
        assert four.confidence == pytest.approx(confidence[class_ids == four.class_id].mean() / 100)


def test_a_class_without_pixels_has_no_confidence(tmp_path, grid, legend):
    class_ids = np.full(grid.window.shape, 3, dtype=np.uint8)
    paths = {layer: tmp_path / f"{layer}.tif" for layer in ("classes", "confidence")}
    with ExitStack() as stack:
        layers = Layers(grid, legend, paths, stack)
        layers.write(decision_of(grid.window, class_ids, np.full_like(class_ids, 80)))

    water, forest, _ = layers.totals()

    assert (water.pixels, water.confidence) == (0, None)
    assert (forest.pixels, forest.confidence) == (1500, 0.8)
