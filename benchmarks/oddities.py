"""Every odd raster through the commands: is the answer right, or one line that says why there is none?

    python -m benchmarks.oddities [--data ../shared/data/oddities] [--jobs 2] [--only PATTERN] -o FILE.md

Each file is taken through `geoseg predict` with demo-landscape, the same once more with its bands and pixel size made
to fit, `geoseg shift`, `geoseg vectorize` and `geoseg evaluate` against itself. Every file has processes of its own,
with 4 GiB of addresses (Python with its libraries takes 1.5) and 300 seconds for a command.
"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import click

from benchmarks.oddity_run import COMMANDS, Found, commands_of

_WRONG = {"WRONG", "TRACEBACK", "HANG", "MEMORY", "PARTIAL", "NOISE"}


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path("../shared/data/oddities"))
@click.option("--jobs", type=int, default=2)
@click.option("--only", default="*", help="Pattern of the paths below the folder.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The table, and .json beside it.")
def main(data: Path, jobs: int, only: str, output: Path) -> None:
    """Run all files and write a table. What ended well in the .json of an earlier run is not run again."""
    files = [path for path in sorted(data.rglob("*")) if path.is_file() and fnmatch(str(path.relative_to(data)), only)]
    found = _earlier(output.with_suffix(".json"))
    left = [path for path in files if str(path.relative_to(data)) not in found]
    with ThreadPoolExecutor(jobs) as pool:
        for path, results in zip(left, pool.map(commands_of, left), strict=True):
            found[str(path.relative_to(data))] = results
            told = {name: {key: vars(each) for key, each in done.items()} for name, done in sorted(found.items())}
            output.with_suffix(".json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    lines = totals(list(found.values()))
    click.echo("\n".join(lines))
    for name, results in sorted(found.items()):
        for command, result in results.items():
            if result.verdict in _WRONG:
                click.echo(f"{result.verdict} {name} {command}: {result.said}")
    rows = [row(name, results) for name, results in sorted(found.items())]
    output.write_text("\n".join([*lines, "", *HEADER, *rows]) + "\n", encoding="utf-8")


def _earlier(file: Path) -> dict[str, dict[str, Found]]:
    told = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    found = {name: {key: Found(**each) for key, each in results.items()} for name, results in told.items()}
    return {name: done for name, done in found.items() if not _WRONG & {each.verdict for each in done.values()}}


HEADER = ("| file | what it is | mapped, made to fit | as a class raster |", "|---|---|---|---|")


def totals(found: list[dict[str, Found]]) -> list[str]:
    """How many files end how, by command."""
    kinds = sorted({result.verdict for results in found for result in results.values()})
    lines = ["| command | " + " | ".join(kinds) + " | slowest, s |", "|---|" + "---|" * (len(kinds) + 1)]
    for command in COMMANDS:
        ends = Counter(results[command].verdict for results in found)
        slowest = max((results[command].seconds for results in found), default=0.0)
        lines.append(f"| {command} | " + " | ".join(str(ends[kind]) for kind in kinds) + f" | {slowest:.1f} |")
    return lines


def row(name: str, results: dict[str, Found]) -> str:
    """A line of the table."""
    shown = name.replace("|", "-")
    fitted, classes = (results[key] for key in ("predict, made to fit", "vectorize"))
    return f"| `{shown}` | {fitted.about} | {fitted.cell(name)} | {classes.cell(name)} |"


if __name__ == "__main__":
    main()
