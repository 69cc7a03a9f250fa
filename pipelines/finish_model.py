"""Finishes a model package by its training config: calibrates and measures it, draws its picture, takes over its texts.

    python -m pipelines.finish_model runs/landcover_rgb_mean configs/landcover_rgb.yaml

For packages that did not come straight out of a run, such as means of others. The calibration is fitted on the
validation ground, which the reference statistics are of too; the picture shows held-out ground. Score the package
afterwards with `pipelines.score_model`.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import click

from geoseg.config.train import TrainSettings, load_train_settings
from geoseg.data.label_sets import LabelSets
from geoseg.data.sampling import Region
from geoseg.data.splits import Split
from geoseg.errors import GeosegError, ModelError
from geoseg.models.calibration import Calibration
from geoseg.models.device import choose_device, choose_precision
from geoseg.models.package import ModelPackage, save_package
from geoseg.models.reference import ReferenceStatistics
from geoseg.models.zoo import load_model
from geoseg.shift.forward import Forward
from geoseg.training.judging import Judge, PixelSample, Viewer
from geoseg.training.pictures import SampleBoard, draw_samples, small_png
from geoseg.training.reference import ReferencePlan, measure_ground
from geoseg.training.regions import close_regions, label_sets, open_regions
from geoseg.training.remarks import remarks_kept
from geoseg.training.scoring import by_source

_TEXTS = ("title", "licence", "data", "split", "limits")


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutGround:
    """The open scenes of a config that are not learnt from."""

    settings: TrainSettings
    regions: dict[Split, tuple[Region, ...]]

    @classmethod
    def of(cls, settings: TrainSettings) -> HeldOutGround:
        """Open the scenes.

        Raises:
            GeosegError: if a scene or its labels cannot be used.
        """
        kept = tuple(source for source in settings.sources if source.split != "train")
        opened = open_regions(settings.model_copy(update={"sources": kept}), cache_mb=settings.cache_mb)
        return cls(settings, dict(opened))

    def close(self) -> None:
        """Close all scenes."""
        close_regions(self.regions)

    @property
    def sets(self) -> LabelSets:
        """What the labels that are not learnt from may say."""
        kept = tuple(source for source in self.settings.sources if source.split != "train")
        return label_sets(self.settings.model_copy(update={"sources": kept}))

    def show(self, package: ModelPackage, split: Split, viewers: list[Viewer]) -> None:
        """Let viewers see what a package says of the ground of a split."""
        forward = self._forward(package)
        judge = Judge(
            package.normalizer,
            side=self.settings.tile,
            gsd=self.settings.gsd,
            device=forward.device,
            precision=forward.precision,
        )
        judge.show(forward.network.to(forward.device), self.regions[split], viewers)

    def measure(self, package: ModelPackage, calibration: Calibration) -> ReferenceStatistics | None:
        """Reference statistics of the validation ground; None where its labels say nothing."""
        forward, plan = (
            replace(self._forward(package), calibration=calibration),
            ReferencePlan.of(self.settings),
        )
        return measure_ground(forward, package.normalizer, self.regions["val"], self.sets.members, plan)

    def _forward(self, package: ModelPackage) -> Forward:
        device = choose_device(self.settings.device)
        precision = choose_precision(self.settings.precision, device)
        return Forward(network=package.network, device=device, precision=precision)


def finish_model(package: ModelPackage, settings: TrainSettings) -> ModelPackage:
    """The package calibrated, with reference statistics, a picture and the texts of its config.

    Raises:
        ModelError: if the config has other classes or bands.
        GeosegError: if a scene cannot be used.
    """
    if (package.classes, package.bands) != (settings.class_map, settings.bands):
        raise ModelError(f"{package.name}: its classes or bands are not those of the config: give the config it is of")
    with closing(HeldOutGround.of(settings)) as ground:
        pixels = PixelSample(ground.sets.members)
        ground.show(package, "val", [pixels])
        board = SampleBoard(sources=len(by_source(ground.regions["test"])))
        ground.show(package, "test", [board])
        calibration = pixels.calibration(settings.calibration)
        reference = ground.measure(package, calibration)
        figure = draw_samples(
            board.views(),
            settings.class_map,
            members=ground.sets.members,
            bands=settings.bands,
            calibration=calibration,
        )
    texts = {key: value for key in _TEXTS if (value := getattr(settings, key))}
    return replace(
        package,
        name=settings.name,
        calibration=calibration,
        picture=small_png(figure),
        reference=reference,
        provenance={**package.provenance, **texts},
    )


@click.command(help="Calibrate and measure a package and draw its picture, by its training config.")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(model: Path, config: Path) -> None:
    """Replace the package by the finished one."""
    try:
        with remarks_kept(tell=False):
            save_package(finish_model(load_model(model), load_train_settings(config)), model, overwrite=True)
    except GeosegError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
