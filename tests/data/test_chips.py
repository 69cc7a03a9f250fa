import numpy as np
import pytest

from geoseg.data.chips import IGNORED, Chip, resize_chip
from geoseg.errors import LabelError


def chip_of(size, *, valid=True, seed=0):
    rng = np.random.default_rng(seed)
    return Chip(
        image=rng.integers(1, 200, (3, size, size), dtype=np.uint8),
        labels=rng.integers(0, 4, (size, size), dtype=np.uint8),
        valid=np.full((size, size), valid),
    )


def test_a_chip_whose_parts_differ_in_size_is_refused():
    with pytest.raises(LabelError, match="do not cover the same pixels"):
        Chip(image=np.zeros((1, 4, 4)), labels=np.zeros((4, 4), np.uint8), valid=np.ones((4, 5), np.bool_))


def test_a_chip_of_the_right_size_stays_as_it_is():
    chip = chip_of(8)
    assert resize_chip(chip, 8) is chip


@pytest.mark.parametrize("size", [5, 16, 31, 64])
def test_flat_ground_stays_flat_at_any_size(size):
    chip = Chip(
        image=np.full((2, 32, 32), 77, dtype=np.uint16),
        labels=np.full((32, 32), 2, dtype=np.uint8),
        valid=np.ones((32, 32), dtype=np.bool_),
    )
    resized = resize_chip(chip, size)
    assert resized.image.shape == (2, size, size)
    assert np.allclose(resized.image, 77, rtol=1e-5)
    assert (resized.labels == 2).all()
    assert resized.valid.all()


def test_nodata_does_not_bleed_into_the_image():
    image = np.full((1, 32, 32), 100.0, dtype=np.float32)
    valid = np.ones((32, 32), dtype=np.bool_)
    valid[:, 20:] = False
    image[:, :, 20:] = np.nan
    labels = np.where(valid, 1, IGNORED).astype(np.uint8)
    resized = resize_chip(Chip(image=image, labels=labels, valid=valid), 13)
    assert np.allclose(resized.image[0][resized.valid], 100)
    assert 0 < resized.valid.sum() < resized.valid.size
    assert np.array_equal(resized.labels == IGNORED, ~resized.valid)


def test_labels_are_never_mixed_and_lie_where_the_image_does():
    labels = np.zeros((60, 60), dtype=np.uint8)
    labels[:, 30:] = 3
    image = labels[None].astype(np.float32)
    resized = resize_chip(Chip(image=image, labels=labels, valid=np.ones((60, 60), dtype=np.bool_)), 20)
    assert set(np.unique(resized.labels)) == {0, 3}
    assert (np.abs(resized.image[0] - resized.labels) <= 1.5).all()
    assert np.array_equal(resized.image[0] >= 1.5, resized.labels == 3)


def test_a_chip_without_a_valid_pixel_stays_invalid():
    resized = resize_chip(chip_of(16, valid=False), 7)
    assert not resized.valid.any()
    assert np.isfinite(resized.image).all()
