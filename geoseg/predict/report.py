"""From scenes to a report of their shift: what `geoseg shift` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from geoseg.config.shift import ShiftSettings
from geoseg.errors import ConfigError
from geoseg.models.device import choose_device, choose_precision
from geoseg.models.package import ModelPackage, load_package
from geoseg.predict.competence_map import CompetenceEngine, write_competence
from geoseg.predict.target import plan_target, sample_plans, scene_facts
from geoseg.raster.scene import Access
from geoseg.shift.competence import are_heeded
from geoseg.shift.forward import Forward
from geoseg.shift.measure import measure_shift
from geoseg.shift.report import ShiftReport
from geoseg.shift.witness import Witness, witnesses_of


def report_shift(
    scenes: Sequence[str | Path], settings: ShiftSettings, *, competence: Path | None = None
) -> ShiftReport:
    """Measure how far scenes are from what a model knows.

    Args:
        scenes: any rasters GDAL opens.
        settings: of the command.
        competence: where to write the map of how far the model can be trusted, of one scene; None writes none.

    Raises:
        ConfigError: if a map is wanted of several scenes, or the device is not there.
        SceneError: if a scene cannot be read, lacks a band, or nothing of the scenes is valid.
        ModelError: if the model is unknown, broken, or does not take such pixels.
        OutputError: if the map exists already or cannot be written.
    """
    if competence is not None and len(scenes) != 1:
        raise ConfigError(f"a map is of one scene, got {len(scenes)}: leave --map out or give one scene")
    access = Access(mask=settings.mask, allow=settings.allow)
    plans = plan_target(scenes, model=settings.model, bands=settings.bands, access=access)
    package = load_package(plans[0].model)
    forward = _forward(package, settings)
    sample = sample_plans(plans, side=settings.side, count=settings.windows, seed=settings.seed)
    report = measure_shift(package, sample, forward, scenes=scene_facts(plans, sample))
    if competence is not None:
        model = Witness(forward=forward, normalizer=package.normalizer)
        witnesses = witnesses_of(model, sample, package.reference) if are_heeded(report.distances) else ()
        engine = CompetenceEngine(plans[0], package, forward, witnesses)
        write_competence(engine, plans[0], competence, overwrite=settings.overwrite)
    return report


def _forward(package: ModelPackage, settings: ShiftSettings) -> Forward:
    device = choose_device(settings.device)
    return Forward(
        network=package.network,
        calibration=package.calibration,
        device=device,
        precision=choose_precision(settings.precision, device),
    )
