"""The ground of a run: what is learnt from, what is validated and tested on, and whether all classes are there."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from geoseg.config.train import TrainSettings
from geoseg.data.augment import AugmentPlan
from geoseg.data.label_sets import LabelSets
from geoseg.data.sampling import ChipSampler, Region, SamplingPlan
from geoseg.data.splits import Split
from geoseg.errors import LabelError
from geoseg.training.batches import fit_normalizer, pixel_shares
from geoseg.training.feeding import ShareMaker, locked_regions
from geoseg.training.regions import close_regions, label_sets, open_regions
from geoseg.window import Window

log = logging.getLogger(__name__)

_STRIP = 512


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
        self._scored = open_regions(settings, cache_mb=max(1, settings.cache_mb // 4)) if scored else {}
        regions = locked_regions(self._learnt["train"])
        self._sampler = ChipSampler(regions, _sampling_plan(settings), codes=len(self.sets.sets))
        self.code_counts = self._sampler.code_counts
        """(codes,) pixels of each label code to learn from."""
        _require_all_classes(self.code_counts, self.sets)
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

    def maker(self, slots: range) -> ShareMaker:
        """Makes the batches to learn from, or these places of them."""
        plan = _augment_plan(self._settings)
        return ShareMaker(self._sampler, self.normalizer, plan, slots=slots, seed=self._settings.seed)

    def _look_at_scored(self) -> None:
        counts = {split: _count_codes(regions, self.sets) for split, regions in self._scored.items() if regions}
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


def _count_codes(regions: Sequence[Region], sets: LabelSets) -> NDArray[np.int64]:
    """(codes,) pixels of each label code."""
    codes = len(sets.sets)
    counts = np.zeros(codes, dtype=np.int64)
    for labels in _label_strips(regions):
        counts += np.bincount(labels[labels < codes], minlength=codes)
    return counts


def _label_strips(regions: Iterable[Region]) -> Iterator[NDArray[np.uint8]]:
    for region in regions:
        window = region.window
        for top in range(window.row, window.bottom, _STRIP):
            for left in range(window.col, window.right, _STRIP):
                strip = Window.between(top, min(top + _STRIP, window.bottom), left, min(left + _STRIP, window.right))
                yield region.scene.read(strip).labels


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
