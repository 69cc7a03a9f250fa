from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.config.loss import LossSettings
from geoseg.errors import ModelError
from geoseg.training.batches import TrainingBatch
from geoseg.training.distributed import Ranks
from geoseg.training.loop import FitPlan, Trainer, autocast, fit, is_pause, predict_logits
from geoseg.training.losses import SegmentationLoss, pixel_labels_of

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
    return loss(logits, pixel_labels_of(labels, TWO_CLASSES, ignored=255))


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


def test_a_fit_ends_where_it_is_told_to(network):
    batches = [batch_of(seed) for seed in range(7)]
    pauses = []
    trainer = Trainer(network, PLAN, plain_loss, ALONE)
    fit(trainer, batches, every=3, after_step=lambda done, _: done == 3, at_pause=pauses.append)
    assert (trainer.iteration, pauses) == (3, [])
    fit(trainer, batches, every=3, after_step=lambda *_: False, at_pause=lambda done: done == 6)
    assert trainer.iteration == 6


def test_a_run_that_has_not_begun_is_no_pause():
    assert [step for step in range(8) if is_pause(step, every=3, iterations=7)] == [3, 6, 7]


def entropy_loss(logits, labels):
    loss = SegmentationLoss(settings=LossSettings(dice=0), class_weights=None)
    return loss(logits, pixel_labels_of(labels, TWO_CLASSES, ignored=255))


def plain_network():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3, padding=1), torch.nn.GELU(), torch.nn.Conv2d(3, 2, 1))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 1000))
def test_a_batch_in_parts_moves_weights_as_the_whole_batch_does(chips, parts, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (chips, 6, 6), generator=generator).to(torch.uint8)
    labels[torch.rand(labels.shape, generator=generator) < torch.rand(chips, 1, 1, generator=generator)] = 255
    batch = TrainingBatch(images=torch.randn(chips, 1, 6, 6, generator=generator), labels=labels)
    found = []
    for plan in (PLAN, replace(PLAN, parts=parts)):
        trainer = Trainer(plain_network(), replace(plan, gradient_clip=1e9), entropy_loss, ALONE)
        loss = trainer.step(batch)
        found.append((loss, [parameter.grad for parameter in trainer.network.parameters()]))
    (whole_loss, whole), (parts_loss, in_parts) = found
    assert parts_loss == pytest.approx(whole_loss, abs=1e-5)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(whole, in_parts, strict=True))


def test_fp16_leaves_out_a_step_that_is_too_large_and_goes_on(network):
    trainer = Trainer(network, replace(PLAN, precision="fp16"), plain_loss, ALONE)
    broken = batch_of()
    broken.images[0, 0, 0, 0] = float("inf")
    before = [parameter.clone() for parameter in network.parameters()]
    teacher = [value.clone() for value in trainer.teacher.network.parameters()]
    scale = trainer.state()["scaler"]["scale"]
    trainer.step(broken)
    assert trainer.iteration == 1
    assert all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))
    assert all(torch.equal(old, new) for old, new in zip(teacher, trainer.teacher.network.parameters(), strict=True))
    assert trainer.state()["scaler"]["scale"] == scale / 2
    while torch.equal(before[0], next(iter(network.parameters()))):
        trainer.step(batch_of())
        assert trainer.iteration < 12
    assert all(torch.isfinite(value).all() for value in trainer.teacher.network.state_dict().values())


def test_fp16_goes_on_with_the_scale_it_had(network):
    plan = replace(PLAN, precision="fp16")
    trainer, resumed = (Trainer(network, plan, plain_loss, ALONE) for _ in range(2))
    broken = batch_of()
    broken.images[:] = float("inf")
    trainer.step(broken)
    resumed.load_state(trainer.state())
    assert resumed.state()["scaler"] == trainer.state()["scaler"]
    assert resumed.state()["skipped"] == 1


def test_fp16_that_never_fits_ends_in_one_line():
    network = torch.nn.Conv2d(1, 2, 1)
    trainer = Trainer(network, replace(PLAN, iterations=99, precision="fp16"), plain_loss, ALONE)
    broken = batch_of()
    broken.images[:] = float("inf")

    def step_on():
        while trainer.iteration < 40:
            trainer.step(broken)

    with pytest.raises(ModelError, match=r"no finite gradient in fp16: train with precision bf16") as ended:
        step_on()
    assert "\n" not in str(ended.value)
    assert trainer.iteration == 30
