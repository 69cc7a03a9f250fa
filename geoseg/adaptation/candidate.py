"""What adapters give: other weights, other curves, and where they come from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from geoseg.adaptation.assignment import Assignment
from geoseg.config.adapt import AdaptSettings
from geoseg.models.package import ModelPackage
from geoseg.raster.curves import BandCurve
from geoseg.shift.forward import Forward
from geoseg.shift.windows import WindowSample
from geoseg.training.batches import TrainingBatch
from geoseg.training.loop import BatchLoss


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A model that an adapter proposes."""

    adapter: str
    """Name of the adapter; source for the model as it was."""

    label: str
    """Unique, as in file names: selftrain-75."""

    state: Mapping[str, Tensor]
    """Weights and buffers of the network, on the CPU, not shared with it."""

    curves: tuple[BandCurve, ...] = ()
    """Of the normaliser; empty = those of the model as it was."""

    parameters: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    """What it was made with."""

    seconds: float = 0.0
    """Since its adapter began."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceGround:
    """Labelled ground that the model was trained on, as the user gave it."""

    maker: Callable[[int], TrainingBatch]
    """Makes the batch of any step: normalised as the package does, `batch_size` chips of side `side`."""

    loss: BatchLoss
    """Of the network on such a batch, labels by their codes."""

    chips: NDArray[np.float32]
    """(n, bands, side, side) held-out chips, scaled."""

    valid: NDArray[np.bool_]
    """(n, side, side), True = usable."""

    labels: NDArray[np.uint8]
    """(n, side, side), label code, 255 = unknown."""

    members: NDArray[np.bool_]
    """(codes, classes), True where a class is one of a code's; the first codes are the single classes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """A model, ground without labels, and what else is known."""

    package: ModelPackage
    """As it was."""

    target: WindowSample
    """To learn from."""

    settings: AdaptSettings
    """What the user asked for."""

    source: SourceGround | None
    """Where the user gave it."""

    forward: Forward
    """How networks are run."""

    assignment: Assignment | None = None
    """What the bands of the target were found to be, where the package is made for that already."""

    def network(self, candidate: Candidate | None = None) -> nn.Module:
        """A network of its own, with the weights of a candidate or of the package, on the device, in eval mode."""
        network = copy.deepcopy(self.package.network)
        if candidate is not None:
            network.load_state_dict(dict(candidate.state))
        return network.to(self.forward.device).eval()

    def with_curves(self, curves: tuple[BandCurve, ...]) -> Problem:
        """The same on other curves."""
        normalizer = replace(self.package.normalizer, curves=curves)
        return replace(self, package=replace(self.package, normalizer=normalizer))


class Adapter(Protocol):
    """A way to make candidates."""

    @property
    def name(self) -> str:
        """As in `--method`."""

    def refusal(self, problem: Problem) -> str | None:
        """Why it cannot be used here, one sentence; None where it can."""

    def candidates(self, problem: Problem, seconds: float) -> Iterator[Candidate]:
        """Candidates, one after the other; it stops by itself when `seconds` are over.

        The same problem gives the same candidates, bit for bit, unless it stopped early.
        """


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """A copy of weights and buffers on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
