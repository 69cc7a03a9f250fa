"""What has to fit before a scene is mapped: the model, its bands, its pixel size, the grids. Reads no pixels."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

from geoseg.config.predict import PredictSettings
from geoseg.errors import ConfigError, ModelError, SceneError
from geoseg.georef import GeoRef
from geoseg.models.card import ModelCard
from geoseg.models.zoo import find_model, packaged_models, read_card
from geoseg.predict.choice import choose_card, match_bands
from geoseg.predict.overlap import Tiling, tiling_of
from geoseg.raster.area import AreaOfInterest
from geoseg.raster.scene import Access, SceneSource, warn_of
from geoseg.tiling.grid import TileGrid

log = logging.getLogger(__name__)

GSD_TOLERANCE = 1.25
"""A scene whose pixels are up to this much larger or smaller than the model's is read as it is."""

_ROUNDING = 0.01
_WIDEST = 2**24  # memory follows the width
_COARSEST_CHOSEN = 16.0  # beyond, a map would hold hundreds of pixels for each of the scene


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictPlan:
    """A scene, a model, and how they meet."""

    source: SceneSource
    """The scene, with the bands the model wants."""

    model: Path
    """The model package."""

    card: ModelCard
    """What the package says of itself."""

    factor: float
    """Side of a pixel the model sees, in scene pixels; 1 where the scene is read as it is."""

    tiling: Tiling
    """Sizes of the tiles, and what is known of the map they make."""

    grid: TileGrid
    """The lattice, on the pixels the model sees."""

    output: GeoRef
    """The grid of the outputs."""

    thresholds: tuple[float, ...]
    """For each class the probability that a pixel needs to be given it."""

    regrids: bool = False
    """True where the outputs are on the scene's own grid although the model sees another."""

    area: AreaOfInterest | None = None
    """What of the scene is mapped; None = all of it."""

    corner: tuple[int, int] = (0, 0)
    """Row and column where the outputs begin, on the grid that they are cut from."""

    @property
    def present(self) -> tuple[int, ...]:
        """Positions among the model's bands of those that the scene has."""
        return self.source.present


def plan_prediction(scene: str | Path, settings: PredictSettings) -> PredictPlan:
    """Match a scene and a model.

    Raises:
        SceneError: if the scene cannot be read or lacks a band.
        ModelError: if the model is unknown, broken, does not take such pixels, or has no overlap as asked.
        GridError: if tile and overlap do not go together.
        ConfigError: if a threshold is for a class that the model does not have.
    """
    model, card = _choose_model(scene, settings)
    source = match_bands(scene, card, settings.bands, _access(settings))
    warn_of(source)
    _tell_missing(source, card)
    card.normalizer.scale_for(source.dtype)
    factor = _factor(source, card)
    seen = source.georef if factor == 1 else source.georef.rescaled(factor)
    if max(seen.width, source.georef.width) > _WIDEST:
        raise SceneError(
            f"{source.path}: {max(seen.width, source.georef.width)} px wide, at most {_WIDEST} px are mapped at once: "
            "cut it (gdal_translate -srcwin)"
        )
    tiling = tiling_of(card, settings, model, height=seen.height, width=seen.width)
    mapped = source.georef if settings.grid == "scene" else seen
    area = None if settings.aoi is None else AreaOfInterest.of(settings.aoi)
    part = mapped.window if area is None else area.on(mapped).bounds
    return PredictPlan(
        source=source,
        model=model,
        card=card,
        factor=factor,
        tiling=tiling,
        grid=tiling.grid(height=seen.height, width=seen.width),
        output=mapped if area is None else mapped.of_window(part),
        thresholds=_thresholds(card, settings),
        regrids=settings.grid == "scene" and factor != 1,
        area=area,
        corner=(part.row, part.col),
    )


def _access(settings: PredictSettings) -> Access:
    return Access(mask=settings.mask, allow=settings.allow)


def _factor(source: SceneSource, card: ModelCard) -> float:
    gsd = source.georef.gsd
    if gsd is None:
        log.warning("%s: read as if its pixels were %g m, as model %s expects", source.path, card.gsd, card.name)
        return 1.0
    factor = card.gsd / gsd
    if 1 / GSD_TOLERANCE <= factor <= GSD_TOLERANCE:
        return 1.0
    if factor < 1 / _COARSEST_CHOSEN:
        raise ModelError(
            f"{source.path}: its pixels are {gsd:.3g} m, model {card.name} was trained at {card.gsd:g} m: what it "
            f"looks for cannot be seen in pixels over {_COARSEST_CHOSEN:g} times as large; choose another model"
        )
    if factor < 1 / 2:
        log.warning(
            "%s: its pixels are %.3g m, model %s was trained at %g m: what it looks for may not be visible",
            *(source.path, gsd, card.name, card.gsd),
        )
    return _round_pixel(source.georef, factor)


def _round_pixel(georef: GeoRef, factor: float) -> float:
    """The factor, changed by under 1 % so that the new pixel has a short size in map units (0.6, not 0.59976)."""
    pixel = math.sqrt(abs(georef.transform.determinant))
    for digits in range(3):
        short = float(f"{pixel * factor:.{digits}e}")
        if abs(short / (pixel * factor) - 1) < _ROUNDING:
            return short / pixel
    return factor


def _choose_model(scene: str | Path, settings: PredictSettings) -> tuple[Path, ModelCard]:
    if settings.model != "auto":
        path = find_model(settings.model)
        return path, read_card(path)
    cards = {name: read_card(find_model(name)) for name in packaged_models()}
    name = choose_card(scene, cards, settings.bands, _access(settings))
    return find_model(name), cards[name]


def _thresholds(card: ModelCard, settings: PredictSettings) -> tuple[float, ...]:
    """For each class the probability it needs, the model's where the settings say nothing."""
    said = settings.thresholds or {}
    unknown = sorted(set(said) - set(card.classes.names))
    if unknown:
        raise ConfigError(
            f"thresholds: model {card.name} has no class {unknown[0]!r}: it has {', '.join(card.classes.names)}"
        )
    own = card.thresholds or (0.0,) * len(card.classes)
    return tuple(said.get(name, threshold) for name, threshold in zip(card.classes.names, own, strict=True))


def _tell_missing(source: SceneSource, card: ModelCard) -> None:
    missing = [band for place, band in enumerate(card.bands) if place not in source.present]
    if missing:
        log.warning("%s: has no %s: model %s maps without, less surely", source.path, ", ".join(missing), card.name)
