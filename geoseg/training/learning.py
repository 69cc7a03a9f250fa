"""The steps of a run, from where it stands to where it ends: logged, scored, saved."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence

from geoseg.config.predict import Progress
from geoseg.models.calibration import Calibration
from geoseg.training.best import Best
from geoseg.training.curves import metrics_table
from geoseg.training.event_log import EventLog
from geoseg.training.feeding import batches_ahead
from geoseg.training.judging import ScoreSheet
from geoseg.training.loop import Trainer, fit, is_pause
from geoseg.training.scoring import SplitScore, summarize
from geoseg.training.setup import Setup
from geoseg.training.stopping import StopWish
from geoseg.training.waiting import WaitClock

log = logging.getLogger(__name__)

_LOG_EVERY = 20
_MOST_WAITING = 0.05
_SOME_STEPS = 300  # the first batches are always waited for

Record = Mapping[str, object]


class Learning:
    """Moves a trainer through the iterations that are left."""

    def __init__(self, setup: Setup, trainer: Trainer, stop: StopWish, progress: Progress | None) -> None:
        """Stand at the beginning of a run.

        Args:
            setup: its parts.
            trainer: what learns.
            stop: whether the user wants it to end.
            progress: called after every step in the first process.
        """
        self._setup = setup
        self._trainer = trainer
        self._stop = stop
        self._progress = progress
        self._clock = WaitClock()
        self._started = time.monotonic()
        self._told_of_waiting = False
        self._events: EventLog | None = None
        self.best = Best()
        """The best score so far, in the first process."""
        self.out_of_patience = False
        """Whether training ended since no better score came."""
        self.interrupted = False
        """Whether it ended since the user wanted it to."""

    @property
    def iteration(self) -> int:
        """Steps done."""
        return self._trainer.iteration

    def take_up(self) -> None:
        """Go to where the run was left.

        Raises:
            ModelError: if its state is damaged or does not fit.
        """
        setup = self._setup
        self._trainer.load_state(setup.run.load_state())
        if setup.ranks.first:
            setup.run.forget_after(self._trainer.iteration)
            records = setup.run.metrics()
            self.best = Best.of(records)
            self._started -= _seconds_of(records)

    def go_on(self) -> None:
        """Step until all iterations are done, patience ends, or the user wants to stop."""
        setup, trainer = self._setup, self._trainer
        settings, ranks = setup.settings, setup.ranks
        if settings.tensorboard and ranks.first:
            self._events = EventLog(setup.run.events, resumed_after=trainer.iteration)
        try:
            if self._is_over():
                return
            slots = ranks.part_of(settings.batch_size * settings.accumulate)
            batches = batches_ahead(
                setup.ground.maker(slots), trainer.iteration, settings.iterations, processes=ranks.world
            )
            fit(
                trainer,
                self._clock.watch(batches),
                every=settings.validate_every,
                after_step=self._after_step,
                at_pause=self._pause,
            )
        finally:
            if self._events is not None:
                self._events.close()

    def _is_over(self) -> bool:
        """Whether nothing is left to do; catches up on a pause that a stop came before."""
        setup, iteration = self._setup, self._trainer.iteration
        settings, ranks = setup.settings, setup.ranks
        if is_pause(iteration, every=settings.validate_every, iterations=settings.iterations):
            scored = any(r["iteration"] == iteration and "val_mean_iou" in r for r in setup.run.metrics())
            if not ranks.told(scored if ranks.first else None):
                return self._pause(iteration)
        self.out_of_patience = ranks.any(flag=self.best.outlasts(settings.patience))
        return self.out_of_patience

    def _after_step(self, iteration: int, loss: float) -> bool:
        setup = self._setup
        self._clock.stepped()
        if setup.ranks.first:
            if iteration % _LOG_EVERY == 0:
                self._log(
                    iteration,
                    loss=round(loss, 5) if math.isfinite(loss) else None,
                    learning_rate=self._trainer.rate,
                    waiting=round(self._clock.share, 4),
                )
            if self._progress is not None:
                self._progress("training", iteration, setup.settings.iterations)
        self.interrupted = setup.ranks.any(flag=self._stop.asked)
        if self.interrupted:
            self._save_state()
        return self.interrupted

    def _pause(self, iteration: int) -> bool:
        setup = self._setup
        if setup.ranks.first:
            self._judge(iteration)
        self._save_state()
        self.out_of_patience = setup.ranks.any(flag=self.best.outlasts(setup.settings.patience))
        over = self.out_of_patience or iteration == setup.settings.iterations
        self.interrupted = setup.ranks.any(flag=self._stop.asked) and not over
        return over or self.interrupted

    def _judge(self, iteration: int) -> None:
        """Score the moving mean of weights, and keep it where it is the best so far."""
        score = self._score()
        mean_iou = round(score.mean_iou, 4)
        self._log(iteration, val_mean_iou=mean_iou, val=summarize(score))
        self.best = self.best.after(iteration, mean_iou)
        if self.best.iteration == iteration:
            self._setup.writer.write(
                self._trainer.teacher.network,
                best_iteration=iteration,
                calibration=Calibration(),
                scores={"validation": summarize(score)},
            )
        self._setup.run.write_table("metrics.csv", metrics_table(self._setup.run.metrics()))
        self._warn_of_waiting()

    def _score(self) -> SplitScore:
        setup = self._setup
        sheet = ScoreSheet(setup.ground.sets, Calibration())
        setup.judge.show(self._trainer.teacher.network, setup.ground.regions("val"), [sheet])
        return sheet.score()

    def _save_state(self) -> None:
        state = self._trainer.state()
        if self._setup.ranks.first:
            self._setup.run.save_state(state)

    def _log(self, iteration: int, **values: object) -> None:
        seconds = round(time.monotonic() - self._started, 1)
        record = {"iteration": iteration, **values, "seconds": seconds}
        self._setup.run.log(record)
        if self._events is not None:
            self._events.log(record)

    def _warn_of_waiting(self) -> None:
        share = self._clock.share
        if self._clock.steps >= _SOME_STEPS and share > _MOST_WAITING and not self._told_of_waiting:
            self._told_of_waiting = True
            log.warning(
                "the device waited for batches %.0f %% of the time: raise cache_mb so that scenes fit in, store them "
                "as tiled GeoTIFF, give the process more cores, or set augment.blur and augment.noise to 0",
                100 * share,
            )


def _seconds_of(records: Sequence[Record]) -> float:
    """Seconds that were logged last."""
    logged = [record["seconds"] for record in records if isinstance(record.get("seconds"), int | float)]
    return float(str(logged[-1])) if logged else 0.0
