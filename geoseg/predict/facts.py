"""What is to be said of a prediction in its outputs: scene, model, options, time. Makes no layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from pathlib import Path

import geoseg
from geoseg.config.predict import PredictSettings
from geoseg.models.package_files import WEIGHTS_FILE
from geoseg.predict.fastest import software_of
from geoseg.predict.plan import PredictPlan
from geoseg.raster.acquisition import acquired_of
from geoseg.stac.item import RECORD_SUFFIX, ItemFacts, ModelLink, href_of
from geoseg.vector.columns import Provenance
from geoseg.vector.run_table import RunRecord, run_id_of, sha256_of

_NEVER_RECORDED = {
    "overwrite",
    "workers",
    "scheduler",
    "cluster",
    "block_rows",
    "max_memory",
    "acquired",
    "restart",
    "keep_blocks",
}
"""Settings that do not change what is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What is known of a run beside its layers."""

    record: RunRecord
    """For the vector file."""

    acquired: datetime | None
    """When the scene was taken."""

    scene: str
    """Reference to the scene from the folder of the layers."""

    model: ModelLink
    """The model package."""

    @classmethod
    def of(cls, plan: PredictPlan, settings: PredictSettings, folder: Path) -> RunFacts:
        """Gather them.

        Args:
            plan: scene and model.
            settings: of the run.
            folder: where the layers end up.

        Raises:
            SceneError: if the scene cannot be read.
        """
        acquired = acquired_of(plan.source)
        if settings.acquired is not None:
            acquired = datetime.combine(settings.acquired, time(), UTC)
        options = settings.model_dump(mode="json", exclude=_NEVER_RECORDED, exclude_defaults=True)
        inputs = {"model": _digest(plan.model)}
        provenance = Provenance(
            scene=Path(plan.source.path).name,
            acquired=None if acquired is None else acquired.date(),
            model=plan.card.name,
            run_id=run_id_of({**options, "scene": Path(plan.source.path).name}, inputs),
        )
        card = plan.model / "model.json" if plan.model.is_dir() else plan.model
        return cls(
            record=RunRecord(provenance=provenance, options=options, inputs=inputs),
            acquired=acquired,
            scene=href_of(plan.source.path, folder),
            model=ModelLink(name=plan.card.name, href=href_of(card, folder)),
        )

    def made_now(self) -> RunFacts:
        """The same, of layers that are made at this moment."""
        return replace(self, record=replace(self.record, created=datetime.now(UTC)))

    def item(self, stem: str, plan: PredictPlan) -> ItemFacts:
        """What the STAC item of the layers says; the record of the run is called as the item."""
        return ItemFacts(
            id=stem,
            grid=plan.output,
            classes=plan.card.classes,
            created=self.record.created,
            software={"geoseg": geoseg.__version__, **software_of(str(self.record.options.get("engine", "torch")))},
            lineage=f"Mapped from {self.record.provenance.scene} with the model {plan.card.name} by geoseg predict.",
            acquired=self.acquired,
            scene=self.scene,
            model=self.model,
            run_record=f"{stem}{RECORD_SUFFIX}",
        )


def _digest(model: Path) -> str:
    """SHA-256 of a package: of its weights, or of the zip."""
    return sha256_of(model / WEIGHTS_FILE if model.is_dir() else model)
