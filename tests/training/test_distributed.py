"""Several processes train as one does. They meet through gloo on the CPU."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import ConfigError, ModelError
from geoseg.training.distributed import Ranks, is_first_process, joined, without_exchange

CPU = torch.device("cpu")

SCRIPT = textwrap.dedent(
    """
    import sys
    import torch
    from geoseg.config.loss import LossSettings
    from geoseg.training.batches import TrainingBatch
    from geoseg.training.distributed import Ranks, joined
    from geoseg.training.loop import FitPlan, Trainer
    from geoseg.training.losses import SegmentationLoss, pixel_labels_of


    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(2, 4, 3, padding=1)
            self.last = torch.nn.Conv2d(4, 3, 1)
            self.idle = torch.nn.Conv2d(4, 3, 1)  # as some encoders have layers that decoders do not use

        def forward(self, images):
            return self.last(torch.nn.functional.gelu(self.first(images)))


    def loss(logits, labels):
        weigh = SegmentationLoss(settings=LossSettings(dice=0), class_weights=None)
        return weigh(logits, pixel_labels_of(labels, torch.eye(3, dtype=torch.bool), ignored=255))


    def batch_of(iteration):
        generator = torch.Generator().manual_seed(iteration)
        labels = torch.randint(0, 3, (4, 8, 8), generator=generator).to(torch.uint8)
        labels[0, :5] = 255  # so the processes know unlike numbers of pixels
        return torch.randn(4, 2, 8, 8, generator=generator), labels


    def train(ranks, steps=3):
        torch.manual_seed(0)
        plan = FitPlan(iterations=steps, learning_rate=0.05, weight_decay=0.0, warmup=0, gradient_clip=1.0,
                       ema_decay=0.5, precision="fp32", parts=1)
        sample = torch.zeros(2, 2, 8, 8)
        trainer = Trainer(Network(), plan, loss, ranks, sample=sample)
        losses = []
        for iteration in range(steps):
            images, labels = batch_of(iteration)
            part = ranks.part_of(4)
            batch = TrainingBatch(images=images[part.start : part.stop], labels=labels[part.start : part.stop])
            losses.append(trainer.step(batch))
        assert ranks.told(ranks.rank if ranks.first else None) == 0
        assert ranks.gather(ranks.rank) == list(range(ranks.world))
        assert ranks.any(flag=ranks.rank == ranks.world - 1)
        return {"losses": torch.tensor(losses), "generators": trainer.state()["generators"],
                **trainer.network.state_dict()}


    if __name__ == "__main__":
        with joined("cpu") as ranks:
            torch.save(train(ranks), f"{sys.argv[1]}/{ranks.rank}.pt")
    """
)


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@given(st.integers(1, 6), st.integers(1, 6))
def test_the_processes_share_a_batch_without_gap_or_overlap(world, share):
    parts = [Ranks(device=CPU, rank=rank, world=world).part_of(world * share) for rank in range(world)]
    assert [slot for part in parts for slot in part] == list(range(world * share))


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(ConfigError, match="8 chips cannot be shared evenly by 3 processes: take a multiple of 3"):
        Ranks(device=CPU, world=3).part_of(8)


def test_alone_nothing_is_exchanged(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    network = torch.nn.Conv2d(1, 1, 1)
    with joined("cpu") as ranks:
        assert ranks == Ranks(device=CPU)
        assert (ranks.first, ranks.total(3), ranks.any(flag=False), ranks.gather("a"), ranks.told(4)) == (
            True,
            3,
            False,
            ["a"],
            4,
        )
        assert ranks.parallel(network, torch.zeros(1)) is network
    with without_exchange(network):
        pass


def test_only_the_first_process_prints(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("RANK", "1")  # left over, without a launcher
    assert is_first_process()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not is_first_process()


def test_half_a_launcher_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ConfigError, match="RANK is not: start several processes with torchrun"), joined("cpu"):
        pass


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, str(script), str(tmp_path)],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    assert [process.wait(timeout=300) for process in started] == [0, 0]
    names: dict[str, object] = {"__name__": "alone"}
    exec(compile(SCRIPT, str(script), "exec"), names)  # noqa: S102 - the same training in this process
    with torch.random.fork_rng():
        alone = names["train"](Ranks(device=CPU))
    one, other = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert len(one.pop("generators")) == len(other.pop("generators")) == 2
    assert len(alone.pop("generators")) == 1
    for name, expected in alone.items():
        assert torch.equal(one[name], other[name]), name
        assert torch.allclose(one[name], expected, atol=1e-5), name


def test_a_run_goes_on_with_as_many_processes_as_began_it(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    names: dict[str, object] = {"__name__": "alone"}
    exec(compile(SCRIPT, "script.py", "exec"), names)  # noqa: S102 - as above
    plan = names["FitPlan"](
        iterations=1,
        learning_rate=0.1,
        weight_decay=0,
        warmup=0,
        gradient_clip=1,
        ema_decay=0,
        precision="fp32",
    )
    trainer = names["Trainer"](names["Network"](), plan, names["loss"], Ranks(device=CPU))
    state = trainer.state()
    state["generators"] = state["generators"] * 2
    with pytest.raises(ModelError, match="was begun by 2 processes: resume it with as many"):
        trainer.load_state(state)
