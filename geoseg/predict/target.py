"""Scenes without labels as a model sees them: on its grid, with its bands, in its unit. Runs no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from geoseg.config.predict import PredictSettings
from geoseg.errors import SceneError
from geoseg.predict.plan import PredictPlan, plan_prediction
from geoseg.raster.patch import SceneReader
from geoseg.raster.resample import ResampledScene
from geoseg.raster.scene import Access, Scene
from geoseg.shift.report import SceneFacts
from geoseg.shift.sampling import SampledScene, Size, sample_windows
from geoseg.shift.windows import WindowSample


def sample_target(
    scenes: Sequence[str | Path], *, model: str, bands: Sequence[str] | None, side: int, count: int, seed: int
) -> WindowSample:
    """Windows of scenes on the grid, the bands and the unit of a model.

    Args:
        scenes: any rasters GDAL opens.
        model: a packaged name, a folder or a zip; auto takes what fits the first scene.
        bands: the scenes' bands in the model's order; None finds them by name.
        side: of a window, px of the model.
        count: windows at most, of all scenes together.
        seed: of where they lie.

    Returns:
        The windows; the same arguments give the same.

    Raises:
        SceneError: if a scene cannot be read, lacks a band, or nothing of the scenes is valid.
        ModelError: if the model is unknown, broken, or does not take such pixels.
    """
    return sample_plans(plan_target(scenes, model=model, bands=bands), side=side, count=count, seed=seed)


def plan_target(
    scenes: Sequence[str | Path], *, model: str, bands: Sequence[str] | None, access: Access | None = None
) -> tuple[PredictPlan, ...]:
    """How each scene meets one model. Reads no pixels.

    Args:
        scenes: any rasters GDAL opens.
        model: a packaged name, a folder or a zip; auto takes what fits the first scene.
        bands: the scenes' bands in the model's order; None finds them by name.
        access: what of each scene is masked, and what it may reach.

    Raises:
        SceneError: if there is no scene, or one cannot be read or lacks a band.
        ModelError: if the model is unknown, broken, or does not take such pixels.
    """
    if not scenes:
        raise SceneError("no scene to look at: name at least one")
    first = plan_prediction(scenes[0], _settings(model, bands, access))
    settings = _settings(str(first.model), bands, access)
    return (first, *(plan_prediction(scene, settings) for scene in scenes[1:]))


def sample_plans(
    plans: Sequence[PredictPlan], *, side: int, count: int, seed: int, stored: Size = (1, 1)
) -> WindowSample:
    """Windows of scenes that meet one model; see `sample_target` and `sample_windows`."""
    with ExitStack() as stack:
        sampled = [
            SampledScene(
                reader=stack.enter_context(seen_scene(plan)),
                scale=plan.card.normalizer.scale_for(plan.source.dtype),
                present=plan.present,
                bands=len(plan.card.bands),
            )
            for plan in plans
        ]
        return sample_windows(sampled, side=side, count=count, seed=seed, stored=stored)


@contextmanager
def seen_scene(plan: PredictPlan) -> Iterator[SceneReader]:
    """A scene, open, on the grid that the model sees."""
    with Scene(plan.source) as scene:
        yield scene if plan.factor == 1 else ResampledScene(scene, plan.factor)


def scene_facts(plans: Sequence[PredictPlan], sample: WindowSample) -> tuple[SceneFacts, ...]:
    """What can be said of each scene without statistics; `sample` is of the same scenes."""
    return tuple(_facts(plan, _nodata(sample, number)) for number, plan in enumerate(plans))


def _facts(plan: PredictPlan, nodata: float | None) -> SceneFacts:
    source, card = plan.source, plan.card
    gsd = source.georef.gsd
    return SceneFacts(
        scene=source.path,
        gsd=gsd,
        gsd_ratio=None if gsd is None else gsd / card.gsd,
        dtype=source.dtype,
        scale=card.normalizer.scale_for(source.dtype),
        bands_absent=tuple(band for place, band in enumerate(card.bands) if place not in source.present),
        by_position=source.by_position,
        nodata=nodata,
    )


def _nodata(sample: WindowSample, scene: int) -> float | None:
    of_scene = [number for number, place in enumerate(sample.places) if place.scene == scene]
    return None if not of_scene else 1.0 - float(sample.valid[of_scene].mean())


def _settings(model: str, bands: Sequence[str] | None, access: Access | None) -> PredictSettings:
    access = access or Access()
    return PredictSettings(
        model=model, bands=None if bands is None else tuple(bands), mask=access.mask, allow=access.allow
    )
