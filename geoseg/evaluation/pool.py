"""Many maps, each against its reference, and all of them as one.

Scores of all come from added counts, never from means of scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from geoseg.config.evaluate import EvaluateSettings
from geoseg.data.confusion import ConfusionMatrix
from geoseg.errors import LabelError
from geoseg.evaluation.boundary import BoundaryScores
from geoseg.evaluation.compare import evaluate_with
from geoseg.evaluation.reliability import Reliability
from geoseg.evaluation.scores import Evaluation, ZoneScores, worst_first

POOLED = "pooled"
"""How all scenes together are called in tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenePaths:
    """The files of one map."""

    predicted: Path
    """The class raster."""

    reference: Path
    """Raster or vector."""

    confidence: Path | None = None
    """The map's confidence, where it is to be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """The scores of each map and of all together."""

    paths: tuple[ScenePaths, ...]
    """The maps."""

    names: tuple[str, ...]
    """A name for each map, unique."""

    scenes: tuple[Evaluation, ...]
    """The scores of each map."""

    pooled: Evaluation
    """All pixels of all maps as one."""

    def as_json(self) -> dict[str, object]:
        """All numbers as plain values: of one map at the top, of several under `scenes` and `pooled`."""
        if len(self.scenes) == 1:
            return self.pooled.as_json()
        scenes = [
            {"scene": name, "predicted": str(paths.predicted), "reference": str(paths.reference)} | scene.as_json()
            for name, paths, scene in zip(self.names, self.paths, self.scenes, strict=True)
        ]
        return {"scenes": scenes, POOLED: self.pooled.as_json()}


def compare(paths: Sequence[ScenePaths], settings: EvaluateSettings) -> Comparison:
    """Compare maps with their references.

    Raises:
        LabelError: as `geoseg.evaluate`, or if the maps give one id different names.
    """
    names = _scene_names([each.predicted for each in paths])
    scenes = tuple(
        evaluate_with(each.predicted, each.reference, settings, confidence=each.confidence) for each in paths
    )
    return Comparison(paths=tuple(paths), names=names, scenes=scenes, pooled=pooled(names, scenes))


def pooled(names: Sequence[str], scenes: Sequence[Evaluation]) -> Evaluation:
    """All pixels of many scenes as one.

    Zones of the same name become one; blocks stay apart and are named after their scene.

    Raises:
        LabelError: if two scenes give one id different names.
    """
    if len(scenes) == 1:
        return scenes[0]
    known = _class_names(names, scenes)
    ids = tuple(sorted(known))
    wide = [_widened(scene, ids) for scene in scenes]
    colours = {class_id: tint for each in scenes for class_id, tint in zip(each.class_ids, each.colours, strict=False)}
    return Evaluation(
        class_ids=ids,
        class_names=tuple(known[class_id] for class_id in ids),
        confusion=ConfusionMatrix.total([scene.confusion for scene in wide], classes=len(ids)),
        unmapped_pixels=sum(scene.unmapped_pixels for scene in scenes),
        colours=tuple(colours.get(class_id) for class_id in ids) if colours else (),
        boundary=_merged_boundary([scene.boundary for scene in wide if scene.boundary is not None]),
        reliability=_merged_reliability([scene.reliability for scene in scenes if scene.reliability is not None]),
        zones=worst_first(_merged_zones(names, wide)),
    )


def _class_names(names: Sequence[str], scenes: Sequence[Evaluation]) -> dict[int, str]:
    known: dict[int, tuple[str, str]] = {}
    for scene, evaluation in zip(names, scenes, strict=True):
        for class_id, name in zip(evaluation.class_ids, evaluation.class_names, strict=True):
            there, at = known.setdefault(class_id, (name, scene))
            if str(class_id) == there:
                known[class_id] = name, scene
            elif name not in {there, str(class_id)}:
                raise LabelError(
                    f"class {class_id} is {there!r} in {at} and {name!r} in {scene}: "
                    "evaluate only maps of one legend together"
                )
    return {class_id: name for class_id, (name, _) in known.items()}


def _widened(scene: Evaluation, ids: tuple[int, ...]) -> Evaluation:
    """The same scene with counts for all ids."""
    at = np.searchsorted(ids, scene.class_ids)

    def wide(matrix: ConfusionMatrix) -> ConfusionMatrix:
        counts = np.zeros((len(ids), len(ids)), dtype=np.int64)
        counts[np.ix_(at, at)] = matrix.counts
        return ConfusionMatrix(counts)

    boundary = scene.boundary
    if boundary is not None:
        counts = np.zeros((len(boundary.counts), len(ids)), dtype=np.int64)
        counts[:, at] = boundary.counts
        boundary = replace(boundary, counts=counts)
    return replace(
        scene,
        class_ids=ids,
        confusion=wide(scene.confusion),
        boundary=boundary,
        zones=tuple(replace(each, confusion=wide(each.confusion)) for each in scene.zones),
    )


def _merged_boundary(scores: Sequence[BoundaryScores]) -> BoundaryScores | None:
    merged = scores[0] if scores else None
    for each in scores[1:]:
        merged = merged.merge(each) if merged else each
    return merged


def _merged_reliability(curves: Sequence[Reliability]) -> Reliability | None:
    merged = Reliability.empty()
    for each in curves:
        merged = merged.merge(each)
    return merged if curves else None


def _merged_zones(names: Sequence[str], scenes: Sequence[Evaluation]) -> list[ZoneScores]:
    zones: dict[str, ZoneScores] = {}
    for scene, evaluation in zip(names, scenes, strict=True):
        for each in evaluation.zones:
            name = each.zone.name if each.zone.outline is None else f"{scene}: {each.zone.name}"
            confusion = each.confusion.merge(zones[name].confusion) if name in zones else each.confusion
            zones[name] = ZoneScores(zone=replace(each.zone, name=name), confusion=confusion)
    return list(zones.values())


def _scene_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """The file names without their endings; whole paths where two would be the same."""
    short = [path.name.removesuffix(path.suffix).removesuffix(".classes") for path in paths]
    names = short if len(set(short)) == len(short) else [str(path) for path in paths]
    numbered = [f"{name} ({names[: index + 1].count(name)})" for index, name in enumerate(names)]
    return tuple(names if len(set(names)) == len(names) else numbered)
