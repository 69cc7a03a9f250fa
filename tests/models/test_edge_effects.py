import pytest
import torch
from torch import nn
from torch.nn import functional

from geoseg.models.build import build_network
from geoseg.models.calibration import Calibration
from geoseg.models.edge_effects import measure_context
from geoseg.models.noise import smooth_noise
from geoseg.models.spec import NetworkSpec

BANDS, CLASSES = 2, 3
SPEC = NetworkSpec(architecture="handmade", encoder="none", bands=BANDS, classes=CLASSES)


def conv(inputs, outputs, side=3, **options):
    return nn.Conv2d(inputs, outputs, side, padding=options.pop("padding", side // 2), **options)


def stack(count, side=3):
    return nn.Sequential(conv(BANDS, CLASSES, side), *[conv(CLASSES, CLASSES, side) for _ in range(count - 1)])


class Gated(nn.Module):
    """Squeeze and excitation: each channel times what its mean over the image says."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate = conv(BANDS, CLASSES), nn.Conv2d(CLASSES, CLASSES, 1)

    def forward(self, images):
        found = self.conv(images)
        return found * torch.sigmoid(self.gate(found.mean(dim=(2, 3), keepdim=True)))


class Coarse(nn.Module):
    """Halves the image, looks around, and enlarges it again."""

    def __init__(self, **enlarging):
        super().__init__()
        self.down = conv(BANDS, 4, stride=2)
        self.look, self.head, self.enlarging = conv(4, 4), conv(4, CLASSES), enlarging

    def forward(self, images):
        found = functional.relu(self.look(functional.max_pool2d(functional.relu(self.down(images)), 2)))
        return self.head(functional.interpolate(found, size=images.shape[2:], **self.enlarging))


class Placed(nn.Module):
    """Adds a number that depends on the column."""

    def __init__(self):
        super().__init__()
        self.conv = conv(BANDS, CLASSES)

    def forward(self, images):
        return self.conv(images) + torch.linspace(0, 1, images.shape[3])


class Covering(Gated):
    """Gated by what no NaN gets through."""

    def forward(self, images):
        found = self.conv(images)
        return found * torch.sigmoid(self.gate(torch.nan_to_num(found).mean(dim=(2, 3), keepdim=True)))


def measured(network, tile=64, spec=SPEC, **options):
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5)
    return measure_context(network, spec, tile=tile, **options)


def radius_by_perturbation(network, side, line):
    """The farthest from a line that outputs change where one pixel beyond it does, over all pixels beyond it."""
    torch.manual_seed(1)
    image, farthest = torch.randn(1, BANDS, 32, side, dtype=torch.float64), 0
    network = network.double().eval()
    with torch.inference_mode():
        before = network(image)
        for col in range(line):
            changed = image.clone()
            changed[..., col] += 1e3 * torch.randn(1, BANDS, 32)
            touched = torch.nonzero((network(changed) != before).any(dim=(0, 1, 2))[line:])
            farthest = max(farthest, int(touched.max()) + 1 if len(touched) else 0)
    return farthest


@pytest.mark.parametrize(("count", "side"), [(1, 1), (1, 3), (2, 3), (7, 3), (3, 7)])
def test_the_radius_of_convolutions_is_the_sum_of_their_reaches(count, side):
    assert measured(stack(count, side)).radius == count * (side // 2)


@pytest.mark.parametrize("enlarging", [{"mode": "nearest"}, {"mode": "bilinear"}])
def test_the_radius_is_the_farthest_that_a_change_is_felt(enlarging):
    network = Coarse(**enlarging)
    radius = measured(network).radius
    assert radius_by_perturbation(network, 96, line=64) <= radius <= 20
    assert radius_by_perturbation(network, 96, line=64) >= radius - 1  # an interpolation may give a pixel no weight


@pytest.mark.parametrize(
    "network",
    [
        Gated(),
        nn.Sequential(conv(BANDS, CLASSES), nn.InstanceNorm2d(CLASSES, affine=True)),
        nn.Sequential(conv(BANDS, CLASSES), nn.GroupNorm(1, CLASSES)),
        Placed(),
        Covering(),
        Coarse(mode="bilinear", align_corners=True),
    ],
    ids=["gated", "instance norm", "group norm", "placed", "covering", "corners"],
)
def test_a_network_that_sees_all_of_the_tile_or_its_place_in_it_has_no_radius(network):
    assert measured(network).radius is None


def test_a_reach_of_hundreds_of_pixels_is_not_taken_for_all():
    wide = nn.Sequential(conv(BANDS, CLASSES), conv(CLASSES, CLASSES, dilation=640, padding=640))
    assert measured(wide).radius == 641


@pytest.mark.parametrize(("architecture", "bounded"), [("unet", True), ("linknet", True), ("pspnet", False)])
def test_networks_of_smp_have_a_radius_unless_they_pool_over_the_image(architecture, bounded):
    spec = NetworkSpec(architecture=architecture, encoder="tu-test_resnet", bands=BANDS, classes=CLASSES)
    context = measure_context(build_network(spec), spec, tile=64)
    assert (context.radius is not None) == bounded


def test_no_label_differs_farther_from_the_edge_than_the_radius():
    context = measured(stack(4, 7), tile=128)
    assert context.radius == 12
    assert context.labels[0] > 0
    assert context.labels[1:] == (0,) * 3
    assert max(context.probabilities[1:]) < 1e-5


def test_the_curve_counts_the_labels_that_a_naive_loop_finds():
    network = stack(3, 9).eval()
    context = measured(network, tile=64)
    images = smooth_noise((3, BANDS, 128, 128), seed=21)
    differ = torch.zeros(2)
    with torch.inference_mode():
        for image in images.split(1):
            whole = network(image)[0, :, 32:96, 32:96].argmax(dim=0)
            part = network(image[..., 32:96, 32:96])[0].argmax(dim=0)
            for row, col in torch.nonzero(whole != part).tolist():
                differ[min(row, col, 63 - row, 63 - col) // 16] += 1
    pixels = 3 * torch.tensor([64 * 64 - 32 * 32, 32 * 32])
    assert differ.sum() > 0
    assert context.labels == pytest.approx((differ / pixels).tolist(), abs=1e-5)


def test_calibration_counts():
    network = stack(1)
    sure = measured(network, calibration=Calibration(bias=(1e6, 0.0, 0.0)))
    assert set(sure.labels) == {0.0}
    assert max(measured(network).labels) > 0


def test_a_network_that_takes_squares_alone_has_curves_and_no_radius():
    class Square(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = conv(BANDS, CLASSES)

        def forward(self, images):
            assert images.shape[2] == images.shape[3], "only squares"
            return self.conv(images)

    context = measured(Square())
    assert context.radius is None
    assert context.labels[0] > context.labels[1] == 0


def test_a_network_that_takes_one_size_alone_has_no_context():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = conv(BANDS, CLASSES)

        def forward(self, images):
            if images.shape[2:] != (64, 64):
                raise RuntimeError("only 64")
            return self.conv(images)

    assert measured(Fixed()) is None


def test_measuring_changes_nothing_of_the_network():
    network = nn.Sequential(conv(BANDS, CLASSES), nn.BatchNorm2d(CLASSES)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    measure_context(network, SPEC, tile=64)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_same_network_is_measured_the_same_again():
    assert measured(stack(2)) == measured(stack(2))
