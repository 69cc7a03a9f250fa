"""The end of a run: the best weights calibrated, scored, drawn and packaged for good, with reference statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure
from torch import nn

from geoseg.models.calibration import Calibration
from geoseg.models.edge_effects import measure_context
from geoseg.models.zoo import load_model
from geoseg.shift.forward import Forward
from geoseg.training.best import Best
from geoseg.training.curves import draw_curves, metrics_table
from geoseg.training.judging import PixelSample, ScoreSheet
from geoseg.training.packaging import Findings
from geoseg.training.pictures import SampleBoard, confusion_table, draw_confusion, draw_samples, small_png
from geoseg.training.reference import ReferencePlan, measure_ground
from geoseg.training.scoring import SplitScore, by_source, summarize
from geoseg.training.setup import Setup


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Scores of the best weights."""

    validation: SplitScore
    """On the regions they were chosen by."""

    test: SplitScore | None
    """On the regions that were only scored; None where there are none."""


def finish(setup: Setup, best: Best) -> Outcome:
    """Calibrate and score the best weights, measure the validation ground, write their package for good, draw it all.

    Args:
        setup: parts of the run, whose package of best weights is there.
        best: when they were taken.
    """
    network = load_model(setup.run.best).network.to(setup.ranks.device)
    validation, test = PixelSample(setup.ground.sets.members), PixelSample(setup.ground.sets.members)
    setup.judge.show(network, setup.ground.regions("val"), [validation])
    calibration = validation.calibration(setup.settings.calibration)
    board = SampleBoard(sources=len(by_source(setup.ground.regions("val"))))
    outcome = _scored(setup, network, calibration, board=board, test=test)
    errors = {"validation": validation.errors(calibration)}
    if outcome.test is not None:
        errors["test"] = test.errors(calibration)
    samples = draw_samples(
        board.views(),
        setup.settings.class_map,
        members=setup.ground.sets.members,
        bands=setup.settings.bands,
        calibration=calibration,
    )
    setup.writer.write(
        network,
        best_iteration=best.iteration,
        calibration=calibration,
        scores=_scores_of(outcome, errors),
        findings=_findings(setup, network, calibration, samples),
    )
    _draw(setup, outcome, samples)
    return outcome


def _findings(setup: Setup, network: nn.Module, calibration: Calibration, samples: Figure) -> Findings:
    """Neither the validation ground nor the context is measured after a trial run."""
    ground, plan = setup.ground, ReferencePlan.of(setup.settings).within(setup.settings)
    if plan is None:
        return Findings(picture=small_png(samples))
    forward = Forward(network=network, calibration=calibration, device=setup.ranks.device, precision=setup.precision)
    return Findings(
        picture=small_png(samples),
        reference=measure_ground(forward, ground.normalizer, ground.regions("val"), ground.sets.members, plan),
        context=measure_context(network, setup.writer.spec, tile=setup.settings.tile, calibration=calibration),
    )


def _scored(
    setup: Setup, network: nn.Module, calibration: Calibration, *, board: SampleBoard, test: PixelSample
) -> Outcome:
    regions, sets = setup.ground.regions, setup.ground.sets
    chosen, held_out = ScoreSheet(sets, calibration), ScoreSheet(sets, calibration)
    setup.judge.show(network, regions("val"), [chosen, board])
    setup.judge.show(network, regions("test"), [held_out, test])
    found = held_out.score()
    return Outcome(validation=chosen.score(), test=found if found.sources else None)


def _scores_of(outcome: Outcome, errors: Mapping[str, Mapping[str, float]]) -> dict[str, object]:
    scores: dict[str, object] = {"validation": summarize(outcome.validation)}
    if outcome.test is not None:
        scores |= summarize(outcome.test)
    told = {ground: dict(both) for ground, both in errors.items() if not any(map(math.isnan, both.values()))}
    return scores | {"calibration": {"ece": told}}


def _draw(setup: Setup, outcome: Outcome, samples: Figure) -> None:
    run = setup.run
    records = run.metrics()
    run.write_table("metrics.csv", metrics_table(records))
    run.draw("curve.png", draw_curves(records))
    splits = {"validation": outcome.validation, "test": outcome.test}
    scores = [(ground, source) for ground, split in splits.items() if split is not None for source in split.sources]
    run.write_table("confusion_matrix.csv", confusion_table(scores))
    run.draw("confusion_matrix.png", draw_confusion(scores))
    run.draw("samples.png", samples)
