"""Which packaged model fits a scene: by bands, size and type of its pixels. Reads no pixels."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from geoseg.errors import ModelError, SceneError
from geoseg.models.card import ModelCard
from geoseg.raster.scene import Access, SceneSource, describe_scene

log = logging.getLogger(__name__)

_COARSEST = 4.0
_FINEST = 32.0
_CUSTOMARY = ("red", "green", "blue")  # the one order that bands without names are taken to have
_ALIKE = 2.1  # pixel sizes within this factor tell nothing about which model sees more


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A model that could map the scene."""

    name: str
    card: ModelCard
    source: SceneSource

    @property
    def rank(self) -> tuple[object, ...]:
        """The smaller the better: alike pixels, then more named bands, then nearer pixels."""
        gap = _gap(self.source, self.card)
        bands = len(self.source.present)
        more_bands = bands if self.source.by_position else -bands
        return (int(gap / math.log(_ALIKE)), more_bands, gap, self.card.gsd, self.name)


def match_bands(
    scene: str | Path, card: ModelCard, bands: Sequence[str] | None, access: Access | None = None
) -> SceneSource:
    """The scene with the bands of a model, in its unit; `present` are positions among the model's bands.

    Args:
        scene: any raster GDAL opens, an item, a folder, a glob or a list.
        card: of the model.
        bands: those of the scene that stand for all of the model's, or for all but its optional ones; None finds
            them by the model's names.
        access: what of the scene is masked, and what it may reach.

    Raises:
        SceneError: if the scene cannot be read or lacks a band, or the number of bands does not fit.
    """
    scales = card.normalizer.scales
    if bands is None:
        every, optional = card.bands, card.optional_bands
        return describe_scene(scene, bands=every, optional=optional, access=access).in_units_of(scales)
    needed = tuple(place for place, band in enumerate(card.bands) if band not in card.optional_bands)
    if len(bands) == len(card.bands):
        return describe_scene(scene, bands=bands, access=access).in_units_of(scales)
    if len(bands) == len(needed):
        source = describe_scene(scene, bands=bands, access=access).in_units_of(scales)
        return replace(source, present=needed)
    without = f" (or without {', '.join(card.optional_bands)})" if card.optional_bands else ""
    raise SceneError(
        f"--bands names {len(bands)} band(s), model {card.name} takes {len(card.bands)}: "
        f"{', '.join(card.bands)}{without}, in this order"
    )


def choose_card(
    scene: str | Path, cards: Mapping[str, ModelCard], bands: Sequence[str] | None, access: Access | None = None
) -> str:
    """The name of the model that fits a scene best; says which and why at level INFO.

    Only models of general land cover are chosen. Of those that take the scene's bands, pixel size and type: the one
    whose pixels are alike in size (a factor of two is no difference), that uses more of the named bands, whose
    pixels are nearest in size.

    Args:
        scene: any raster GDAL opens.
        cards: to choose from, by name.
        bands: those of the scene, as the user named them; None finds them by the models' names.
        access: what of the scene is masked, and what it may reach.

    Raises:
        SceneError: if the scene cannot be read.
        ModelError: if no model fits; says what the nearest lacks and what the others take.
    """
    source = describe_scene(scene, bands=bands, access=access)  # a scene that cannot be read is no fault of the models
    general = {name: card for name, card in cards.items() if card.is_general}
    fitting, reasons = [], []
    for name, card in sorted(general.items(), key=lambda entry: (_gap(source, entry[1]), entry[0])):
        try:
            fitting.append(_Candidate(name=name, card=card, source=_fitted(scene, card, bands, access)))
        except (SceneError, ModelError) as error:
            reasons.append((card, str(error).removeprefix(f"{source.path}: ")))
    if not fitting:
        raise ModelError(f"{source.path}: no packaged model fits this scene: {_why_not(reasons)}")
    best = min(fitting, key=lambda candidate: candidate.rank)
    log.info("%s: mapped with %s: %s", source.path, best.name, _why(best))
    return best.name


def _gap(source: SceneSource, card: ModelCard) -> float:
    """How far the pixel sizes of scene and model are apart, |log ratio|; 0 where the scene's is not known."""
    gsd = source.georef.gsd
    return 0.0 if gsd is None else abs(math.log(gsd / card.gsd))


def _fitted(scene: str | Path, card: ModelCard, bands: Sequence[str] | None, access: Access | None) -> SceneSource:
    """The scene with the bands of a model; raises where they cannot meet."""
    source = match_bands(scene, card, bands, access)
    card.normalizer.scale_for(source.dtype)
    if source.by_position and card.bands[: len(_CUSTOMARY)] != _CUSTOMARY:
        raise SceneError(
            f"the bands have no names, and {', '.join(card.bands)} is no order that is usual: name them, "
            f"or pass --model {card.name} --bands with their numbers"
        )
    gsd = source.georef.gsd
    if gsd is not None and not 1 / _FINEST <= gsd / card.gsd <= _COARSEST:
        raise ModelError(
            f"its pixels are {gsd:.3g} m, the model was trained at {card.gsd:g} m: choose a model with --model"
        )
    return source


def _why(best: _Candidate) -> str:
    used = ", ".join(best.card.bands[place] for place in best.source.present)
    gsd = best.source.georef.gsd
    pixels = "pixels of unknown size" if gsd is None else f"{gsd:.3g} m pixels"
    return f"{used} at {best.card.gsd:g} m; the scene has {pixels}"


def _why_not(reasons: Sequence[tuple[ModelCard, str]]) -> str:
    if not reasons:
        return "none is installed"
    (nearest, reason), *others = reasons
    said = f"{nearest.name}: {reason}"
    return said if not others else f"{said}; {'; '.join(_needs(card) for card, _ in others)}"


def _needs(card: ModelCard) -> str:
    needed = ", ".join(band for band in card.bands if band not in card.optional_bands)
    finest, coarsest = card.gsd / _FINEST, card.gsd * _COARSEST
    types = " or ".join(sorted(card.normalizer.scales))
    return f"{card.name} takes {needed} at {finest:.2g} to {coarsest:.2g} m as {types}"
