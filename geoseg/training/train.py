"""Trains a model package from settings: the composition of ground, steps, scores and run folder."""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import torch

from geoseg.config.predict import Progress
from geoseg.config.train import TrainSettings
from geoseg.training.distributed import joined
from geoseg.training.environment import describe_environment
from geoseg.training.finishing import finish
from geoseg.training.ground import Ground
from geoseg.training.learning import Learning
from geoseg.training.remarks import remarks_kept
from geoseg.training.runs import RunDirectory
from geoseg.training.scoring import SplitScore
from geoseg.training.setup import Setup, make_trainer
from geoseg.training.stopping import StopWish, stop_wish

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What came out of a training run."""

    package: Path
    """Folder of the best weights, a model package."""

    best_iteration: int
    """Steps after which they were taken."""

    iterations: int
    """Steps that were done."""

    stopped_early: bool
    """Whether that is less than asked for, as no better score came."""

    validation: SplitScore
    """Of the best weights, on the regions they were chosen by."""

    test: SplitScore | None
    """Of the best weights, on the regions that were only scored; None where there are none."""


def train_model(
    settings: TrainSettings, output: Path, *, resume: bool = False, progress: Progress | None = None
) -> TrainingResult:
    """Train a network and keep the weights that score best on the validation regions.

    The run can be stopped at any time and resumed: what comes out is the same, bit for bit, on the CPU. After Ctrl-C
    or SIGTERM it ends with the current step. Started in several processes by torch's launcher it trains in all of
    them; the first one alone scores and writes.

    Args:
        settings: what to learn, from what, and how.
        output: folder of the run: best/ (the model package), last/, metrics, figures, config.yaml, environment.json.
        resume: go on from last/.
        progress: called with what is being done, how much of it is done and how much there is.

    Raises:
        GeosegError: if settings, scenes or labels do not fit, or the folder cannot be used.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, when the state is saved; after a second Ctrl-C at once.
    """
    with ExitStack() as stack:
        ranks = stack.enter_context(joined(settings.device))
        stop = stack.enter_context(stop_wish())
        remarks = stack.enter_context(remarks_kept(tell=ranks.first))
        stack.enter_context(torch.random.fork_rng(devices=[]))
        run = RunDirectory(output, resume=resume)
        ground = stack.enter_context(closing(Ground(settings, scored=ranks.first)))
        remarks.tell()
        if ranks.first and not resume:
            ground.describe(run.split_layer)
        setup = Setup(settings=settings, ranks=ranks, run=run, ground=ground)
        return ranks.told(_result(setup, _learnt(setup, stop, resume=resume, progress=progress)))


def _learnt(setup: Setup, stop: StopWish, *, resume: bool, progress: Progress | None) -> Learning:
    """Do all steps that are left."""
    trainer = make_trainer(setup)
    learning = Learning(setup, trainer, stop, progress)
    if resume:
        learning.take_up()
    elif setup.ranks.first:
        environment = describe_environment(trainer.device, precision=setup.precision, processes=setup.ranks.world)
        setup.run.describe(setup.settings.model_dump(), environment)
    learning.go_on()
    if learning.interrupted:
        if setup.ranks.first:
            log.warning("stopped after %d of %d steps: --resume goes on", trainer.iteration, setup.settings.iterations)
        raise KeyboardInterrupt
    return learning


def _result(setup: Setup, learning: Learning) -> TrainingResult | None:
    """What the first process finds; None in the others."""
    if not setup.ranks.first:
        return None
    outcome = finish(setup, learning.best)
    return TrainingResult(
        package=setup.run.best,
        best_iteration=learning.best.iteration,
        iterations=learning.iteration,
        stopped_early=learning.iteration < setup.settings.iterations,
        validation=outcome.validation,
        test=outcome.test,
    )
