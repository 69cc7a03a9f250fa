"""`geoseg doctor`: whether this installation works."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from geoseg.doctor import run_checks


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Write the findings as JSON.")
def command(*, as_json: bool) -> int:
    """Check that this installation works.

    Looks at libraries, devices, GDAL drivers, packaged models and whether the current folder can be written. The
    exit code is 1 where something is not fine.
    """
    checks = []
    for check in run_checks(Path.cwd()):
        checks.append(check)
        if not as_json:
            click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<28} {check.detail}")
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    return 0 if all(check.ok for check in checks) else 1
