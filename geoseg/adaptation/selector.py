"""What a candidate says of held-out windows of the target, and how steady it is there. Knows no labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.adaptation.candidate import Candidate, Problem
from geoseg.models.reference import FeatureStatistics, Numbers
from geoseg.shift.consistency import Consistency, view_consistency
from geoseg.shift.features import Listener, distances_of, picked_features
from geoseg.shift.forward import Forward, softmax_of
from geoseg.shift.measure import FAR_PERCENT
from geoseg.shift.windows import WindowSample

_CONFIDENT = 0.1
_MOST_FEATURES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """What a candidate says of held-out windows; by this it is ranked and judged."""

    consistency: Consistency
    """Of its maps with those of views."""

    classes: NDArray[np.uint8]
    """(pixels,) class index of each valid pixel."""

    confident: NDArray[np.bool_]
    """(pixels,), True in the tenth of the valid pixels where it is most confident."""

    shares: Numbers
    """(classes,) of the valid pixels, by its map."""

    far: float | None = None
    """Share of the pixels whose features are farther than 99 % of the reference's; None where that is not known."""

    @property
    def score(self) -> float:
        """Class-averaged view-consistency IoU, 0 to 1."""
        return self.consistency.iou


class Selector:
    """Shows candidates the same held-out windows."""

    def __init__(self, problem: Problem, held_out: WindowSample) -> None:
        """Say what is shown.

        Args:
            problem: the model as it was.
            held_out: windows that no adapter learns from.
        """
        self._problem = problem
        self._held_out = held_out
        self._valid = torch.from_numpy(held_out.valid)

    def look(self, candidate: Candidate) -> Sight | None:
        """What it says; None where its weights or its probabilities are not all finite numbers."""
        if not is_finite(candidate.state):
            return None
        forward = replace(self._problem.forward, network=self._problem.network(candidate))
        images = self._images(candidate)
        found = _decisions(forward, images, self._valid)
        if found is None:
            return None
        classes, confidence, count, features = found
        reference = self._problem.package.reference
        return Sight(
            consistency=view_consistency(forward, images, self._valid),
            classes=classes,
            confident=_largest(confidence, _CONFIDENT),
            shares=np.bincount(classes, minlength=count) / max(1, len(classes)),
            far=None if reference is None else far_share(reference.features, features),
        )

    def _images(self, candidate: Candidate) -> Tensor:
        normalizer = self._problem.package.normalizer
        curves = candidate.curves or normalizer.curves
        return self._held_out.tensor(replace(normalizer, curves=curves))


def is_finite(state: Mapping[str, Tensor]) -> bool:
    """True where all weights and buffers are finite numbers."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in state.values() if tensor.is_floating_point())


def far_share(reference: FeatureStatistics, features: NDArray[np.float32]) -> float | None:
    """Share of features (pixels, features) that are farther than 99 % of the reference's; None where there are none."""
    if not len(features) or features.shape[1] != len(reference.mean):
        return None
    distances = distances_of(reference, torch.from_numpy(features.T[None, :, :, None]))
    return float((distances > float(reference.distances[FAR_PERCENT])).float().mean())


def _decisions(
    forward: Forward, images: Tensor, valid: Tensor
) -> tuple[NDArray[np.uint8], NDArray[np.float32], int, NDArray[np.float32]] | None:
    """Class and confidence of each valid pixel, how many classes there are, and features of some of the pixels.

    None where a confidence is not finite.
    """
    classes, confidences, features, count, begun = [], [], [], 1, 0
    most = max(1, _MOST_FEATURES // max(1, len(images)))
    with Listener(forward.network) as listener:
        for logits in forward.batches(images):
            count = logits.shape[1]
            there = valid[begun : begun + len(logits)]
            begun += len(logits)
            confidence, chosen = softmax_of(logits, forward.calibration).movedim(1, -1)[there].max(dim=1)
            if not torch.isfinite(confidence).all():
                return None
            classes.append(chosen.to(torch.uint8))
            confidences.append(confidence)
            features += picked_features(listener.features, there, most=most)
    return torch.cat(classes).numpy(), torch.cat(confidences).numpy(), count, np.concatenate(features)


def _largest(numbers: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """True at the largest share of some numbers, and at all that are as large as the least of those."""
    return np.asarray(numbers >= np.quantile(numbers, 1 - share)) if len(numbers) else np.zeros(0, dtype=np.bool_)
