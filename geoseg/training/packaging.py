"""The best weights of a run as a model package that says where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from torch import nn

from geoseg.config.train import TrainSettings
from geoseg.errors import ConfigError
from geoseg.models.calibration import Calibration
from geoseg.models.context import Context
from geoseg.models.package import ModelPackage, save_package
from geoseg.models.reference import ReferenceStatistics
from geoseg.models.spec import NetworkSpec
from geoseg.models.zoo import read_card
from geoseg.raster.normalize import Normalizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is found out about the best weights when a run ends."""

    picture: bytes | None = None
    """A PNG for the card."""

    reference: ReferenceStatistics | None = None
    """Statistics of the validation ground."""

    context: Context | None = None
    """What the edges of tiles change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageWriter:
    """Writes packages of one run."""

    settings: TrainSettings
    """Of the run."""

    spec: NetworkSpec
    """How its network is built."""

    normalizer: Normalizer
    """Of its ground."""

    label_shares: Mapping[str, float]
    """Share of the pixels learnt from by label."""

    folder: Path
    """Of the package."""

    def write(
        self,
        network: nn.Module,
        *,
        best_iteration: int,
        calibration: Calibration,
        scores: Mapping[str, object],
        findings: Findings | None = None,
    ) -> None:
        """Replace the package.

        Args:
            network: with the weights to keep.
            best_iteration: steps after which they were taken.
            calibration: of its logits.
            scores: as plain JSON values.
            findings: of the end of the run; None before.
        """
        settings, found = self.settings, findings or Findings()
        package = ModelPackage(
            name=settings.name,
            network=network,
            spec=self.spec,
            classes=settings.class_map,
            bands=settings.bands,
            optional_bands=settings.optional_bands,
            gsd=settings.gsd,
            normalizer=self.normalizer,
            tile=settings.tile,
            overlap=settings.overlap,
            context=found.context,
            calibration=calibration,
            provenance=self._provenance(best_iteration, scores),
            picture=found.picture,
            reference=found.reference,
        )
        save_package(package, self.folder, overwrite=True)

    def _provenance(self, best_iteration: int, scores: Mapping[str, object]) -> dict[str, object]:
        settings = self.settings
        stated: dict[str, object] = {
            "title": settings.title or settings.name,
            "licence": settings.licence,
            "data": settings.data,
            "split": settings.split,
            "limits": settings.limits,
            "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "scores": dict(scores),
            "training": {
                "iterations": settings.iterations,
                "best_iteration": best_iteration,
                "batch_size": settings.batch_size * settings.accumulate,
                "chip": settings.chip,
                "gsd_jitter": list(settings.augment.gsd_jitter),
                "seed": settings.seed,
                "start": _start(settings),
                "label_shares": dict(self.label_shares),
            },
        }
        for file in settings.provenance_files:
            stated |= _json_of(settings.expand(file))
        return stated


def _start(settings: TrainSettings) -> str:
    """What the weights began as, without paths of this machine."""
    start = settings.start
    if isinstance(start, Path):
        return f"the weights of {read_card(start).name}"
    return start or settings.network.encoder_weights or "random weights"


def _json_of(path: Path) -> dict[str, object]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"provenance_files: {path} cannot be read as JSON: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"provenance_files: {path} must hold keys and values")
    return values
