"""What was made of a region: tables of changes, pictures, a page. Maps and learns nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rasterio.errors import RasterioError

from geoseg.adaptation.changes import Changes, count_changes
from geoseg.adaptation.page import Picture, write_page
from geoseg.adaptation.thumbnails import changes_png, map_png, scene_png
from geoseg.classes import ClassMap
from geoseg.config.adapt import AdaptSettings
from geoseg.config.predict import PredictSettings
from geoseg.models.zoo import find_model, read_card
from pipelines.archive.jobs import ArchiveJob, flat, plan_archive
from pipelines.written import write_text

MODEL, BEFORE, AFTER = "model", "before", "after"
"""Names of the folders in the output."""

_MOST_PICTURES = 6

Entry = Mapping[str, Any]
"""What the report says of a scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Scenes and what is to be made of them."""

    scenes: tuple[str, ...]
    """To learn from and to map."""

    held_out: tuple[str, ...]
    """To map only."""

    settings: AdaptSettings
    """How the model is adapted."""

    maps: PredictSettings
    """How scenes are mapped; its model is not used."""

    output: Path
    """Folder for everything."""

    source: Path | None = None
    """Training config of labelled ground."""

    def jobs(self, part: str) -> list[ArchiveJob]:
        """Every scene with its folder in `BEFORE` or `AFTER`."""
        everything = dict.fromkeys((*self.scenes, *self.held_out))
        return plan_archive(flat(list(everything)), self.output / part)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionResult:
    """What was made of a region."""

    account: Mapping[str, Any]
    """Of the adaptation, as in adaptation.json."""

    before: Sequence[Entry]
    """Of every scene, mapped by the model as it was."""

    after: Sequence[Entry] = ()
    """Of every scene that was mapped before, by the adapted model; empty where the model was kept."""

    changes: Mapping[str, Changes] = field(default_factory=dict)
    """By scene that was mapped twice."""

    @property
    def overall(self) -> Changes | None:
        """The changes of all scenes together; None where none was mapped twice."""
        found = list(self.changes.values())
        return sum(found[1:], start=found[0]) if found else None

    @property
    def failed(self) -> bool:
        """Whether some scene could not be mapped."""
        return any(entry["status"] == "failed" for entry in (*self.before, *self.after))

    def as_json(self) -> dict[str, object]:
        """As plain values."""
        told = {key: self.account.get(key) for key in ("outcome", "reason", "chosen", "expected_miou")}
        return {**told, BEFORE: list(self.before), AFTER: list(self.after)}


def changes_of(region: Region, before: Sequence[Entry], after: Sequence[Entry]) -> dict[str, Changes]:
    """Changes by scene.

    Args:
        region: with the model whose legend both maps have.
        before: what the report says of every scene.
        after: the same of those that were mapped again.

    Raises:
        SceneError: if maps cannot be compared.
    """
    legend = _legend(region)
    earlier = {entry["scene"]: entry for entry in before}
    changes = {}
    for entry in after:
        if entry["status"] != "failed":
            first, second = (Path(each["outputs"]["class_raster"]) for each in (earlier[entry["scene"]], entry))
            changes[str(entry["scene"])] = count_changes(first, second, legend, pixel_area=_pixel_area(entry))
    return changes


def _pixel_area(entry: Entry) -> float | None:
    """Of a map, m², on average; None without a CRS."""
    pixels = sum(total["pixels"] for total in entry["classes"])
    areas = [total["area_m2"] for total in entry["classes"]]
    return None if None in areas or not pixels else float(sum(areas)) / pixels


def write_result(region: Region, result: RegionResult) -> None:
    """Write changes.csv, changes.json, report.html and report.json.

    Raises:
        OutputError: if one cannot be written.
    """
    names = _legend(region).names
    rows = [{"scene": scene, **row} for scene, found in result.changes.items() for row in found.rows(names)]
    table = io.StringIO()
    writer = csv.DictWriter(table, ("scene", "from", "to", "pixels", "hectares", "share"), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(region.output / "changes.csv", table.getvalue())
    overall = result.overall
    told = {
        "changed_share": None if overall is None else overall.changed_share,
        "all": [] if overall is None else list(overall.rows(names)),
        "scenes": rows,
    }
    write_text(region.output / "changes.json", json.dumps(told, indent=2))
    write_page(region.output / "report.html", result.account, list(_pictures(region, result)))
    write_text(region.output / "report.json", json.dumps(result.as_json(), indent=2))


def _legend(region: Region) -> ClassMap:
    return read_card(find_model(region.settings.model)).classes


def _pictures(region: Region, result: RegionResult) -> Iterator[Picture]:
    """Of some scenes, those that changed most first."""
    legend = _legend(region)
    later = {entry["scene"]: entry for entry in result.after}
    shares = {scene: found.changed_share for scene, found in result.changes.items()}
    mapped = [entry for entry in result.before if entry["status"] != "failed"]
    for entry in sorted(mapped, key=lambda each: -shares.get(each["scene"], 0.0))[:_MOST_PICTURES]:
        scene, first = entry["scene"], Path(entry["outputs"]["class_raster"])
        try:
            images = {"scene": scene_png(scene), "map before": map_png(first, legend)}
            if scene in shares:
                second = Path(later[scene]["outputs"]["class_raster"])
                images |= {"map after": map_png(second, legend), "what changed": changes_png(first, second)}
        except RasterioError:
            continue  # a page without this picture is better than none
        kind = " (not learnt from)" if scene in region.held_out else ""
        share = f", {shares[scene]:.1%} changed" if scene in shares else ""
        yield Picture(title=f"{Path(scene).name}{kind}{share}", images=images)
