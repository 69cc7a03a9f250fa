"""Processes that train one network together, as torch's launcher starts them. Knows nothing of batches or files.

torchrun --nproc-per-node 2 -m geoseg train CONFIG -o DIR
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from geoseg.errors import ConfigError
from geoseg.models.device import choose_device

_LONGEST_WAIT = timedelta(days=1)  # the others wait while the first one validates

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """This process among those that train together; alone it answers at once.

    What is said of all processes must be called by all of them, in the same order.
    """

    device: torch.device
    """That of this process."""

    rank: int = 0
    """Of this process, from 0."""

    world: int = 1
    """How many there are."""

    @property
    def first(self) -> bool:
        """True in the one process that validates, writes and prints."""
        return self.rank == 0

    def part_of(self, size: int) -> range:
        """The places of a batch that this process fills.

        Raises:
            ConfigError: if the processes cannot share the batch evenly.
        """
        if size % self.world:
            raise ConfigError(
                f"batch_size: {size} chips cannot be shared evenly by {self.world} processes: "
                f"take a multiple of {self.world}"
            )
        share = size // self.world
        return range(self.rank * share, (self.rank + 1) * share)

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.world > 1:
            dist.all_reduce(value)
        return value

    def total(self, count: int) -> int:
        """The sum of a whole number over all processes."""
        return count if self.world == 1 else int(self.sum(torch.tensor(count, device=self.device)))

    def any(self, *, flag: bool) -> bool:
        """Whether it is so in any process."""
        return self.total(int(flag)) > 0

    def gather(self, value: T) -> list[T]:
        """What every process gives, in their order."""
        if self.world == 1:
            return [value]
        found: list[T] = [value] * self.world
        dist.all_gather_object(found, value)
        return found

    def told(self, value: T | None) -> T:
        """What the first process gives."""
        told: list[T | None] = [value]
        if self.world > 1:
            dist.broadcast_object_list(told, src=0)
        if told[0] is None:
            raise TypeError("the first process must give a value")
        return told[0]

    def parallel(self, network: nn.Module, sample: Tensor) -> nn.Module:
        """A network whose gradients are the mean over all processes; alone the network itself.

        Args:
            network: on the device of this process, the same in all of them.
            sample: a batch like those to come, to see which parameters get no gradient.
        """
        if self.world == 1:
            return network
        return DistributedDataParallel(network, find_unused_parameters=_has_idle_parameters(network, sample))


def without_exchange(network: nn.Module) -> AbstractContextManager[None]:
    """Within it gradients add up in each process on its own."""
    return network.no_sync() if isinstance(network, DistributedDataParallel) else nullcontext()


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Meet the other processes of a launcher; without one, be alone.

    Args:
        device: as in the settings; on several GPUs each process takes its own.

    Raises:
        ConfigError: if the launcher left out something, or there is no such device.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks(device=choose_device(device))
        return
    rank, local = (_number_of(name) for name in ("RANK", "LOCAL_RANK"))
    own = _own_device(device, local)
    dist.init_process_group("nccl" if own.type == "cuda" else "gloo", timeout=_LONGEST_WAIT)
    try:
        yield Ranks(device=own, rank=rank, world=world)
        dist.barrier()  # a process that leaves while another still talks to it takes that one down
    finally:
        dist.destroy_process_group()


def is_first_process() -> bool:
    """True in the one process that prints."""
    return os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK", "0") == "0"


def _number_of(name: str) -> int:
    if name not in os.environ:
        raise ConfigError(f"WORLD_SIZE is set but {name} is not: start several processes with torchrun, or unset it")
    return int(os.environ[name])


def _own_device(name: str, local: int) -> torch.device:
    device = choose_device(name)
    if device.type == "cpu":
        return device
    if device.type != "cuda" or ":" in name:
        raise ConfigError(f"device {name!r}: several processes train on cuda or cpu, each GPU with one of them")
    if local >= torch.cuda.device_count():
        raise ConfigError(f"{torch.cuda.device_count()} GPUs are too few: start as many processes as there are GPUs")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def _has_idle_parameters(network: nn.Module, sample: Tensor) -> bool:
    """Whether some parameter gets no gradient; neither the network nor torch's random numbers change."""
    twin = copy.deepcopy(network).train()
    with torch.random.fork_rng(devices=[sample.device] if sample.device.type == "cuda" else []):
        twin(sample).sum().backward()
    return any(parameter.grad is None for parameter in twin.parameters() if parameter.requires_grad)
