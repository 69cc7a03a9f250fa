"""Where the benchmark keeps what. Opens nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of the benchmark; labels of the targets lie apart, for the scorer and the oracle alone."""

    root: Path
    """Of everything; git ignores it."""

    tier: str = "cpu"
    """Data is shared by the tiers, runs and results are not."""

    def source_data(self, source: str, seed: int) -> Path:
        """Scenes with labels to learn from: train_*_scene.tif, val_*_scene.tif, each with ..._labels.tif."""
        return self.root / "data" / "sources" / source / str(seed)

    def target_data(self, case: str, seed: int) -> Path:
        """Scenes without labels: adapt_*_scene.tif and score_*_scene.tif."""
        return self.root / "data" / "targets" / case / str(seed)

    def hidden(self, case: str, seed: int) -> Path:
        """score_*_labels.tif; oracle_*_scene.tif with oracle_*_labels.tif."""
        return self.root / "hidden" / case / str(seed)

    def source_run(self, source: str, seed: int) -> Path:
        """The training of the model that meets the target."""
        return self.root / self.tier / "sources" / source / str(seed)

    def oracle_run(self, case: str, seed: int) -> Path:
        """The training with labels of the target."""
        return self.root / self.tier / "oracles" / case / str(seed)

    def arm_run(self, case: str, seed: int, arm: str) -> Path:
        """What an arm writes."""
        return self.root / self.tier / "arms" / case / str(seed) / arm

    @property
    def results(self) -> Path:
        """Scores."""
        return self.root / self.tier / "results"

    def result(self, case: str, seed: int, arm: str) -> Path:
        """Scores of an arm's packages, a JSON line each."""
        return self.results / f"{case}-{seed}-{arm}.jsonl"
