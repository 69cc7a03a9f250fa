"""`geoseg models list | show | export | import | networks`: models, and what to build them from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import click

from geoseg.cli.tables import show_table
from geoseg.config.import_model import ImportSettings
from geoseg.config.settings import load_settings
from geoseg.errors import ConfigError, one_line
from geoseg.models.card import ModelCard, card_to_json
from geoseg.models.zoo import describe_models, export_model, find_model, load_model, read_card

_MOST_ENTRIES = 8


@click.group("models")
def command() -> None:
    """List, show, export and import models."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write the list as JSON.")
def list_models(*, as_json: bool) -> None:
    """List the packaged models."""
    cards = describe_models()
    if as_json:
        click.echo(json.dumps([_summary(card) for card in cards], indent=2))
        return
    show_table(
        ("model", "GSD", "bands", "classes", "held-out mean IoU", "title"),
        [
            (card.name, f"{card.gsd:g} m", ",".join(card.bands), str(len(card.classes)), _score(card), card.title)
            for card in cards
        ],
    )


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Write the whole card as JSON.")
def show_model(name: str, *, as_json: bool) -> None:
    """Show what a model expects, gives, and comes from.

    NAME is a packaged model or the folder of a model package.
    """
    card = read_card(find_model(name))
    if as_json:
        click.echo(card_to_json(card))
        return
    facts = [(one_line(label), text) for label, text in _facts(card)]
    width = max(len(label) for label, _ in facts)
    for label, text in facts:
        click.echo(f"{label:<{width}}  {one_line(text)}")
    click.echo()
    show_table(("class", "id", "colour"), [(entry.name, str(entry.id), entry.colour) for entry in card.classes.classes])


@command.command("export")
@click.argument("name")
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where to write."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("package", "onnx", "openvino")),
    default="package",
    show_default=True,
    help="package copies a packaged model; onnx and openvino write its graph, for other programs.",
)
@click.option(
    "--tile", type=int, help="Side of the tiles of a graph in pixels, a multiple of 32; default: the model's."
)
@click.option("--overwrite", is_flag=True, help="Replace the files of a graph that exist.")
def export(name: str, folder: Path, *, form: str, tile: int | None, overwrite: bool) -> None:
    """Copy a packaged model to a folder, or write its graph as ONNX or OpenVINO.

    NAME is a packaged model, or for graphs also the folder or zip of a model package. The copy is DIR/NAME. A graph is
    DIR/model.onnx or DIR/model.xml and model.bin, with DIR/graph.json telling bands, classes and normalisation; it is
    compared with the network before it gets its name.
    """
    if form == "package":
        _refuse_options_of_graphs(tile, overwrite=overwrite)
        click.echo(str(export_model(name, folder)))
        return
    from geoseg.inference.export import export_graph  # noqa: PLC0415 - torch only where it runs

    kind: Literal["onnx", "openvino"] = "onnx" if form == "onnx" else "openvino"
    for path in export_graph(load_model(name), folder, form=kind, tile=tile, overwrite=overwrite):
        click.echo(str(path))


@command.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "package", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Package to make."
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    required=True,
    help="YAML file with what the weights do not say: classes, bands, gsd; configs/import.yaml shows all.",
)
def import_model(source: Path, package: Path, config: Path) -> None:
    """Make a model package of a network of segmentation-models-pytorch.

    SOURCE is a folder that its save_pretrained wrote, or a state dict (.safetensors, .pt, .pth, .ckpt). No code is run
    from it. The package is loaded again and compared with the network before it gets its name.
    """
    settings = load_settings(ImportSettings, config)
    from geoseg.models.importing import ImportRequest, import_package  # noqa: PLC0415 - torch only where it runs

    request = ImportRequest(
        **settings.model_dump(exclude={"classes", "title", "licence", "data", "limits"}),
        classes=settings.class_map,
        provenance=settings.provenance,
    )
    made = import_package(source, package, request)
    click.echo(str(package))
    click.echo(
        f"{made.spec.architecture} with {made.spec.encoder}, {len(made.bands)} bands, {len(made.classes)} classes"
    )


@command.command("networks")
@click.argument("pattern", required=False)
@click.option("--json", "as_json", is_flag=True, help="Write the names as JSON.")
def list_networks(pattern: str | None, *, as_json: bool) -> None:
    """List what `architecture` and `encoder` may be.

    PATTERN chooses encoders by name, timm's models too: 'tu-convnext*'. Without it, smp's own are listed.
    """
    from geoseg.models.catalogue import (  # noqa: PLC0415 - importing smp takes seconds
        architectures,
        encoders_like,
        hub_weights,
        options_of,
    )

    encoders = {name: hub_weights(name) for name in encoders_like(pattern)}
    options = {name: options_of(name) for name in architectures()}
    if as_json:
        click.echo(json.dumps({"architectures": options, "encoders": encoders}, indent=2))
        return
    if pattern is None:
        show_table(("architecture", "options"), [(name, ", ".join(taken)) for name, taken in options.items()])
        click.echo()
    show_table(("encoder", "weights on the hub"), [(name, ", ".join(has) or "-") for name, has in encoders.items()])
    if pattern is None:
        click.echo("\nEvery model of timm is an encoder too, as tu-NAME: geoseg models networks 'tu-*'")


def _refuse_options_of_graphs(tile: int | None, *, overwrite: bool) -> None:
    if tile is not None or overwrite:
        raise ConfigError("--tile and --overwrite are for graphs: pass --format onnx or --format openvino")


def _facts(card: ModelCard) -> list[tuple[str, str]]:
    facts = [
        ("name", card.name),
        ("network", f"{card.spec.architecture} with {card.spec.encoder}, {card.parameters:,} parameters"),
        ("bands", ", ".join(f"{band} (optional)" if band in card.optional_bands else band for band in card.bands)),
        ("GSD", f"{card.gsd:g} m"),
        ("pixels", ", ".join(sorted(card.normalizer.scales))),
        ("tile, overlap", f"{card.tile} px, {card.overlap} px"),
        ("context", card.context.summary if card.context else "not measured"),
        ("calibration", _calibration(card)),
        ("weights", f"{card.weights_bytes / 1e6:.1f} MB, sha256 {card.weights_sha256}"),
    ]
    return facts + [fact for key, value in card.provenance.items() for fact in _flat(key, value)]


def _calibration(card: ModelCard) -> str:
    vector = ", a scale and a bias for each class" if card.calibration.is_vector else ""
    needed = [f"{name} {value:g}" for name, value in zip(card.classes.names, card.thresholds, strict=False) if value]
    return f"temperature {card.calibration.temperature:.2f}{vector}" + (
        f"; thresholds {', '.join(needed)}" if needed else ""
    )


def _flat(key: str, value: object) -> Iterator[tuple[str, str]]:
    """One line for each number or text of a nested value."""
    if isinstance(value, Mapping):
        for inner, entry in value.items():
            yield from _flat(f"{key} {inner}", entry)
    elif isinstance(value, list | tuple):
        shown = ", ".join(map(_text, value[:_MOST_ENTRIES]))
        yield key, shown if len(value) <= _MOST_ENTRIES else f"{shown}, ... ({len(value)} in all)"
    else:
        yield key, _text(value)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _summary(card: ModelCard) -> dict[str, object]:
    return {
        "name": card.name,
        "title": card.title,
        "gsd": card.gsd,
        "bands": list(card.bands),
        "classes": list(card.classes.names),
        "holdout_mean_iou": card.holdout_mean_iou,
    }


def _score(card: ModelCard) -> str:
    return "-" if card.holdout_mean_iou is None else f"{card.holdout_mean_iou:.2f}"
