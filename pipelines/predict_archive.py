"""Map a whole archive: python -m pipelines.predict_archive SOURCE... -o DIR.

Every scene gets a folder of its own in DIR, where it lies in its source; a STAC collection on top names all maps. A
scene that fails is recorded and the others go on. Run again, the job takes up where it stopped: maps that are made and
whose scenes and options are the same are left as they are, and what failed is tried again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from geoseg.cli.messages import reported
from geoseg.cli.options import settings_options
from geoseg.cli.predict import UNREADABLE
from geoseg.cli.tables import show_table
from geoseg.config.predict import PredictSettings
from pipelines.archive.collection import collection_id, write_collection
from pipelines.archive.jobs import find_archive, plan_archive
from pipelines.archive.report import COLUMNS, FAILED, TABLE, Entry, counted, rows_of
from pipelines.archive.run import run_archive

SOME_FAILED = 5
"""The exit code where scenes failed; all others are mapped."""


@click.command("predict_archive")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder for the maps, the report and the STAC collection.",
)
@settings_options(PredictSettings)
@click.option("--json", "as_json", is_flag=True, help="Write the report to stdout as JSON.")
def command(settings: PredictSettings, sources: tuple[str, ...], output: Path, *, as_json: bool) -> int:
    """Map a whole archive of scenes.

    SOURCE is a file, a folder with all that is below it, a pattern such as 'archive/**/*.tif', a list of scenes (.txt),
    or a STAC item, item collection, catalogue or collection (.json). The exit code is 5 if a scene failed.
    """
    jobs = plan_archive(find_archive(sources, output, allow=settings.allow), output)
    collection = collection_id(output)
    entries = run_archive(jobs, output, settings, collection=collection)
    made = [entry for entry in entries if entry["status"] != FAILED]
    if made:
        write_collection(output, made, collection)
    if as_json:
        click.echo(json.dumps({"scenes": entries, "remaining": 0}, indent=2))
    else:
        _show(entries, output)
    if len(made) < len(entries):
        return SOME_FAILED
    return UNREADABLE if any(entry.get("unreadable") for entry in made) else 0


def _show(entries: Sequence[Entry], output: Path) -> None:
    """The table of what failed, and how many scenes came to what."""
    failed = [entry for entry in entries if entry["status"] == FAILED]
    if failed:
        scene, reason = COLUMNS.index("scene"), COLUMNS.index("reason")
        show_table((COLUMNS[scene], COLUMNS[reason]), [(row[scene], row[reason]) for row in rows_of(failed)])
        click.echo()
    click.echo(", ".join(f"{count} {status}" for status, count in counted(entries).items()))
    click.echo(str(output / TABLE))


if __name__ == "__main__":
    sys.exit(reported(command, prog_name="python -m pipelines.predict_archive"))
