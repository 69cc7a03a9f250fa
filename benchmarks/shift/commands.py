"""Commands of the benchmark."""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from benchmarks.shift.cases import CASES
from benchmarks.shift.places import Places
from benchmarks.shift.product import ARMS, FURTHER_ARMS
from benchmarks.shift.queue import Job, run_queue

log = logging.getLogger(__name__)


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            click.option("--cases", default=",".join(CASES), help="Names, with commas; all where not given."),
            click.option("--seeds", default="0,1,2", show_default=True, help="With commas."),
            click.option("--workers", default=2, show_default=True, help="Processes of one thread each."),
            click.option("--tier", default="cpu", show_default=True, type=click.Choice(["cpu", "gpu"]), help="Size."),
            click.option(
                "-o", "--root", default="runs/shift", show_default=True, type=click.Path(path_type=Path), help="Folder."
            ),
        )
    ):
        command = option(command)
    return command


def _pairs(cases: str, seeds: str) -> list[tuple[str, int]]:
    """Cases and seeds, the first seed of all cases first."""
    names = cases.split(",")
    unknown = sorted(set(names) - set(CASES))
    if unknown:
        raise click.BadParameter(f"no case is called {unknown[0]!r}: there are {', '.join(CASES)}")
    return [(name, int(seed)) for seed in seeds.split(",") for name in names]


def _job(places: Places, kind: str, name: str, seed: int, **paths: object) -> Job:
    command = (sys.executable, "-m", "benchmarks.shift", "one", kind, name, str(seed), "--tier", places.tier)
    return Job(name=f"{kind.partition(':')[0]}-{name}-{seed}", command=(*command, "-o", str(places.root)), **paths)


def _run(jobs: Iterable[Job], places: Places, workers: int) -> None:
    failed = run_queue(list(jobs), workers=workers, logs=places.root / places.tier / "logs")
    if failed:
        raise click.ClickException(f"{len(failed)} job(s) failed: {', '.join(failed)}; see {places.root}/*/logs")


def _sources(pairs: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return list(dict.fromkeys((CASES[case].source, seed) for case, seed in pairs))


def data_jobs(places: Places, pairs: list[tuple[str, int]]) -> list[Job]:
    """What writes the scenes of sources and targets."""
    return [
        *(
            _job(places, "source-data", name, seed, done=(places.source_data(name, seed),))
            for name, seed in _sources(pairs)
        ),
        *(_job(places, "target-data", name, seed, done=(places.hidden(name, seed),)) for name, seed in pairs),
    ]


def train_jobs(places: Places, pairs: list[tuple[str, int]]) -> list[Job]:
    """What trains sources and oracles."""
    sources = [
        _job(
            places, "source", name, seed,
            done=(places.source_run(name, seed) / "done.json",), needs=(places.source_data(name, seed),),
        )
        for name, seed in _sources(pairs)
    ]  # fmt: skip
    oracles = [
        _job(
            places, "oracle", name, seed,
            done=(places.oracle_run(name, seed) / "done.json",),
            needs=(places.hidden(name, seed), places.source_run(CASES[name].source, seed) / "done.json"),
        )
        for name, seed in pairs
    ]  # fmt: skip
    return [*sources, *oracles]


def reference_jobs(places: Places, pairs: list[tuple[str, int]]) -> list[Job]:
    """What measures the reference statistics of sources that a training left without."""
    return [
        _job(
            places, "refer", name, seed,
            done=(places.source_run(name, seed) / "referred",), needs=(places.source_run(name, seed) / "done.json",),
        )
        for name, seed in _sources(pairs)
    ]  # fmt: skip


def arm_jobs(places: Places, pairs: list[tuple[str, int]], arms: Iterable[str]) -> list[Job]:
    """What adapts: all arms of a pair in one process, which loads the libraries once."""
    names = tuple(arms)
    return [
        _job(
            places, f"adapt:{','.join(names)}", name, seed,
            done=tuple(places.arm_run(name, seed, arm) / "done.json" for arm in names),
            needs=(places.source_run(CASES[name].source, seed) / "referred",),
        )
        for name, seed in pairs
    ]  # fmt: skip


def score_jobs(places: Places, pairs: list[tuple[str, int]], arms: Iterable[str]) -> list[Job]:
    """What opens the labels of the targets: for the sources, the oracles and the arms, once for each pair."""
    names = tuple(arms)
    jobs = []
    for name, seed in pairs:
        runs = (
            places.source_run(CASES[name].source, seed),
            places.oracle_run(name, seed),
            *(places.arm_run(name, seed, arm) for arm in names),
        )
        scored = ("source", "oracle", *names)
        jobs.append(
            _job(
                places, f"score:{','.join(scored)}", name, seed,
                done=tuple(places.result(name, seed, arm) for arm in scored),
                needs=(*(run / "done.json" for run in runs), places.hidden(name, seed)),
            )
        )  # fmt: skip
    return jobs


def _arms(arms: str) -> list[str]:
    names = arms.split(",")
    unknown = sorted(set(names) - set(ARMS) - set(FURTHER_ARMS))
    if unknown:
        raise click.BadParameter(f"no arm is called {unknown[0]!r}: there are {', '.join([*ARMS, *FURTHER_ARMS])}")
    return names


@click.group(help=__doc__)
def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")


@main.command(help="Write the scenes of all domains.")
@_options
def prepare(cases: str, seeds: str, workers: int, tier: str, root: Path) -> None:
    places = Places(root, tier)
    _run(data_jobs(places, _pairs(cases, seeds)), places, workers)


@main.command(help="Train the models of the sources, and the oracles.")
@_options
def train(cases: str, seeds: str, workers: int, tier: str, root: Path) -> None:
    places, pairs = Places(root, tier), _pairs(cases, seeds)
    _run([*data_jobs(places, pairs), *train_jobs(places, pairs)], places, workers)


@main.command(help="Let all arms adapt and score what they leave; what is there is not done again.")
@_options
@click.option("--arms", default=",".join(ARMS), show_default=True, help="With commas.")
def adapt(cases: str, seeds: str, workers: int, tier: str, root: Path, arms: str) -> None:
    places, pairs, wanted = Places(root, tier), _pairs(cases, seeds), _arms(arms)
    before = [*data_jobs(places, pairs), *train_jobs(places, pairs), *reference_jobs(places, pairs)]
    _run([*before, *arm_jobs(places, pairs, wanted), *score_jobs(places, pairs, wanted)], places, workers)


@main.command(help="Score the sources and the oracles.")
@_options
def score(cases: str, seeds: str, workers: int, tier: str, root: Path) -> None:
    places = Places(root, tier)
    _run(score_jobs(places, _pairs(cases, seeds), ()), places, workers)


@main.command(help="Ask geoseg shift what to expect, and compare.")
@_options
def report(cases: str, seeds: str, workers: int, tier: str, root: Path) -> None:
    places, pairs = Places(root, tier), _pairs(cases, seeds)
    _run(
        [_job(places, "report", name, seed, done=(places.result(name, seed, "shift"),)) for name, seed in pairs],
        places,
        workers,
    )


@main.command(help="Print the tables as far as there are scores.")
@_options
@click.option("--arms", default=",".join(ARMS), show_default=True, help="With commas.")
def table(cases: str, seeds: str, workers: int, tier: str, root: Path, arms: str) -> None:  # noqa: ARG001
    from benchmarks.shift.table import read_pairs, tables

    click.echo(tables(read_pairs(Places(root, tier).results, _pairs(cases, seeds)), _arms(arms)))


@main.command(hidden=True, help="One job.")
@click.argument("kind")
@click.argument("name")
@click.argument("seed", type=int)
@click.option("--tier", required=True)
@click.option("-o", "--root", required=True, type=click.Path(path_type=Path))
def one(kind: str, name: str, seed: int, tier: str, root: Path) -> None:
    places = Places(root, tier)
    step, _, arm = kind.partition(":")
    if step in ("source-data", "target-data"):
        from benchmarks.shift.prepare import prepare_source, prepare_target

        write = prepare_source if step == "source-data" else prepare_target
        write(places, name, seed)
    elif step in ("adapt", "score"):
        from benchmarks.shift.arms import run_arms, score_arms

        (run_arms if step == "adapt" else score_arms)(places, name, seed, arm.split(","))
    elif step == "refer":
        from benchmarks.shift.product import add_reference
        from benchmarks.shift.training import source_settings, window_side

        run = places.source_run(name, seed)
        add_reference(run / "best", source_settings(places, name, seed), side=window_side(tier, name))
        (run / "referred").touch()
    elif step == "report":
        from benchmarks.shift.shift_arm import measure_report

        measure_report(places, name, seed)
    else:
        _train_one(places, step, name, seed)


def _train_one(places: Places, kind: str, name: str, seed: int) -> None:
    import shutil

    import torch

    from benchmarks.shift.training import oracle_settings, source_settings
    from geoseg.training.train import train_model

    torch.set_num_threads(1)
    is_source = kind == "source"
    run = places.source_run(name, seed) if is_source else places.oracle_run(name, seed)
    settings = source_settings(places, name, seed) if is_source else oracle_settings(places, name, seed)
    shutil.rmtree(run, ignore_errors=True)
    started = time.perf_counter()
    result = train_model(settings, run)
    source = result.validation.sources[0]
    told = {
        "validation": round(100 * result.validation.mean_iou, 2),
        "iou": dict(zip(source.names, (100 * source.confusion.iou).round(1).tolist(), strict=True)),
        "seconds": round(time.perf_counter() - started, 1),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    shutil.rmtree(run / "last", ignore_errors=True)
    (run / "done.json").write_text(json.dumps(told) + "\n", encoding="utf-8")
