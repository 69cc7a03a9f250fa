"""The composition: one scene in, its layers out. Reads like the table of contents of the package."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from geoseg.config.predict import PredictOptions, PredictSettings
from geoseg.config.settings import settings_from
from geoseg.errors import has_hidden_characters
from geoseg.georef import GeoRef
from geoseg.memory import give_back, one_heap
from geoseg.predict.account import Account
from geoseg.predict.facts import RunFacts
from geoseg.predict.fastest import with_engine
from geoseg.predict.faults import told_apart
from geoseg.predict.journal import Journal
from geoseg.predict.memory_bound import Sizing, sizing_of
from geoseg.predict.on_the_fly import fitted
from geoseg.predict.plan import PredictPlan, plan_prediction
from geoseg.predict.rasters import MadeRasters, write_rasters
from geoseg.predict.run_record import run_record, write_run_record
from geoseg.predict.shift import warn_of_shift
from geoseg.predict.tally import ClassTotal
from geoseg.predict.task import threads_at_a_time
from geoseg.raster.sidecar import write_class_sidecar, write_class_style
from geoseg.raster.staging import Staging, refuse_existing
from geoseg.stac.item import RECORD_SUFFIX, write_stac_item
from geoseg.vector.locked import refuse_locked
from geoseg.vector.vectorize import ClassRasters, vectorize

log = logging.getLogger(__name__)

_WILD = re.compile(r"(^|/)[^/]*[*\[].*")
_ODD = re.compile(r"[^\w.-]+")  # in the name of a scene that is no file, such as NETCDF:"file.nc":variable
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The layers made from one scene. The files exist."""

    scene: str
    """What was mapped."""

    model: str
    """Name of the model package."""

    class_raster: Path
    """COG of class ids; 255 is nodata."""

    confidence: Path
    """COG of the probability of the chosen class, percent; 255 is nodata."""

    probabilities: Path | None
    """COG of the probability of every class, percent, where asked for."""

    geopackage: Path | None
    """Polygons and summary, unless not wanted."""

    stac_item: Path
    """All of them, described for catalogues."""

    run_record: Path | None = None
    """How they were made and what that took: versions, seconds, tiles, memory."""

    grid: GeoRef
    """The grid of the rasters."""

    classes: tuple[ClassTotal, ...]
    """What each class covers, in the order of the legend."""

    seconds: float
    """From start to end."""

    unreadable: int = 0
    """Pixels of the scene that could not be read and are nodata (`on_error="nodata"`)."""

    @property
    def outputs(self) -> dict[str, str]:
        """The files, by what they are."""
        files = {
            "class_raster": self.class_raster,
            "confidence": self.confidence,
            "probabilities": self.probabilities,
            "geopackage": self.geopackage,
            "stac_item": self.stac_item,
            "run_record": self.run_record,
        }
        return {layer: str(path) for layer, path in files.items() if path is not None}


def predict_scene(
    scene: str | Path,
    output: str | Path | None = None,
    *,
    progress: Progress | None = None,
    **options: Unpack[PredictOptions],
) -> Prediction:
    """Map the land cover of a scene: a class raster, its confidence, and polygons in a GeoPackage.

    Args:
        scene: any raster GDAL opens, a STAC item, a folder, glob or list (.txt) of band files or of tiles.
        output: folder for the layers; by default `<stem>_geoseg` beside the scene.
        progress: called with what is being done, how much of it is done, and how much there is.
        options: the settings of `geoseg predict`, by the same names (see `PredictSettings`).

    Returns:
        Where the layers are, and what each class covers.

    Raises:
        ConfigError: if an option cannot be.
        SceneError: if the scene cannot be read.
        ModelError: if the model is unknown, broken, or does not fit the scene.
        OutputError: if outputs exist already (pass `overwrite=True`) or cannot be written.
    """
    settings = settings_from(PredictSettings, options, origin="options")
    return predict_with(scene, output, settings, progress=progress)


def predict_with(
    scene: str | Path, output: str | Path | None, settings: PredictSettings, *, progress: Progress | None = None
) -> Prediction:
    """As `predict_scene`, with settings that were checked before."""
    with Account(str(scene), progress) as account:
        made = _predicted(scene, output, settings, account)
        account.finished(made.outputs, unreadable=made.unreadable)
    return made


def _predicted(scene: str | Path, output: str | Path | None, settings: PredictSettings, account: Account) -> Prediction:
    folder, stem = _target(scene, output)
    names = _names(stem, settings)
    journal = Journal(folder, stem, keep=settings.keep_blocks)
    if not settings.overwrite and not journal.was_committing:
        refuse_existing(folder, [name for name in names.values() if name])
    with told_apart(), account.stage("plan"):
        plan = plan_prediction(scene, settings)
        settings = with_engine(plan, settings)
        facts = RunFacts.of(plan, settings, folder)
        account.told.also(run_id=facts.record.provenance.run_id)
        if settings.adapt == "none":
            warn_of_shift(plan)
        sizing = sizing_of(plan, settings)
    run = _Run(plan=plan, settings=settings, sizing=sizing, facts=facts, names=names, account=account)
    one_heap()
    with told_apart(), threads_at_a_time(sizing.threads), journal:
        made = _make_layers(run, journal)
    if made.lost:
        log.warning("%s: %d pixels cannot be read and are nodata (--on-error nodata)", plan.source.path, made.lost)
    final = {layer: folder / name for layer, name in names.items() if name}
    return Prediction(
        scene=str(scene),
        model=plan.card.name,
        class_raster=final["classes"],
        confidence=final["confidence"],
        probabilities=final.get("probabilities"),
        geopackage=final.get("vector"),
        stac_item=final["item"],
        run_record=final["record"],
        grid=plan.output,
        classes=made.totals,
        seconds=account.elapsed,
        unreadable=made.lost,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What is known before blocks are computed."""

    plan: PredictPlan
    settings: PredictSettings
    sizing: Sizing
    facts: RunFacts
    names: Mapping[str, str | None]
    account: Account


def _make_layers(run: _Run, journal: Journal) -> MadeRasters:
    """Make all layers and give them their names."""
    plan, settings, names, account = run.plan, run.settings, run.names, run.account
    wanted = [name for name in names.values() if name]
    overwrite = settings.overwrite or journal.was_committing
    with Staging(journal.output, wanted, overwrite=overwrite, hidden_in=journal.staged) as staging:
        staged = {layer: staging.path(name) for layer, name in names.items() if name}
        if settings.needs_probabilities:
            staged.setdefault("probabilities", staging.scratch() / "probabilities.tif")
        with fitted(plan, settings, beside=staged["classes"].parent) as ready:
            made = write_rasters(ready, settings, run.sizing, staged, journal, account)
        give_back()
        _describe(run, staged, made, journal.stem)
        if settings.vector:
            refuse_locked(journal.output / f"{journal.stem}.gpkg")
        journal.committing()
        staging.commit()
        journal.complete()
    return made


def _describe(run: _Run, staged: dict[str, Path], made: MadeRasters, stem: str) -> None:
    """Make all that stands beside the rasters: names of classes, polygons, the item, the record of the run."""
    plan, account, facts = run.plan, run.account, run.facts.made_now()
    pixels = {total.class_id: total.pixels for total in made.totals}
    write_class_sidecar(staged["classes"], plan.card.classes, pixels)
    write_class_style(staged["classes"], plan.card.classes)
    if run.settings.vector:
        with account.stage("polygons"):
            vectorize(
                _rasters(staged),
                staged["vector"],
                classes=plan.card.classes,
                options=run.settings.vector_options(),
                record=facts.record,
                progress=functools.partial(account.progress, "polygons"),
            )
    with account.stage("item"):
        write_stac_item(staged["item"], facts.item(stem, plan), _described(staged, run.names))
    write_run_record(staged["record"], run_record(plan, run.settings, facts, made, account))


def _target(scene: str | Path, output: str | Path | None) -> tuple[Path, str]:
    path = Path(scene)
    if path.exists():
        beside, stem = path.parent, "".join("_" if has_hidden_characters(part) else part for part in path.stem)
    else:
        folder = _WILD.sub("", str(scene))  # of a glob
        name = Path(folder.split("?", maxsplit=1)[0] or Path.cwd()).name
        beside, stem = Path(), _ODD.sub("_", name if ":" in name else Path(name).stem)
    return Path(output) if output is not None else beside / f"{stem}_geoseg", stem


def _names(stem: str, settings: PredictSettings) -> dict[str, str | None]:
    return {
        "classes": f"{stem}.classes.tif",
        "style": f"{stem}.classes.qml",
        "confidence": f"{stem}.confidence.tif",
        "probabilities": f"{stem}.probabilities.tif" if settings.probabilities else None,
        "vector": f"{stem}.gpkg" if settings.vector else None,
        "item": f"{stem}.stac.json",
        "record": f"{stem}{RECORD_SUFFIX}",
    }


def _rasters(staged: dict[str, Path]) -> ClassRasters:
    return ClassRasters(
        class_raster=staged["classes"], confidence=staged["confidence"], probabilities=staged.get("probabilities")
    )


def _described(staged: dict[str, Path], names: Mapping[str, str | None]) -> dict[str, Path]:
    """What the item tells of, by the keys of its assets."""
    keys = {"classes": "classes", "style": "style", "confidence": "confidence", "probabilities": "probabilities"}
    keys["vector"] = "polygons"
    return {key: staged[layer] for layer, key in keys.items() if names[layer]}
