import numpy as np
import pytest
import torch

from geoseg.config.loss import LossSettings
from geoseg.errors import ModelError
from geoseg.training.batches import TrainingBatch
from geoseg.training.distributed import Ranks
from geoseg.training.loop import FitPlan, Trainer, autocast, fit, predict_logits
from geoseg.training.losses import SegmentationLoss, target_of

PLAN = FitPlan(
    iterations=7,
    learning_rate=0.05,
    weight_decay=0.0,
    warmup=0,
    gradient_clip=1.0,
    ema_decay=0.5,
    precision="fp32",
)
CPU = torch.device("cpu")
ALONE = Ranks(device=CPU)
TWO_CLASSES = torch.eye(2, dtype=torch.bool)


def plain_loss(logits, labels):
    loss = SegmentationLoss(settings=LossSettings(), class_weights=None)
    return loss(logits, target_of(labels, TWO_CLASSES, ignored=255))


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 1), torch.nn.BatchNorm2d(4), torch.nn.Conv2d(4, 2, 1))


def batch_of(seed=0, *, known=True):
    labels = torch.randint(0, 2, (2, 8, 8), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    return TrainingBatch(
        images=labels[:, None].float() * 2 - 1, labels=labels if known else torch.full_like(labels, 255)
    )


def test_pauses_come_every_so_many_steps_and_after_the_last(network):
    steps, pauses = [], []
    trainer = Trainer(network, PLAN, plain_loss, ALONE)
    batches = [batch_of(seed) for seed in range(7)]
    fit(trainer, batches, every=3, after_step=lambda done, _: steps.append(done), at_pause=pauses.append)
    assert (steps, pauses) == ([1, 2, 3, 4, 5, 6, 7], [3, 6, 7])


def test_the_loss_falls(network):
    trainer = Trainer(network, PLAN, plain_loss, ALONE)
    losses = [trainer.step(batch_of()) for _ in range(7)]
    assert losses[-1] < losses[0]


def test_a_batch_without_a_known_pixel_moves_no_weight(network):
    trainer = Trainer(network, PLAN, plain_loss, ALONE)
    before = [parameter.clone() for parameter in network.parameters()]
    assert trainer.step(batch_of(known=False)) == 0
    assert all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


def test_predictions_come_chip_by_chip_with_their_labels(network):
    batches = [batch_of(1), batch_of(2)]
    pairs = list(predict_logits(network, batches, device=CPU, precision="fp32"))
    assert len(pairs) == 4
    assert all(logits.shape == (2, 8, 8) for logits, _ in pairs)
    assert np.array_equal(pairs[3][1], batches[1].labels[1].numpy())


def test_autocast_is_off_where_it_is_not_wanted():
    convolution = torch.nn.Conv2d(1, 1, 1)
    image = torch.zeros(1, 1, 4, 4)
    with autocast(CPU, "bf16"):
        assert convolution(image).dtype == torch.bfloat16
    with autocast(CPU, "fp32"):
        assert convolution(image).dtype == torch.float32


def test_a_loss_that_is_no_number_ends_the_training_before_the_weights_are_lost(network):
    trainer = Trainer(network, PLAN, plain_loss, ALONE)
    broken = batch_of()
    broken.images[0, 0, 0, 0] = float("inf")
    before = [parameter.clone() for parameter in network.parameters()]
    with pytest.raises(ModelError, match="the loss is nan after 0 steps"):
        trainer.step(broken)
    assert all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))
