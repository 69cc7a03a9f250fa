"""A model card as text for people (Mitchell et al. 2019). Says what model.json says, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from geoseg.models.card import ModelCard

TEXT_FILE = "MODEL_CARD.md"
"""The text inside a package."""

_PARAGRAPHS = (("data", "Data"), ("split", "Split"), ("limits", "Limits"), ("licence", "Licence"))


def model_card_text(card: ModelCard, *, picture: str | None = None) -> str:
    """Markdown: what the model maps, from what, how well, and where it fails.

    Args:
        card: of the model; `data`, `split`, `limits`, `licence` and `scores` of its provenance are told if there.
        picture: file name of a picture beside it.
    """
    shown = [f"![Scene, labels and map of held-out ground]({picture})", ""] if picture else []
    lines = [f"# {card.name}", "", card.title, "", *shown, *_facts(card), "", *_scores(card)]
    for key, heading in _PARAGRAPHS:
        text = card.provenance.get(key)
        if text:
            lines += ["", f"## {heading}", "", str(text).strip()]
    return "\n".join(lines) + "\n"


def _facts(card: ModelCard) -> list[str]:
    network = f"{card.spec.architecture} with {card.spec.encoder} encoder, trained from {_start(card)}"
    return [
        f"- Bands: {_bands(card)}, pixels as {', '.join(sorted(card.normalizer.scales))}",
        f"- Ground sampling distance: {card.gsd:g} m",
        f"- Classes: {', '.join(f'{entry.id} {entry.name}' for entry in card.classes.classes)}",
        f"- Network: {network}: {card.parameters:,} parameters, {card.weights_bytes / 1e6:.1f} MB",
        f"- Tiles of {card.tile} px that share {card.overlap} px; {_calibration(card)}",
        *([f"- Context: {card.context.summary}"] if card.context else []),
        *_thresholds(card),
    ]


def _bands(card: ModelCard) -> str:
    said = ", ".join(card.bands)
    return f"{said} ({', '.join(card.optional_bands)} may be missing)" if card.optional_bands else said


def _calibration(card: ModelCard) -> str:
    said = f"temperature {card.calibration.temperature:.2f}"
    return f"{said}, a scale and a bias for each class" if card.calibration.is_vector else said


def _thresholds(card: ModelCard) -> list[str]:
    said = [
        f"{entry.name} {threshold:g}"
        for entry, threshold in zip(card.classes.classes, card.thresholds, strict=False)
        if threshold
    ]
    return [f"- Given only from this probability on: {', '.join(said)}"] if said else []


def _start(card: ModelCard) -> str:
    training = card.provenance.get("training")
    start = training.get("start") if isinstance(training, Mapping) else None
    return str(start or "random weights")


def _scores(card: ModelCard) -> list[str]:
    held_out = _mapping(card.provenance.get("scores"))
    validation = _mapping(held_out.get("validation"))
    if not held_out:
        return ["No scores were recorded."]
    named = dict.fromkeys([*_mapping(held_out.get("sources")), *_mapping(validation.get("sources"))])
    lines = []
    for source in named:
        parts = [_mapping(_mapping(ground.get("sources")).get(source)) for ground in (held_out, validation)]
        lines += [f"### {source}", "", *_table(card, *parts), ""]
    if not named:
        lines += [*_table(card, held_out, validation), ""]
    return [*lines, f"{_summary(held_out, validation)} The weights were chosen by the validation ground alone."]


def _table(card: ModelCard, held_out: Mapping[str, object], validation: Mapping[str, object]) -> list[str]:
    """Scores of a source; its labels may tell fewer classes apart than the model does."""
    iou = [_mapping(scores.get("iou")) for scores in (held_out, validation)]
    names = [name for name in card.classes.names if any(name in part for part in iou)]
    names += sorted({name for part in iou for name in part} - set(names))
    lines = ["| class | IoU held out | IoU validation |", "|---|---|---|"]
    lines += [f"| {_cell(name)} | {_number(iou[0].get(name))} | {_number(iou[1].get(name))} |" for name in names]
    for key, name in (("mean_iou", "mean IoU"), ("pixel_accuracy", "pixel accuracy")):
        lines.append(f"| **{name}** | {_number(held_out.get(key))} | {_number(validation.get(key))} |")
    return lines


def _summary(held_out: Mapping[str, object], validation: Mapping[str, object]) -> str:
    told = [f"Held out: {_pixels(held_out)}", f"validation: {_pixels(validation)}"]
    error = held_out.get("ece")
    if isinstance(error, int | float):
        told.append(f"expected calibration error held out {error:.3f}")
    return "; ".join(told) + "."


def _cell(name: str) -> str:
    """A name, or a set of names, without the stroke that would end the cell."""
    return name.replace("|", " or ")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _number(score: object) -> str:
    return f"{score:.3f}" if isinstance(score, int | float) else "-"


def _pixels(scores: Mapping[str, object]) -> str:
    pixels = scores.get("pixels")
    return f"{pixels / 1e6:.2f} million pixels" if isinstance(pixels, int) else "nothing"
