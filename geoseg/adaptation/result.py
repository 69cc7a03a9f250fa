"""What came out of an adaptation, and its folder: an ordinary model package with an account of how it came about."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from geoseg.adaptation.candidate import Candidate, Problem
from geoseg.adaptation.page import write_page
from geoseg.config.adapt import AdaptSettings
from geoseg.errors import OutputError
from geoseg.models.package import ModelPackage, save_package
from geoseg.models.package_files import CARD_FILE
from geoseg.shift.report import ShiftReport

if TYPE_CHECKING:
    from geoseg.shift.accuracy import ExpectedAccuracy

ACCOUNT = "adaptation.json"
"""How the package came about, as JSON."""

PAGE = "report.html"
"""The same for people."""

CANDIDATES = "candidates"
"""The folder of all candidates as model packages, where they are kept."""

Outcome = Literal["adapted", "kept-source", "unusable"]
GuardVerdict = Literal["source", "chosen", "passed", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateScore:
    """A candidate as it was judged."""

    adapter: str
    """What made it."""

    label: str
    """Unique."""

    consistency: float
    """Class-averaged view-consistency IoU on held-out windows, 0 to 1; NaN where its numbers are not finite."""

    gain: float
    """Rise of the consistency over the model as it was; NaN where there is none."""

    p_value: float
    """Share of bootstrap draws without such a rise; NaN where it was not asked."""

    verdict: GuardVerdict
    """passed = the guard saw no harm, but a steadier one was chosen."""

    reason: str
    """Of a refusal; else empty."""

    seconds: float
    """That its adapter took for it."""

    parameters: Mapping[str, float | int | str | bool]
    """What it was made with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptResult:
    """What came out of an adaptation."""

    outcome: Outcome
    """In a word."""

    reason: str
    """In a sentence."""

    chosen: str
    """Label of the candidate that the package holds; source = the model as it was."""

    model: str
    """The package that was adapted."""

    targets: tuple[str, ...]
    """File names of the scenes."""

    settings: AdaptSettings
    """As asked for."""

    shift: ShiftReport
    """Of the model as it was."""

    expected_before: ExpectedAccuracy | None
    """Mean IoU to expect on the target of the model as it was; None where the package cannot tell."""

    expected_after: ExpectedAccuracy | None
    """The same of the package that came out."""

    candidates: tuple[CandidateScore, ...]
    """In the order they were made; the first is the model as it was."""

    refused: Mapping[str, str]
    """Adapters that were not tried or broke off, with the reason."""

    seconds: float
    """In all."""

    def as_json(self) -> dict[str, object]:
        """As plain values; null where a number is unknown.

        Keys: outcome, reason, chosen, model, targets, settings, shift (as in `geoseg shift --json`), expected_miou
        (before and after: mean_iou, low, high or null), candidates (list), refused (by adapter), seconds.
        """
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            "chosen": self.chosen,
            "model": self.model,
            "targets": list(self.targets),
            "settings": self.settings.model_dump(mode="json"),
            "shift": self.shift.as_json(),
            "expected_miou": {"before": _expected(self.expected_before), "after": _expected(self.expected_after)},
            "candidates": [
                {key: _plain(value) for key, value in asdict(candidate).items()} for candidate in self.candidates
            ],
            "refused": dict(self.refused),
            "seconds": round(self.seconds, 1),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What an adapted package was made from."""

    name: str
    """Of the package as it was."""

    weights_sha256: str
    """Of its weights file."""


def adapted_package(
    problem: Problem, candidate: Candidate, *, name: str, account: Mapping[str, object]
) -> ModelPackage:
    """The package that a candidate is: its weights and curves, all else as it was, calibration included.

    Args:
        problem: with the package as it was.
        candidate: whose weights it gets.
        name: of the new package.
        account: joins the provenance.
    """
    package, network = problem.package, problem.network(candidate)
    normalizer = replace(package.normalizer, curves=candidate.curves or package.normalizer.curves)
    provenance = {**package.provenance, **account}
    return replace(package, name=name, network=network, normalizer=normalizer, provenance=provenance)


def account_of(result: AdaptResult, origin: Origin) -> dict[str, object]:
    """What an adapted package says of where it comes from; nothing of it depends on time or place."""
    before, after = (_score(result, label) for label in (result.candidates[0].label, result.chosen))
    return {
        "adapted_from": asdict(origin),
        "adaptation": {
            "targets": list(result.targets),
            "method": result.settings.method,
            "outcome": result.outcome,
            "candidate": result.chosen,
            "consistency_before": before,
            "consistency_after": after,
        },
    }


class ResultFolder:
    """The folder of a result: it appears whole or not at all."""

    def __init__(self, output: Path, *, overwrite: bool) -> None:
        """Say where it will be.

        Raises:
            OutputError: if something is there that may not be replaced.
        """
        self._output = output
        if not output.exists() or (output.is_dir() and not any(output.iterdir())):
            return
        if not overwrite:
            raise OutputError(f"{output}: exists already: choose another folder or pass --overwrite")
        if not (output / CARD_FILE).is_file():
            raise OutputError(f"{output}: is no model package: choose another folder, this one is not replaced")

    def write(self, result: AdaptResult, package: ModelPackage, others: Iterable[ModelPackage]) -> None:
        """Write the package, the account of how it came about, its page, and the candidates that are kept.

        Raises:
            OutputError: if it cannot be written.
        """
        output = self._output
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".geoseg-", dir=output.parent) as hidden:
                staged = Path(hidden) / output.name
                save_package(package, staged)
                for other in others:
                    save_package(other, staged / CANDIDATES / other.name)
                account = result.as_json()
                text = json.dumps(account, indent=2, allow_nan=False)
                (staged / ACCOUNT).write_text(text + "\n", encoding="utf-8")
                write_page(staged / PAGE, account)
                if output.exists():
                    output.replace(Path(hidden) / "old")
                staged.replace(output)
        except OSError as error:
            raise OutputError(f"{output}: cannot be written: {error.strerror or error}") from error


def _score(result: AdaptResult, label: str) -> float | None:
    found = next(each.consistency for each in result.candidates if each.label == label)
    return round(found, 4) if math.isfinite(found) else None


def _expected(expected: ExpectedAccuracy | None) -> dict[str, float] | None:
    return None if expected is None else {"mean_iou": expected.mean_iou, "low": expected.low, "high": expected.high}


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
