"""What `geoseg shift` says of some scenes and a model: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from geoseg.shift.verdict import Distances, Judgement, Verdict

if TYPE_CHECKING:
    from geoseg.shift.accuracy import ExpectedAccuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFacts:
    """What can be said of a scene without statistics."""

    scene: str
    """As GDAL takes it."""

    gsd: float | None
    """Of its pixels, m; None without a CRS."""

    gsd_ratio: float | None
    """Its pixels by those of the model: above 1 they are larger."""

    dtype: str
    """Of its pixels."""

    scale: float
    """From its numbers to the model's unit."""

    bands_absent: tuple[str, ...]
    """Bands of the model that it lacks."""

    by_position: bool
    """True where its bands have no names and were taken in order."""

    nodata: float | None
    """Share of the pixels looked at that are nodata, 0 to 1; None where no window lies in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandShift:
    """One band of the scenes beside the reference."""

    band: str
    """Its name."""

    mean: float
    """Of the scenes, in the model's unit."""

    reference_mean: float
    """Of what the model was trained or validated on."""

    distance: float
    """Wasserstein distance in standard deviations of the reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassShare:
    """How much of the ground a class covers."""

    class_name: str
    """Its name."""

    predicted: float
    """Share as the model maps it, 0 to 1."""

    corrected: float | None
    """The same, corrected by the errors that the model is known to make; None without a reference."""

    reference: float | None
    """Of the reference ground; None without."""

    expected_iou: float | None = None
    """IoU to expect of the class, 0 to 1; None without a reference, and where the map does not have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftReport:
    """How far scenes are from what a model knows, and what follows."""

    model: str
    """Name of the package."""

    windows: int
    """That were looked at."""

    scenes: tuple[SceneFacts, ...]
    """Empty where only windows were given."""

    bands: tuple[BandShift, ...]
    """Those that the scenes have."""

    classes: tuple[ClassShare, ...]
    """In the legend's order."""

    distances: Distances
    """From the reference ground."""

    spread: Mapping[str, float]
    """How far parts of the reference ground are from all of it, by name of the distance; empty without a reference."""

    expected: ExpectedAccuracy | None
    """Mean IoU on these scenes; None without a reference."""

    judgement: Judgement
    """What it means."""

    unsaid: tuple[str, ...]
    """What cannot be said and why, a sentence each."""

    @property
    def verdict(self) -> Verdict:
        """In one word."""
        return self.judgement.verdict

    @property
    def suited(self) -> tuple[str, ...]:
        """Adapters to try, the first first."""
        return self.judgement.suited

    @property
    def forbidden(self) -> Mapping[str, str]:
        """Adapters that would harm, with the reason."""
        return self.judgement.forbidden

    def as_json(self) -> dict[str, object]:
        """As plain values.

        Keys: model, windows, verdict, sentence, suited (list), forbidden (reason by adapter), expected (mean_iou, low,
        high, half_width; or null), distances (bands, worst_band, layers, layers_matched, prior, features; null = cannot
        be said), spread (bands, layers, prior, features; empty without a reference), bands, classes and scenes (a list
        each, with the names of `BandShift`, `ClassShare` and `SceneFacts`), unsaid (list). Shares and IoU are 0 to 1.
        """
        expected = self.expected
        return {
            "model": self.model,
            "windows": self.windows,
            "verdict": self.verdict,
            "sentence": self.judgement.sentence,
            "suited": list(self.suited),
            "forbidden": dict(self.forbidden),
            "expected": None
            if expected is None
            else {name: getattr(expected, name) for name in ("mean_iou", "low", "high", "half_width")},
            "distances": asdict(self.distances),
            "spread": dict(self.spread),
            "bands": [asdict(band) for band in self.bands],
            "classes": [asdict(share) for share in self.classes],
            "scenes": [asdict(facts) | {"bands_absent": list(facts.bands_absent)} for facts in self.scenes],
            "unsaid": list(self.unsaid),
        }
