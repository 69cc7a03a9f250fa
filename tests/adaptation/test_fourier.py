"""Low frequencies change places, phases do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.adaptation.fourier import filled, fourier_style
from geoseg.errors import ConfigError

BETAS = st.sampled_from([0.001, 0.01, 0.05, 0.09, 0.26, 0.5])
SIZES = st.tuples(st.integers(8, 33), st.integers(8, 33))


def images(height, width, seed, *, brighter=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, height, width, generator=generator) + 0.1 + brighter


def by_centred_square(source, target, beta):
    """The paper's way on numbers above 0: whole complex spectra, the mean in their middle."""
    height, width = source.shape[-2:]
    half = math.floor(beta * min(height, width))
    spectrum = np.fft.fftshift(np.fft.fft2(source.double().numpy()), axes=(-2, -1))
    other = np.fft.fftshift(np.fft.fft2(target.double().numpy()), axes=(-2, -1))
    amplitude, phase = np.abs(spectrum), np.angle(spectrum)
    rows = slice(max(0, height // 2 - half), height // 2 + half + 1)
    cols = slice(max(0, width // 2 - half), width // 2 + half + 1)
    amplitude[..., rows, cols] = np.abs(other)[..., rows, cols]
    mixed = np.fft.ifftshift(amplitude * np.exp(1j * phase), axes=(-2, -1))
    return np.fft.ifft2(mixed).real


@given(size=SIZES, seed=st.integers(0, 99))
def test_beta_of_zero_is_the_identity_bit_for_bit(size, seed):
    source = images(*size, seed)
    assert torch.equal(fourier_style(source, images(*size, seed + 1), beta=0), source)


@given(size=SIZES, seed=st.integers(0, 99), beta=st.sampled_from([0.001, 0.01, 0.05, 0.09, 0.26, 0.4]))
def test_half_spectra_give_what_whole_ones_give(size, seed, beta):
    source, target = images(*size, seed), images(*size, seed + 1, brighter=0.5)
    np.testing.assert_allclose(
        fourier_style(source, target, beta=beta).numpy(), by_centred_square(source, target, beta), atol=2e-5
    )


@given(size=SIZES, seed=st.integers(0, 99), beta=BETAS)
def test_phases_are_kept(size, seed, beta):
    source = images(*size, seed)
    before = torch.fft.fft2(source)
    after = torch.fft.fft2(fourier_style(source, images(*size, seed + 1), beta=beta))
    turned = (after * before.conj()).angle().abs() * ((before.abs() > 1e-3) & (after.abs() > 1e-3))
    assert turned.max() < 1e-2


@given(size=SIZES, seed=st.integers(0, 99), beta=BETAS)
def test_high_frequencies_keep_their_energy_and_low_ones_take_the_targets(size, seed, beta):
    source, target = images(*size, seed), images(*size, seed + 1)
    height, width = size
    half = math.floor(beta * min(size))
    rows, cols = torch.fft.fftfreq(height) * height, torch.fft.fftfreq(width) * width
    low = (rows.abs().round() <= half)[:, None] & (cols.abs().round() <= half)
    spectra = [torch.fft.fft2(each).abs() for each in (fourier_style(source, target, beta=beta), source, target)]
    assert torch.allclose(spectra[0][..., ~low], spectra[1][..., ~low], atol=2e-3)
    assert torch.allclose(spectra[0][..., low], spectra[2][..., low], atol=2e-3)


@given(seed=st.integers(0, 99), beta=BETAS, gain=st.floats(0.2, 4), offset=st.floats(-3, 3))
def test_gain_and_offset_of_a_band_may_come_before_or_after(seed, beta, gain, offset):
    source, target = images(16, 16, seed), images(16, 16, seed + 1, brighter=0.7)
    after = fourier_style(source, target, beta=beta) * gain + offset
    before = fourier_style(source * gain + offset, target * gain + offset, beta=beta)
    assert torch.allclose(after, before, atol=1e-4)


def test_an_image_styled_as_itself_stays_as_it_is():
    source = images(32, 32, 3)
    assert torch.allclose(fourier_style(source, source, beta=0.1), source, atol=1e-5)


@pytest.mark.parametrize("beta", [-0.01, 0.51])
def test_a_beta_outside_of_its_limits_is_an_error(beta):
    with pytest.raises(ConfigError, match="give 0 to"):
        fourier_style(images(8, 8, 0), images(8, 8, 1), beta=beta)


def test_what_is_not_valid_takes_the_mean_of_its_band():
    source = images(8, 8, 0)
    valid = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(1)) > 0.4
    changed = filled(torch.where(valid.unsqueeze(1), source, torch.nan).nan_to_num(1e6), valid)
    for image, whole, usable in zip(changed, source, valid, strict=True):
        assert torch.equal(image[:, usable], whole[:, usable])
        expected = whole[:, usable].mean(dim=1, keepdim=True).expand(-1, int((~usable).sum()))
        assert torch.allclose(image[:, ~usable], expected, atol=1e-6)
    assert not filled(source, torch.zeros_like(valid)).any()
