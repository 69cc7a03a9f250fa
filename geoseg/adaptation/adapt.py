"""Fits a model package to scenes without labels: the composition of adapters, selector and guard."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import geoseg
from geoseg.adaptation.candidate import Adapter, Candidate, Problem, state_of
from geoseg.adaptation.choice import UNKNOWN, UNWITNESSED, Decision, Evidence, Judge, unjudged
from geoseg.adaptation.plan import ADAPTERS, SOURCE, STATISTICS, choose, learning_runs, statistics_runs
from geoseg.adaptation.reassigning import reassigned_problem, unassigned_curves
from geoseg.adaptation.result import (
    AdaptResult,
    Origin,
    Outcome,
    ResultFolder,
    account_of,
    adapted_package,
)
from geoseg.adaptation.selector import Selector
from geoseg.adaptation.source import open_source
from geoseg.adaptation.store import CandidateStore
from geoseg.adaptation.trial import Trial, Tried
from geoseg.config.adapt import AdaptSettings
from geoseg.config.predict import Progress
from geoseg.config.train import TrainSettings
from geoseg.errors import ModelError
from geoseg.models.device import choose_device, choose_precision
from geoseg.models.package import ModelPackage
from geoseg.models.zoo import find_model, load_model, read_card
from geoseg.predict.target import plan_target, sample_plans, scene_facts
from geoseg.raster.scene import Access
from geoseg.shift.accuracy import ExpectedAccuracy
from geoseg.shift.forward import Forward
from geoseg.shift.measure import measure_shift
from geoseg.shift.report import ShiftReport
from geoseg.shift.sampling import split_sample
from geoseg.shift.windows import WindowSample

log = logging.getLogger(__name__)

_HELD_OUT = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Task:
    """All that an adaptation begins with."""

    problem: Problem
    """For the bands that the target was found to have."""

    package: ModelPackage
    """As it was, for the bands that it names."""

    sample: WindowSample
    held_out: WindowSample
    shift: ShiftReport
    """Of the package as it was."""

    evidence: ShiftReport
    """Of the package of the problem: the same where the target's bands lie where the model's do."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """What the adapters gave and what came of it."""

    outcome: Outcome
    reason: str
    decision: Decision
    tried: Sequence[Tried]
    refused: dict[str, str]


def adapt_model(
    settings: AdaptSettings,
    targets: Sequence[str | Path],
    output: Path,
    *,
    source: TrainSettings | None = None,
    progress: Progress | None = None,
    adapters: Mapping[str, Adapter] = ADAPTERS,
) -> AdaptResult:
    """Fit a model package to scenes without labels, and keep it as it is where that does not help.

    Adapters propose candidates; the one whose maps of held-out windows are steadiest is taken, if the guard sees no
    harm in it. The same arguments give the same weights, bit for bit, on the CPU, unless the budget ran out. Stopped
    in between, the same call goes on after the last adapter that came through.

    Args:
        settings: which model, which adapters, how long.
        targets: scenes of the ground to fit to, any rasters GDAL opens.
        output: the folder to make: a model package with adaptation.json and report.html.
        source: config of labelled ground that the model was trained on; some adapters need it, the guard uses it.
        progress: called with what is being done, how much of it is done and how much there is.
        adapters: those to choose from, by name.

    Raises:
        GeosegError: if model, scenes, source and settings do not fit together, or the folder cannot be written.
    """
    started = time.monotonic()
    folder = ResultFolder(output, overwrite=settings.overwrite)
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        task = _open(settings, targets, source, stack)
        store = stack.enter_context(CandidateStore(output, digest=_digest(task, source)))
        found = _find(task, store, adapters, progress)
        result = _result(task, found, targets, started)
        package = _package(task, found, result)
        result = replace(result, expected_after=_expected_after(task, package, result))
        folder.write(result, package, _kept(task, found))
    return result


def _open(
    settings: AdaptSettings, targets: Sequence[str | Path], source: TrainSettings | None, stack: ExitStack
) -> _Task:
    """Load the model, sample the target, open the source and measure the shift."""
    package = load_model(settings.model)
    device = choose_device(settings.device)
    forward = Forward(
        network=package.network,
        calibration=package.calibration,
        device=device,
        precision=choose_precision(settings.precision, device),
    )
    access = Access(mask=settings.mask, allow=settings.allow)
    plans = plan_target(targets, model=settings.model, bands=settings.bands, access=access)
    sample = sample_plans(plans, side=settings.side, count=settings.windows, seed=settings.seed)
    learnt, held_out = split_sample(sample, held_out=_HELD_OUT)
    log.info("%d windows to learn from, %d to choose by", len(learnt), len(held_out))
    ground = None if source is None else stack.enter_context(open_source(source, package, settings))
    given = Problem(package=package, target=learnt, settings=settings, source=ground, forward=forward)
    facts = scene_facts(plans, sample)
    shift = measure_shift(package, sample, forward, scenes=facts)
    log.info("shift: %s", shift.verdict)
    is_named = settings.recipe == "published" or not all(plan.source.by_position for plan in plans)
    problem = given if is_named else reassigned_problem(given)
    evidence = shift
    if problem.assignment is not None:
        log.info("bands: %s", problem.assignment.told(package.bands))
        evidence = measure_shift(problem.package, sample, problem.forward, scenes=facts)
    return _Task(problem=problem, package=package, sample=sample, held_out=held_out, shift=shift, evidence=evidence)


def _find(task: _Task, store: CandidateStore, adapters: Mapping[str, Adapter], progress: Progress | None) -> _Found:
    """Let adapters propose, and decide."""
    problem, settings = task.problem, task.problem.settings
    trial = Trial(problem, Selector(problem, task.held_out), store, source=_as_it_was(task))
    chosen = choose(problem, task.evidence, adapters)
    budget = 60 * settings.budget
    trial.run(statistics_runs(chosen.names, adapters), seconds=budget, stage="statistics", progress=progress)
    told, starts = dict(chosen.refused), trial.ranked
    if settings.recipe == "published":
        runs = learning_runs(chosen.names, trial.ranked[:1], adapters)
    else:
        starts = [each for each in starts if each.label in {SOURCE, *_judge(task, trial).corrections}]
        runs = () if settings.method == "auto" and len(starts) == 1 else learning_runs(chosen.names, starts, adapters)
        told |= {} if runs else {name: UNWITNESSED for name in chosen.names if name not in STATISTICS}
    trial.run(runs, seconds=budget, stage="learning", progress=progress)
    refused = {**told, **trial.broken}
    if settings.recipe == "published":
        return _published(trial, refused)
    trial.average()
    if len(trial.tried) == 1:
        return _kept_source(task, trial, f"nothing was tried: {task.shift.judgement.sentence}", refused)
    return _decided(task, trial, refused)


def _as_it_was(task: _Task) -> Candidate:
    """Candidate 0, as the problem reads the bands."""
    assignment = task.problem.assignment
    curves = () if assignment is None else unassigned_curves(task.package, assignment)
    return Candidate(adapter=SOURCE, label=SOURCE, state=state_of(task.package.network), curves=curves)


def _judge(task: _Task, trial: Trial) -> Judge:
    package = task.problem.package
    return Judge(
        trial.tried,
        package.reference,
        trial.scores,
        names=package.classes.names,
        seed=task.problem.settings.seed,
        evidence=Evidence.of(task.evidence) if package.reference is not None else UNKNOWN,
    )


def _decided(task: _Task, trial: Trial, refused: dict[str, str]) -> _Found:
    """What the guard lets through."""
    decision = _judge(task, trial).decide()
    said = next(each for each in decision.scores if each.label == decision.chosen.label)
    if decision.chosen is not trial.source:
        unscored = decision.chosen.learnt and task.problem.source is None
        unasked = "; without a source it was not scored on labelled ground" if unscored else ""
        assignment = task.problem.assignment
        bands = "" if assignment is None else f"; bands: {assignment.told(task.package.bands)}"
        reason = f"{said.label}: consistency {said.consistency:.3f}, {said.gain:+.3f}{bands}{unasked}"
        return _Found(outcome="adapted", reason=reason, decision=decision, tried=trial.tried, refused=refused)
    steadiest = max(decision.scores[1:], key=lambda each: each.consistency if each.reason else -1.0)
    reason = f"the guard refused every candidate; the steadiest, {steadiest.label}: {steadiest.reason}"
    return _kept_source(task, trial, reason, refused, decision)


def _published(trial: Trial, refused: dict[str, str]) -> _Found:
    """The last checkpoint, whatever the guard would say."""
    if len(trial.tried) == 1 or trial.tried[-1].sight is None:
        why = "; ".join(refused.values()) or "its numbers are not finite"
        raise ModelError(f"the published recipe gave no model: {why}")
    reason = "the last checkpoint of the published recipe, neither selected nor guarded"
    return _Found(outcome="adapted", reason=reason, decision=unjudged(trial.tried), tried=trial.tried, refused=refused)


def _kept_source(
    task: _Task, trial: Trial, reason: str, refused: dict[str, str], decision: Decision | None = None
) -> _Found:
    """The model as it was, which may be of no use here."""
    unusable = task.shift.verdict == "unusable"
    decision = decision or _judge(task, trial).decide()
    return _Found(
        outcome="unusable" if unusable else "kept-source",
        reason=task.shift.judgement.sentence if unusable else reason,
        decision=decision,
        tried=trial.tried,
        refused=refused,
    )


def _result(task: _Task, found: _Found, targets: Sequence[str | Path], started: float) -> AdaptResult:
    return AdaptResult(
        outcome=found.outcome,
        reason=found.reason,
        chosen=found.decision.chosen.label,
        model=task.package.name,
        targets=tuple(Path(target).name for target in targets),
        settings=task.problem.settings,
        shift=task.shift,
        expected_before=task.shift.expected,
        expected_after=task.shift.expected,
        candidates=found.decision.scores,
        refused=found.refused,
        seconds=time.monotonic() - started,
    )


def _package(task: _Task, found: _Found, result: AdaptResult) -> ModelPackage:
    """The package to write; a model that was kept keeps its name."""
    settings, package = task.problem.settings, task.package
    card = read_card(find_model(settings.model))
    name = settings.name or (package.name if result.chosen == SOURCE else f"{package.name}-adapted")
    account = account_of(result, Origin(name=card.name, weights_sha256=card.weights_sha256))
    if result.chosen == SOURCE:
        return replace(package, name=name, provenance={**package.provenance, **account})
    return adapted_package(task.problem, found.decision.chosen.load(), name=name, account=account)


def _expected_after(task: _Task, package: ModelPackage, result: AdaptResult) -> ExpectedAccuracy | None:
    if result.chosen == SOURCE:
        return result.expected_before
    forward = replace(task.problem.forward, network=package.network)
    return measure_shift(package, task.sample, forward).expected


def _kept(task: _Task, found: _Found) -> Iterator[ModelPackage]:
    """All candidates as packages, made one by one, where the user wants them."""
    if not task.problem.settings.keep_candidates:
        return
    for tried in found.tried[1:]:
        yield adapted_package(task.problem, tried.load(), name=tried.label, account={})


def _digest(task: _Task, source: TrainSettings | None) -> str:
    """Of everything that candidates depend on."""
    found = hashlib.sha256()
    told = task.problem.settings.model_dump_json(exclude={"model", "name", "keep_candidates", "strict", "overwrite"})
    texts = (geoseg.__version__, told, repr(task.problem.package.normalizer), source and source.model_dump_json())
    found.update(repr(texts).encode())
    for name, tensor in sorted(task.problem.package.network.state_dict().items()):
        found.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    for part in (task.sample.images, task.sample.valid):
        found.update(part.tobytes())
    return found.hexdigest()
