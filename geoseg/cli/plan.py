"""`geoseg plan SCENE...`: what a prediction would need, without computing it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click

from geoseg.cli.messages import show_error
from geoseg.cli.options import settings_options
from geoseg.config.predict import PredictSettings
from geoseg.errors import GeosegError, one_line
from geoseg.predict.estimate import Estimate
from geoseg.predict.memory_bound import estimate_of, shown_bytes
from geoseg.predict.plan import PredictPlan, plan_prediction
from geoseg.predict.rehearsal import Rehearsal, is_remembered

_MINUTE = 60


@click.command("plan")
@click.argument("scenes", nargs=-1, required=True, metavar="SCENE...")
@settings_options(PredictSettings)
@click.option("--calibrate", is_flag=True, help="Measure memory and speed again, not as remembered.")
@click.option("--json", "as_json", is_flag=True, help="Write the plans as JSON.")
def command(settings: PredictSettings, scenes: tuple[str, ...], *, calibrate: bool, as_json: bool) -> int:
    """Say what mapping scenes would need.

    Tiles, blocks, memory, time and disk.

    The options are those of geoseg predict. Memory and speed of a model are measured when they are first asked for, on
    a few tiles, which takes about as long as mapping a small scene; later plans take a second. A scene that cannot be
    planned is reported and the others go on; the exit code is then 1.
    """
    made = [_planned(scene, settings, calibrate=calibrate) for scene in scenes]
    found = [each for each in made if each is not None]
    if as_json:
        click.echo(json.dumps({"scenes": [each.as_json() for each in found]}, indent=2))
    else:
        click.echo("\n\n".join(each.text() for each in found))
    return 0 if len(found) == len(made) else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """A scene and what mapping it needs."""

    plan: PredictPlan
    """How scene and model meet."""

    needs: Estimate
    """Of the run."""

    measured: Rehearsal
    """On which the estimate rests."""

    is_bound: bool
    """True where no more memory is ever taken; with polygons that depends on the map."""

    def as_json(self) -> dict[str, object]:
        """As plain values."""
        needs, plan = self.needs, self.plan
        return {
            "scene": plan.source.path,
            "model": plan.card.name,
            "engine": self.measured.engine,
            "threads": needs.threads,
            "tile": plan.grid.tile,
            "overlap": plan.grid.overlap,
            "exact": plan.tiling.is_exact,
            "difference": plan.tiling.difference,
            "tiles_at_most": needs.tiles,
            "computed_pixels": needs.computed_pixels,
            "scene_pixels": needs.scene_pixels,
            "blocks": len(needs.blocks),
            "block_height": needs.blocks[0].height,
            "block_widths": sorted({block.width for block in needs.blocks}, reverse=True),
            "memory_bytes": needs.memory,
            "memory_is_bound": self.is_bound,
            "device_memory_bytes": needs.device_memory,
            "seconds": round(needs.seconds, 1),
            "output_bytes": needs.output_bytes,
            "disk_bytes": needs.disk_bytes,
        }

    def text(self) -> str:
        """For people: a heading, and a line for each fact."""
        facts = self._facts()
        width = max(len(label) for label, _ in facts)
        lines = [f"  {label:<{width}}  {one_line(said)}" for label, said in facts]
        return "\n".join([one_line(self.plan.source.path), *lines])

    def _facts(self) -> list[tuple[str, str]]:
        plan, needs = self.plan, self.needs
        widest = max(block.width for block in needs.blocks)
        bound = "at most" if self.is_bound else "about; polygons take what the map asks for"
        ratio = needs.computed_pixels / needs.scene_pixels
        on_device = [("memory of the GPU", shown_bytes(needs.device_memory))] if needs.device_memory else []
        return [
            ("model", f"{plan.card.name}, engine {self.measured.engine}, {needs.threads} tiles at a time"),
            ("size", f"{plan.grid.width} x {plan.grid.height} px as the model sees it"),
            ("tiles", f"at most {needs.tiles}, {plan.grid.tile} px sharing {plan.grid.overlap} px"),
            ("computed", f"at most {ratio:.2f} pixels for each of the scene"),
            ("seams", plan.tiling.promise),
            ("blocks", f"{len(needs.blocks)} of up to {needs.blocks[0].height} rows x {widest} columns"),
            ("memory", f"{shown_bytes(needs.memory)} ({bound})"),
            *on_device,
            ("time", f"about {_shown_seconds(needs.seconds)} at {self.measured.speed:.1f} Mpx/s of tiles"),
            ("outputs", f"about {shown_bytes(needs.output_bytes)}"),
            ("disk", f"about {shown_bytes(needs.disk_bytes)} while it runs"),
        ]


def _planned(scene: str, settings: PredictSettings, *, calibrate: bool) -> _Planned | None:
    try:
        plan = plan_prediction(scene, settings)
        if calibrate or not is_remembered(plan, settings):
            click.echo(f"{one_line(scene)}: measuring {one_line(plan.card.name)} on a few tiles", err=True)
        needs, measured = estimate_of(plan, settings, anew=calibrate)
    except GeosegError as error:
        show_error(error, about=scene)
        return None
    return _Planned(plan=plan, needs=needs, measured=measured, is_bound=not settings.vector)


def _shown_seconds(seconds: float) -> str:
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / _MINUTE)
    return f"{minutes} min" if minutes < 2 * _MINUTE else f"{minutes / _MINUTE:.1f} h"
