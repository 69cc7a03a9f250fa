import numpy as np
import pytest

from geoseg.training.calibrate import fit_temperature, thin_out


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_overconfident_logits_is_found(temperature):
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 1.5, (20_000, 4))
    shares = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    labels = (shares.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1).clip(max=3)
    assert fit_temperature(honest * temperature, labels) == pytest.approx(temperature, rel=0.08)


def test_no_pixels_leave_the_temperature_at_one():
    assert fit_temperature(*thin_out([], ignored=255)) == 1


def test_only_known_pixels_are_kept_with_their_own_logits():
    labels = np.random.default_rng(1).integers(0, 3, (10, 12)).astype(np.uint8)
    labels[::2] = 255
    logits = np.stack([labels, labels + 1.0, labels + 2.0]).astype(np.float32)
    kept, at = thin_out([(logits, labels), (logits, labels)], ignored=255, every=7)
    assert len(kept) == len(at) == 2 * len(range(0, 60, 7))
    assert (at < 255).all()
    assert np.array_equal(kept[:, 0], at)
