"""How far a model can be trusted, pixel by pixel, as a raster: the same lattice of tiles as a map of classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.classes import NODATA_ID
from geoseg.inference.batches import TiledBlock
from geoseg.inference.decide import PERCENT
from geoseg.inference.segment import strips
from geoseg.models.package import ModelPackage
from geoseg.predict.plan import PredictPlan
from geoseg.predict.target import seen_scene
from geoseg.predict.task import one_thread
from geoseg.raster.staging import Staging
from geoseg.raster.writer import confidence_writer
from geoseg.shift.competence import competence
from geoseg.shift.forward import Forward
from geoseg.shift.windows import Place, WindowSample
from geoseg.shift.witness import Witness
from geoseg.tiling.blend import Strip
from geoseg.window import Window

_AT_ONCE = 4


def write_competence(engine: CompetenceEngine, plan: PredictPlan, path: Path, *, overwrite: bool = False) -> None:
    """Write a COG of how far a model can be trusted, per cent; 255 is nodata. It is on the model's grid.

    Tiles are blended as those of a map are, so there are no seams; memory follows the width of the scene.

    Raises:
        OutputError: if the file exists already or cannot be written.
    """
    georef = plan.source.georef if plan.factor == 1 else plan.source.georef.rescaled(plan.factor)
    with Staging(path.parent, [path.name], overwrite=overwrite) as staging, seen_scene(plan) as scene:
        with confidence_writer(staging.path(path.name), georef) as writer:
            for strip in strips(scene, TiledBlock(grid=plan.grid, window=georef.window), engine, batch_size=_AT_ONCE):
                writer.write(strip.window, _percent(strip))
        staging.commit()


class CompetenceEngine:
    """Says of tiles how far the model can be trusted, and how far not, in place of classes."""

    def __init__(
        self, plan: PredictPlan, package: ModelPackage, forward: Forward, witnesses: Sequence[Witness] = ()
    ) -> None:
        """Run a package's network, and witnesses of the scene, on tiles of a plan's scene."""
        self._plan, self._package, self._witnesses = plan, package, witnesses
        self._model = Witness(forward=forward, normalizer=package.normalizer)
        self._scale = np.float32(package.normalizer.scale_for(plan.source.dtype))

    @property
    def classes(self) -> int:
        """Trusted and not."""
        return 2

    @property
    def device(self) -> torch.device:
        """Where the answers lie."""
        return torch.device("cpu")

    @property
    def threads(self) -> int:
        """One call at a time."""
        return 1

    def probabilities(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> Tensor:
        """As in `Engine`; one tile at a time, so that its bits depend on nothing else."""
        trusted = torch.zeros(usable.shape)
        for place in np.flatnonzero(usable.any(axis=(1, 2))):
            one = slice(place, place + 1)
            trusted[one] = self._trusted(images[one], usable[one])
        return torch.stack([trusted, 1 - trusted], dim=1)

    def _trusted(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> Tensor:
        bands = len(self._package.bands)
        scaled = np.full((len(images), bands, *usable.shape[1:]), np.nan, dtype=np.float32)
        scaled[:, list(self._plan.present)] = images.astype(np.float32) * self._scale
        tile = Place(scene=0, window=Window.between(0, usable.shape[1], 0, usable.shape[2]))
        sample = WindowSample(images=scaled, valid=usable, places=(tile,) * len(images))
        with one_thread():
            trusted = competence(self._model, sample, self._package.reference, witnesses=self._witnesses)
        return torch.from_numpy(trusted)


def _percent(strip: Strip) -> NDArray[np.uint8]:
    percent = (strip.probabilities[0] * PERCENT).round().clamp(0, PERCENT).to(torch.uint8).numpy()
    return np.where(strip.valid, percent, np.uint8(NODATA_ID))
