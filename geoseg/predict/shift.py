"""The cheap look at a scene before it is mapped: are its numbers those that the model knows? Runs no network."""

from __future__ import annotations

import hashlib
import logging

import numpy as np

from geoseg.errors import GeosegError, ModelError
from geoseg.models.package_files import REFERENCE_FILE, read_file
from geoseg.models.reference import Numbers, ReferenceStatistics, reference_from_bytes
from geoseg.predict.plan import PredictPlan
from geoseg.predict.target import sample_plans
from geoseg.raster.storage import storage_cols
from geoseg.shift.bands import band_quantiles
from geoseg.shift.radiometry import band_offsets, likely_encoding, seen_sample
from geoseg.shift.sampling import Size
from geoseg.shift.windows import WindowSample

log = logging.getLogger(__name__)

ALL_FAR = 2.5
"""Standard deviations that the middles of the bands are off, on average, beyond which a scene is worth a warning."""

ONE_FAR = 2.0
"""Standard deviations by which one band is brighter than the model knows it, and than the other bands are, likewise.
Darker bands are no sign: water and shade are dark."""

_SIDE, _LOW_SIDE = 128, 64
_MOST, _FEWEST, _FEWEST_LOW = 16, 3, 4
_SHARE_READ = 0.05


def warn_of_shift(plan: PredictPlan) -> None:
    """Log a warning where the numbers of a scene are far from those that the model was trained on. Never fails."""
    try:
        side, count, stored = _sample_of(plan)
        sample = sample_plans([plan], side=side, count=count, seed=0, stored=stored)
        remark = shift_remark(plan, sample, _reference_of(plan))
    except GeosegError:
        return  # what cannot be read or holds nothing is told by the mapping itself
    if remark:
        log.warning("%s: %s", plan.source.path, remark)


def _sample_of(plan: PredictPlan) -> tuple[int, int, Size]:
    """Side and number of windows, and the storage block, px: all of it decodes a twentieth of a large scene."""
    scene, cols = plan.source.georef, storage_cols(plan.source)
    rows = plan.source.storage_rows
    stored = (max(1, int(rows / plan.factor)), max(1, int(cols / plan.factor)))
    if cols >= scene.width and rows < _SIDE:  # stored in low strips: windows side by side decode the same ones
        count = int(_SHARE_READ * scene.height / _LOW_SIDE) ** 2
        return _LOW_SIDE, min(_MOST, max(_FEWEST_LOW, count)), stored
    decoded = max(rows, _SIDE) * max(cols, _SIDE)
    return _SIDE, min(_MOST, max(_FEWEST, int(_SHARE_READ * scene.height * scene.width / decoded))), stored


def shift_remark(plan: PredictPlan, sample: WindowSample, reference: ReferenceStatistics | None = None) -> str:
    """What is odd about the numbers of a scene and what to do, one line; empty where nothing is.

    Args:
        plan: how scene and model meet.
        sample: windows of the scene.
        reference: of the model.
    """
    normalizer = plan.card.normalizer
    scale = normalizer.scale_for(plan.source.dtype)
    encoding = likely_encoding(sample, [scale], normalizer, reference)
    if encoding is not None:
        return f"its numbers look like {encoding}: convert them, or model {plan.card.name} maps them wrongly"
    offsets = band_offsets(band_quantiles(seen_sample(sample, normalizer)), normalizer, reference)
    odd = _odd_bands(offsets)
    if not odd:
        return ""
    told = ", ".join(f"{plan.card.bands[place]} by {offsets[place]:+.1f}" for place in odd)
    return (
        f"far from what model {plan.card.name} was trained on: {told} standard deviations "
        "(another sensor, haze, or another unit?): see geoseg shift, or map with --adapt match"
    )


def _odd_bands(offsets: Numbers) -> list[int]:
    """Positions of the bands to tell of."""
    there = np.flatnonzero(np.isfinite(offsets))
    if not len(there):
        return []
    if np.abs(offsets[there]).mean() > ALL_FAR:
        return [int(place) for place in there]
    middle = np.median(offsets[there])
    return [int(place) for place in there if offsets[place] > ONE_FAR and offsets[place] - middle > ONE_FAR]


def _reference_of(plan: PredictPlan) -> ReferenceStatistics | None:
    """Without the weights; None where there is none or it is not the one that the card describes."""
    if not plan.card.reference_sha256:
        return None
    try:
        data = read_file(plan.model, REFERENCE_FILE)
    except ModelError:
        return None
    if hashlib.sha256(data).hexdigest() != plan.card.reference_sha256:
        return None
    return reference_from_bytes(data, origin=str(plan.model))
