"""A model card as text for people (Mitchell et al. 2019). Says what model.json says, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from geoseg.models.card import ModelCard

TEXT_FILE = "MODEL_CARD.md"
"""The text inside a package."""

_PARAGRAPHS = (("data", "Data"), ("split", "Split"), ("limits", "Limits"), ("licence", "Licence"))


def model_card_text(card: ModelCard) -> str:
    """Markdown: what the model maps, from what, how well, and where it fails.

    Args:
        card: of the model; `data`, `split`, `limits`, `licence` and `scores` of its provenance are told if there.
    """
    lines = [f"# {card.name}", "", card.title, "", *_facts(card), "", *_scores(card)]
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
        f"- Network: {network}: {card.parameters:,} parameters, {card.weights_bytes / 1e6:.1f} MB",
        f"- Tiles of {card.tile} px that share {card.overlap} px; {_calibration(card)}",
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
    held_out = card.provenance.get("scores")
    held_out = held_out if isinstance(held_out, Mapping) else {}
    validation = held_out.get("validation")
    validation = validation if isinstance(validation, Mapping) else {}
    lines = ["| id | class | IoU held out | IoU validation |", "|---|---|---|---|"]
    lines += [
        f"| {entry.id} | {entry.name} | {_of(held_out, entry.name)} | {_of(validation, entry.name)} |"
        for entry in card.classes.classes
    ]
    for key, name in (("mean_iou", "mean IoU"), ("pixel_accuracy", "pixel accuracy")):
        lines.append(f"| | **{name}** | {_number(held_out.get(key))} | {_number(validation.get(key))} |")
    lines += [
        "",
        f"Held out: {_pixels(held_out)}. The weights were chosen by the validation ground, never by the other.",
    ]
    return lines


def _of(scores: Mapping[str, object], name: str) -> str:
    iou = scores.get("iou")
    return _number(iou.get(name)) if isinstance(iou, Mapping) else "-"


def _number(score: object) -> str:
    return f"{score:.3f}" if isinstance(score, int | float) else "-"


def _pixels(scores: Mapping[str, object]) -> str:
    pixels = scores.get("pixels")
    return f"{pixels / 1e6:.2f} million pixels" if isinstance(pixels, int) else "nothing"
