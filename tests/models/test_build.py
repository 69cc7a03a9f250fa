import pytest
import torch

from geoseg.errors import ModelError
from geoseg.models.build import build_network
from geoseg.models.spec import NetworkSpec


def spec_of(**changes):
    known = {"architecture": "unet", "encoder": "tu-test_resnet", "bands": 5, "classes": 4}
    return NetworkSpec(**(known | changes))


@pytest.mark.parametrize(
    ("architecture", "encoder"),
    [("unet", "tu-test_resnet"), ("FPN", "tu-test_resnet"), ("segformer", "tu-test_efficientnet")],
)
def test_logits_have_one_plane_for_each_class_at_the_size_of_the_image(architecture, encoder):
    network = build_network(spec_of(architecture=architecture, encoder=encoder)).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 5, 64, 96)).shape == (2, 4, 64, 96)


def test_options_reach_the_architecture():
    wide = build_network(spec_of(options={"decoder_channels": (32, 32, 16, 16, 16)}))
    narrow = build_network(spec_of(options={"decoder_channels": (8, 8, 8, 8, 8)}))
    assert sum(p.numel() for p in narrow.parameters()) < sum(p.numel() for p in wide.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "unett"}, "unknown architecture 'unett': did you mean unet"),
        ({"encoder": "resnet181"}, "unknown encoder 'resnet181': did you mean resnet18"),
        ({"encoder": "tu-resnet181"}, "unknown timm encoder 'tu-resnet181': did you mean tu-resnet18"),
        ({"options": {"depth": 3}}, "unet has no option 'depth': it has .*encoder_depth"),
        ({"options": {"decoder_channels": (8, 8)}}, "unet with encoder tu-test_resnet cannot be built: "),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(changes, message):
    with pytest.raises(ModelError, match=message) as refused:
        build_network(spec_of(**changes))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("changes", [{"bands": 0}, {"classes": 0}])
def test_a_network_without_bands_or_classes_is_refused(changes):
    with pytest.raises(ModelError, match="at least 1 band and 1 class"):
        spec_of(**changes)
