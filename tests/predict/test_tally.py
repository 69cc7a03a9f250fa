"""Counting run by run against counting each pixel by itself."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from geoseg.georef import GeoRef
from geoseg.inference.decide import Decision
from geoseg.predict.tally import Tally
from geoseg.window import Window

DEGREES = Affine(0.01, 0, 10, 0, -0.01, 60)


@given(seed=st.integers(0, 99), height=st.integers(1, 30), width=st.integers(1, 40), crs=st.sampled_from([4326, None]))
def test_totals_are_sums_over_pixels_whatever_the_windows(legend, seed, height, width, crs):
    wkt = None if crs is None else f'GEOGCRS["x",{_WGS84}]'
    georef = GeoRef(crs=wkt, transform=DEGREES, height=height, width=width)
    random = np.random.default_rng(seed)
    ids = random.choice([0, 3, 7, 255], p=[0.5, 0.3, 0.15, 0.05], size=(height, width)).astype(np.uint8)
    ids = np.maximum(ids, np.roll(ids, 1, axis=1))
    confidence = np.where(ids == 255, 255, random.integers(0, 101, (height, width))).astype(np.uint8)
    tally, cut = Tally(georef, legend), int(random.integers(0, height + 1))
    for top, bottom in ((0, cut), (cut, height)):
        if bottom > top:
            window = Window.between(top, bottom, 0, width)
            part = Decision(
                window=window, class_ids=ids[top:bottom], confidence=confidence[top:bottom], probabilities=None
            )
            tally.add(part)
    areas = georef.pixel_areas(georef.window)
    for total in tally.totals():
        there = ids == total.class_id
        assert total.pixels == there.sum()
        assert total.confidence == (pytest.approx(confidence[there].mean() / 100) if there.any() else None)
        assert total.area_m2 == (None if areas is None else pytest.approx(areas[there].sum(), rel=1e-12))


_WGS84 = (
    'DATUM["World Geodetic System 1984",ELLIPSOID["WGS 84",6378137,298.257223563]],CS[ellipsoidal,2],'
    'AXIS["longitude",east],AXIS["latitude",north],ANGLEUNIT["degree",0.0174532925199433]'
)
