"""The ground of a run: what is learnt from, what is validated and tested on, and whether all classes are there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.config.train import TrainSettings
from geoseg.data.alignment import warn_of_shifts
from geoseg.data.augment import AugmentPlan
from geoseg.data.label_sets import LabelSets
from geoseg.data.sampling import ChipSampler, Region, SamplingPlan
from geoseg.data.splits import Split
from geoseg.errors import LabelError
from geoseg.raster.normalize import Normalizer
from geoseg.training.batches import BatchMaker, fit_normalizer, pixel_shares
from geoseg.training.regions import close_regions, label_sets, open_regions, reopen_regions
from geoseg.training.split_layer import count_regions, write_split_layer

log = logging.getLogger(__name__)

_HELD_OUT: tuple[Split, ...] = ("val", "test")


class Ground:
    """Open scenes of a run with what is known of their labels."""

    def __init__(self, settings: TrainSettings, *, scored: bool) -> None:
        """Open all scenes and count their labels, which reads them once.

        Args:
            settings: of the run.
            scored: whether this process scores; it then opens the ground to do so apart, with a cache of its own.

        Raises:
            GeosegError: if scenes or labels do not fit the settings.
            LabelError: if a class has no label to learn from, or no label is there to validate on.
        """
        self._settings = settings
        self.sets = label_sets(settings)
        """What the labels may say."""
        self._learnt = open_regions(settings, cache_mb=settings.cache_mb)
        self._scored = reopen_regions(self._learnt, cache_mb=max(1, settings.cache_mb // 4)) if scored else {}
        self._sampler = ChipSampler(self._learnt["train"], _sampling_plan(settings), codes=len(self.sets.sets))
        self.code_counts = self._sampler.code_counts
        """(codes,) pixels of each label code to learn from."""
        _require_all_classes(self.code_counts, self.sets)
        codes = len(self.sets.sets)
        self._counts = {split: count_regions(self._scored.get(split, ()), codes=codes) for split in _HELD_OUT}
        if scored:
            self._look_at_scored()
        self.normalizer = fit_normalizer(self._sampler, settings.scales)
        """Band statistics of the ground that is learnt from."""

    def close(self) -> None:
        """Close all scenes."""
        close_regions(self._learnt)
        close_regions(self._scored)

    def regions(self, split: Split) -> tuple[Region, ...]:
        """Those to score on; none in a process that does not score."""
        return tuple(self._scored.get(split, ()))

    def maker(self, slots: range, *, normalizer: Normalizer | None = None) -> BatchMaker:
        """Makes the batches to learn from, or these places of them, by the band statistics of the ground or others."""
        plan = _augment_plan(self._settings)
        return BatchMaker(self._sampler, normalizer or self.normalizer, plan, slots=slots, seed=self._settings.seed)

    def describe(self, file: Path) -> None:
        """Write which ground is for what, and say where labels seem shifted against their scene.

        Args:
            file: the GeoPackage to write; none is where no scene has a place.

        Raises:
            OutputError: if it cannot be written.
        """
        counts = {"train": self._sampler.region_counts, **self._counts}
        write_split_layer(self._scored, self.sets, file, counts=counts)
        warn_of_shifts([region for regions in self._scored.values() for region in regions])

    def _look_at_scored(self) -> None:
        counts = {split: found.sum(axis=0) for split, found in self._counts.items() if len(found)}
        if "val" not in counts or not counts["val"].any():
            raise LabelError("no pixel to validate on has a known class: check the sources with split val or blocks")
        for split, purpose in (("val", "validate"), ("test", "test")):
            absent = _absent_classes(counts[split], self.sets) if split in counts else []
            if absent:
                log.warning(
                    "no pixel to %s on has class %s: its IoU there stays unknown; change blocks or the seed, "
                    "or add a source with split %s",
                    purpose,
                    ", ".join(absent),
                    split,
                )


def _require_all_classes(counts: NDArray[np.int64], sets: LabelSets) -> None:
    absent = _absent_classes(counts, sets)
    if absent:
        raise LabelError(
            f"no pixel to learn from has class {', '.join(absent)}: remove it from classes, add a source that has it, "
            "or change blocks or the seed"
        )


def _absent_classes(counts: NDArray[np.int64], sets: LabelSets) -> list[str]:
    """Names of the classes that no label names, alone or among others."""
    named = sets.members[counts > 0].any(axis=0)
    return [sets.names[index] for index in np.flatnonzero(~named).tolist()]


def label_shares(ground: Ground) -> Mapping[str, float]:
    """Share of the pixels to learn from by label."""
    return dict(zip(ground.sets.names, pixel_shares(ground.code_counts), strict=True))


def _sampling_plan(settings: TrainSettings) -> SamplingPlan:
    return SamplingPlan(
        chip=settings.chip,
        gsd=settings.gsd,
        gsd_jitter=settings.augment.gsd_jitter,
        class_balance=settings.class_balance,
        seed=settings.seed,
    )


def _augment_plan(settings: TrainSettings) -> AugmentPlan:
    optional = tuple(settings.bands.index(band) for band in settings.optional_bands)
    return AugmentPlan(**settings.augment.model_dump(exclude={"gsd_jitter"}), optional=optional)
