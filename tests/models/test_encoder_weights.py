import logging

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import ModelError
from geoseg.models import catalogue
from geoseg.models.build import build_network
from geoseg.models.encoder_weights import adapt_bands, fill_encoder
from geoseg.models.spec import NetworkSpec


def network_of(encoder="tu-test_resnet", bands=3):
    return build_network(NetworkSpec(architecture="unet", encoder=encoder, bands=bands, classes=2))


def create_timm(name):
    return catalogue.smp().encoders.timm.create_model(name)


def same(encoder, other):
    mine, theirs = encoder.state_dict(), other.state_dict()
    return [name for name in mine if torch.equal(mine[name], theirs[name])]


@pytest.mark.parametrize("prefix", ["", "encoder.", "model.encoder.", "module.", "backbone."])
def test_what_stands_before_the_names_does_not_matter(prefix):
    source, encoder = network_of().encoder, network_of().encoder
    state = {prefix + name: tensor for name, tensor in source.state_dict().items()}
    fill_encoder(encoder, state, bands=3, origin="file")
    assert same(encoder, source) == list(encoder.state_dict())


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_efficientnet", "pvt_v2_b0"])
def test_the_weights_of_a_whole_timm_model_fit(name, caplog):
    source, encoder = create_timm(name), network_of(f"tu-{name}").encoder
    with caplog.at_level(logging.WARNING, "geoseg"):
        fill_encoder(encoder, source.state_dict(), bands=3, origin="file")
    assert not caplog.records
    values = {float(tensor.double().sum()) for tensor in source.state_dict().values()}
    assert {float(tensor.double().sum()) for tensor in encoder.state_dict().values()} <= values


def test_of_a_whole_network_only_the_encoder_is_taken():
    source, encoder = network_of(), network_of().encoder
    fill_encoder(encoder, source.state_dict(), bands=3, origin="file")
    assert same(encoder, source.encoder) == list(encoder.state_dict())


def test_the_weights_of_another_encoder_are_refused_with_how_many_fit():
    with pytest.raises(ModelError, match=r"file: \d+ of \d+ tensors of the encoder fit, at least half must"):
        fill_encoder(network_of().encoder, create_timm("test_vit").state_dict(), bands=3, origin="file")


@pytest.mark.parametrize(("kept", "fits"), [(0.4, False), (0.7, True)])
def test_half_of_the_tensors_must_fit_and_the_rest_is_told(kept, fits, caplog):
    state = {name: value for name, value in network_of().encoder.state_dict().items() if "num_batches" not in name}
    some = dict(list(state.items())[: int(len(state) * kept)])
    if not fits:
        with pytest.raises(ModelError, match="at least half must"):
            fill_encoder(network_of().encoder, some, bands=3, origin="file")
        return
    with caplog.at_level(logging.WARNING, "geoseg"):
        fill_encoder(network_of().encoder, some, bands=3, origin="file")
    assert f"{len(state) - len(some)} of {len(state)} tensors" in caplog.text


@pytest.mark.parametrize("bands", [1, 2, 5])
def test_a_first_convolution_of_other_bands_is_adapted(bands, caplog):
    source, encoder = network_of(), network_of(bands=bands).encoder
    with caplog.at_level(logging.WARNING, "geoseg"):
        fill_encoder(encoder, source.encoder.state_dict(), bands=bands, origin="file")
    assert not caplog.records
    first = next(iter(encoder.state_dict().values()))
    assert torch.equal(first, adapt_bands(next(iter(source.encoder.state_dict().values())), bands))


@given(held=st.integers(1, 4), times=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_response_to_repeated_bands_stays(held, times, seed):
    torch.manual_seed(seed)
    kernel, image = torch.randn(4, held, 3, 3), torch.randn(1, held, 8, 8)
    expected = torch.nn.functional.conv2d(image, kernel)
    found = torch.nn.functional.conv2d(image.repeat(1, times, 1, 1), adapt_bands(kernel, held * times))
    assert torch.allclose(found, expected, atol=1e-4)


def test_the_response_to_grey_stays_with_one_band():
    kernel, grey = torch.randn(4, 3, 3, 3), torch.randn(1, 1, 8, 8)
    expected = torch.nn.functional.conv2d(grey.expand(1, 3, 8, 8), kernel)
    assert torch.allclose(torch.nn.functional.conv2d(grey, adapt_bands(kernel, 1)), expected, atol=1e-5)
