"""Trains a model package from settings: the composition of sampling, loop, scores and run folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch import nn

from geoseg.config.predict import Progress
from geoseg.config.train import TrainSettings
from geoseg.data.augment import AugmentPlan
from geoseg.data.chips import IGNORED
from geoseg.data.sampling import ChipSampler, Region, SamplingPlan
from geoseg.errors import ConfigError, LabelError, ModelError
from geoseg.models.build import build_network
from geoseg.models.calibration import Calibration
from geoseg.models.device import choose_device, choose_precision
from geoseg.models.package import ModelPackage, save_package
from geoseg.models.spec import NetworkSpec
from geoseg.models.zoo import load_model
from geoseg.training.batches import BatchMaker, fit_normalizer, pixel_shares, prefetch, region_chips, stack_chips
from geoseg.training.calibrate import fit_temperature, thin_out
from geoseg.training.loop import (
    BatchLoss,
    FitPlan,
    LogitsWithLabels,
    Trainer,
    fit,
    predict_logits,
)
from geoseg.training.losses import SegmentationLoss, target_of
from geoseg.training.regions import close_regions, label_sets, open_regions
from geoseg.training.runs import RunDirectory, describe_environment
from geoseg.training.scoring import SourceCounter, SplitScore, by_source, summarize

_LOG_EVERY = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What came out of a training run."""

    package: Path
    """Folder of the best weights, a model package."""

    best_iteration: int
    """Steps after which they were taken."""

    validation: SplitScore
    """Of the best weights, on the regions they were chosen by."""

    test: SplitScore | None
    """Of the best weights, on the regions that were only scored; None where there are none."""


def train_model(
    settings: TrainSettings, output: Path, *, resume: bool = False, progress: Progress | None = None
) -> TrainingResult:
    """Train a network and keep the weights that score best on the validation regions.

    The run can be stopped at any time and resumed: what comes out is the same, bit for bit, on the CPU.

    Args:
        settings: what to learn, from what, and how.
        output: folder of the run: best/ (the model package), last/, metrics.jsonl, curve.png, config.yaml.
        resume: go on from last/.
        progress: called with what is being done, how much of it is done and how much there is.

    Raises:
        GeosegError: if settings, scenes or labels do not fit, or the folder cannot be used.
    """
    run = RunDirectory(output, resume=resume)
    with torch.random.fork_rng(devices=[]):
        session = _Session(settings, run)
        try:
            session.learn(resume=resume, progress=progress)
            return session.finish()
        finally:
            session.close()


class _Session:
    """One run in memory."""

    def __init__(self, settings: TrainSettings, run: RunDirectory) -> None:
        self._settings = settings
        self._run = run
        self._classes = settings.class_map
        self._sets = label_sets(settings)
        self._learnt = open_regions(settings, cache_mb=settings.cache_mb)
        self._scored = open_regions(settings, cache_mb=max(1, settings.cache_mb // 4))
        device = choose_device(settings.device)
        self._bf16 = choose_precision(settings.precision, device) == "bf16"
        if next(region_chips(self._scored["val"], side=settings.tile, gsd=settings.gsd), None) is None:
            raise LabelError("no pixel to validate on has a known class: check the sources with split val or blocks")
        self._sampler = ChipSampler(self._learnt["train"], _sampling_plan(settings), codes=len(self._sets.sets))
        self._normalizer = fit_normalizer(self._sampler, settings.scales)
        torch.manual_seed(settings.seed)
        self._spec = _network_spec(settings)
        network = build_network(self._spec, encoder_weights=settings.network.encoder_weights)
        if settings.start is not None:
            start_from(network, load_model(settings.start))
        self._trainer = Trainer(network, _fit_plan(settings, bf16=self._bf16), device, self._batch_loss())
        self._best = (0, -1.0)

    def _batch_loss(self) -> BatchLoss:
        names = self._classes.names
        counts = self._sampler.code_counts[: len(names)]
        loss = SegmentationLoss.of(self._settings.loss, class_names=names, class_counts=counts)
        members = torch.from_numpy(self._sets.members)
        return lambda logits, labels: loss(logits, target_of(labels, members, ignored=IGNORED))

    def close(self) -> None:
        """Close all scenes."""
        close_regions(self._learnt)
        close_regions(self._scored)

    def learn(self, *, resume: bool, progress: Progress | None) -> None:
        """Step through all iterations that are left."""
        settings, trainer = self._settings, self._trainer
        if resume:
            trainer.load_state(self._run.load_state())
            self._run.forget_after(trainer.iteration)
            self._best = _best_so_far(self._run.metrics())
        else:
            environment = describe_environment(trainer.device, bf16=self._bf16)
            self._run.describe(settings.model_dump(mode="json"), environment)
        make = BatchMaker(
            self._sampler,
            self._normalizer,
            _augment_plan(settings),
            size=settings.batch_size,
            seed=settings.seed,
        )
        started = time.monotonic()

        def after_step(iteration: int, loss: float) -> None:
            if iteration % _LOG_EVERY == 0:
                seconds = round(time.monotonic() - started, 1)
                self._run.log({"iteration": iteration, "loss": round(loss, 5), "seconds": seconds})
            if progress is not None:
                progress("training", iteration, settings.iterations)

        batches = prefetch(make, trainer.iteration, settings.iterations)
        fit(
            trainer,
            batches,
            every=settings.validate_every,
            after_step=after_step,
            at_pause=self._pause,
        )

    def finish(self) -> TrainingResult:
        """Calibrate and score the best weights, and write their package for good."""
        network = load_model(self._run.best).network.to(self._trainer.device)
        temperature = fit_temperature(*thin_out(self._single_class_logits(network), ignored=IGNORED))
        validation = self._score(network, self._scored["val"])
        test = self._score(network, self._scored["test"]) if self._scored["test"] else None
        scores: dict[str, object] = {"validation": summarize(validation)}
        if test is not None:
            scores |= summarize(test)
        self._save(network, temperature=temperature, scores=scores)
        self._run.draw_curve()
        return TrainingResult(package=self._run.best, best_iteration=self._best[0], validation=validation, test=test)

    def _pause(self, iteration: int) -> None:
        score = self._score(self._trainer.teacher.network, self._scored["val"])
        self._run.log({"iteration": iteration, "val_mean_iou": round(score.mean_iou, 4), "val": summarize(score)})
        if round(score.mean_iou, 4) > self._best[1]:
            self._best = (iteration, round(score.mean_iou, 4))
            self._save(self._trainer.teacher.network, temperature=1.0, scores={"validation": summarize(score)})
        self._run.save_state(self._trainer.state())

    def _logits(self, network: nn.Module, regions: Sequence[Region]) -> Iterator[LogitsWithLabels]:
        settings = self._settings
        chips = region_chips(regions, side=settings.tile, gsd=settings.gsd)
        batches = (stack_chips([chip], self._normalizer) for chip in chips)
        return predict_logits(network, batches, device=self._trainer.device, bf16=self._bf16)

    def _single_class_logits(self, network: nn.Module) -> Iterator[LogitsWithLabels]:
        for logits, labels in self._logits(network, self._scored["val"]):
            yield logits, np.where(labels < len(self._classes), labels, np.uint8(IGNORED))

    def _score(self, network: nn.Module, regions: Sequence[Region]) -> SplitScore:
        found = []
        for (name, legend), members in by_source(regions).items():
            counter = SourceCounter(name, legend, self._sets)
            for logits, labels in self._logits(network, members):
                counter.add(logits.argmax(axis=0), labels)
            found.append(counter.score())
        return SplitScore(tuple(score for score in found if score.confusion.pixels))

    def _save(self, network: nn.Module, *, temperature: float, scores: Mapping[str, object]) -> None:
        settings = self._settings
        package = ModelPackage(
            name=settings.name,
            network=network,
            spec=self._spec,
            classes=self._classes,
            bands=settings.bands,
            optional_bands=settings.optional_bands,
            gsd=settings.gsd,
            normalizer=self._normalizer,
            tile=settings.tile,
            overlap=settings.overlap,
            calibration=Calibration(temperature=temperature),
            provenance=self._provenance(scores),
        )
        save_package(package, self._run.best, overwrite=True)

    def _provenance(self, scores: Mapping[str, object]) -> dict[str, object]:
        settings = self._settings
        shares = pixel_shares(self._sampler.code_counts)
        stated: dict[str, object] = {
            "title": settings.title or settings.name,
            "licence": settings.licence,
            "data": settings.data,
            "split": settings.split,
            "limits": settings.limits,
            "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "scores": dict(scores),
            "training": {
                "iterations": settings.iterations,
                "best_iteration": self._best[0],
                "batch_size": settings.batch_size,
                "chip": settings.chip,
                "gsd_jitter": list(settings.augment.gsd_jitter),
                "seed": settings.seed,
                "start": settings.network.start or settings.network.encoder_weights or "random weights",
                "label_shares": dict(zip(self._sets.names, shares, strict=True)),
            },
        }
        for file in settings.provenance_files:
            stated |= _json_of(settings.expand(file))
        return stated


def start_from(network: nn.Module, package: ModelPackage) -> None:
    """Copy the weights of a package into a network, but for tensors of another shape, such as other classes have.

    Raises:
        ModelError: if less than half of the tensors fit, for that is another network.
    """
    wanted, given = network.state_dict(), package.network.state_dict()
    fitting = {name: tensor for name, tensor in given.items() if name in wanted and wanted[name].shape == tensor.shape}
    if 2 * len(fitting) < len(wanted):
        raise ModelError(
            f"network: only {len(fitting)} of {len(wanted)} tensors fit those of {package.name}: "
            f"take its architecture, {package.spec.architecture} with {package.spec.encoder}, and its options"
        )
    network.load_state_dict(wanted | fitting)


def _sampling_plan(settings: TrainSettings) -> SamplingPlan:
    return SamplingPlan(
        chip=settings.chip,
        gsd=settings.gsd,
        gsd_jitter=settings.augment.gsd_jitter,
        class_balance=settings.class_balance,
        seed=settings.seed,
    )


def _augment_plan(settings: TrainSettings) -> AugmentPlan:
    optional = tuple(settings.bands.index(band) for band in settings.optional_bands)
    return AugmentPlan(**settings.augment.model_dump(exclude={"gsd_jitter"}), optional=optional)


def _network_spec(settings: TrainSettings) -> NetworkSpec:
    network = settings.network
    return NetworkSpec(
        architecture=network.architecture,
        encoder=network.encoder,
        bands=len(settings.bands),
        classes=len(settings.classes),
        options=network.options,
    )


def _fit_plan(settings: TrainSettings, *, bf16: bool) -> FitPlan:
    optimiser = settings.optimiser
    return FitPlan(
        iterations=settings.iterations,
        learning_rate=optimiser.learning_rate,
        weight_decay=optimiser.weight_decay,
        warmup=round(optimiser.warmup * settings.iterations),
        gradient_clip=optimiser.gradient_clip,
        ema_decay=optimiser.ema_decay,
        bf16=bf16,
    )


def _best_so_far(metrics: Sequence[Mapping[str, object]]) -> tuple[int, float]:
    best = (0, -1.0)
    for record in metrics:
        iteration, found = record.get("iteration"), record.get("val_mean_iou")
        if isinstance(iteration, int) and isinstance(found, float) and found > best[1]:
            best = (iteration, found)
    return best


def _json_of(path: Path) -> dict[str, object]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"provenance_files: {path} cannot be read as JSON: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"provenance_files: {path} must hold keys and values")
    return values
