"""What a run is put together from before its first step."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from geoseg.config.train import TrainSettings
from geoseg.data.chips import IGNORED
from geoseg.errors import ConfigError
from geoseg.models.build import build_network
from geoseg.models.device import choose_precision
from geoseg.models.probing import inspect_network
from geoseg.models.spec import NetworkSpec
from geoseg.models.transfer import start_from
from geoseg.models.zoo import load_model
from geoseg.training.distributed import Ranks
from geoseg.training.ground import Ground, label_shares
from geoseg.training.judging import Judge
from geoseg.training.loop import BatchLoss, FitPlan, Trainer
from geoseg.training.losses import SegmentationLoss, pixel_labels_of
from geoseg.training.packaging import PackageWriter
from geoseg.training.runs import RunDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The parts of a run that stay as they are."""

    settings: TrainSettings
    """What the user asked for."""

    ranks: Ranks
    """The processes that train together."""

    run: RunDirectory
    """Where results go."""

    ground: Ground
    """Open scenes."""

    @property
    def precision(self) -> str:
        """Of forward passes: fp32, bf16 or fp16."""
        return choose_precision(self.settings.precision, self.ranks.device)

    @property
    def judge(self) -> Judge:
        """Shows held-out ground to networks."""
        return Judge(
            self.ground.normalizer,
            side=self.settings.tile,
            gsd=self.settings.gsd,
            device=self.ranks.device,
            precision=self.precision,
        )

    @property
    def writer(self) -> PackageWriter:
        """Writes the package of the best weights."""
        return PackageWriter(
            settings=self.settings,
            spec=network_spec(self.settings),
            normalizer=self.ground.normalizer,
            label_shares=label_shares(self.ground),
            folder=self.run.best,
        )


def make_trainer(setup: Setup) -> Trainer:
    """Build the network, try it on a tile, and put it to work.

    Raises:
        ModelError: if it cannot be built, started from other weights, or does not take the tile.
        ConfigError: if the batch cannot be shared, or the loss names an unknown class.
    """
    settings, ranks = setup.settings, setup.ranks
    torch.manual_seed(settings.seed)
    spec = network_spec(settings)
    network = build_network(spec, encoder_weights=settings.network.encoder_weights)
    if settings.start is not None:
        start_from(network, load_model(settings.start), bands=settings.bands)
    inspect_network(network, spec, tile=settings.tile)
    if not ranks.first:
        torch.manual_seed(settings.seed + ranks.rank)  # dropout differs where chips do
    sample = torch.zeros(len(ranks.part_of(settings.batch_size)), spec.bands, settings.chip, settings.chip)
    _require_learnable(network, sample)
    return Trainer(network, _fit_plan(setup), batch_loss(setup.settings, setup.ground), ranks, sample=sample)


def network_spec(settings: TrainSettings) -> NetworkSpec:
    """How the network of some settings is built."""
    network = settings.network
    return NetworkSpec(
        architecture=network.architecture,
        encoder=network.encoder,
        bands=len(settings.bands),
        classes=len(settings.classes),
        options=network.options,
    )


def _require_learnable(network: nn.Module, sample: Tensor) -> None:
    """Refuse single chips of which a batch norm sees one value; torch would say so in the first step."""
    if len(sample) > 1:
        return
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            copy.deepcopy(network).train()(sample)
    except ValueError as error:
        raise ConfigError(
            f"batch_size: the network cannot learn from one chip of {sample.shape[-1]} px at a time "
            f"({error}): take 2 for each process, or larger chips"
        ) from error


def _fit_plan(setup: Setup) -> FitPlan:
    settings = setup.settings
    optimiser = settings.optimiser
    return FitPlan(
        iterations=settings.iterations,
        learning_rate=optimiser.learning_rate,
        weight_decay=optimiser.weight_decay,
        warmup=round(optimiser.warmup * settings.iterations),
        gradient_clip=optimiser.gradient_clip,
        ema_decay=optimiser.ema_decay,
        precision=setup.precision,
        parts=settings.accumulate,
    )


def batch_loss(settings: TrainSettings, ground: Ground) -> BatchLoss:
    """The loss of some settings, on labels of their ground.

    Raises:
        ConfigError: if it names an unknown class.
    """
    names = settings.class_map.names
    loss = SegmentationLoss.of(settings.loss, class_names=names, class_counts=ground.code_counts[: len(names)])
    members = torch.from_numpy(ground.sets.members)
    return lambda logits, labels: loss(logits, pixel_labels_of(labels, members, ignored=IGNORED))
