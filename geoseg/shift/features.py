"""The features that a network decides by: their distribution on some ground, and how far from it pixels are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from geoseg.errors import ModelError
from geoseg.models.reference import FeatureStatistics, Numbers
from geoseg.shift.forward import Forward

_AT_ONCE = 8
_MOST_PIXELS = 20_000
_WHOLLY = 0.999
_RIDGE = 1e-6
_LEAST = 1e-12


def last_features(forward: Forward, images: Tensor) -> Iterator[Tensor]:
    """What the last layer of a network decides by, some images at a time.

    Args:
        forward: the network; it stays as it is.
        images: (n, bands, side, side) as the network sees them.

    Yields:
        (n, features, height, width) float32 on the CPU, at the size that the network has them.

    Raises:
        ModelError: if the network has no convolution to take them from.
    """
    with Listener(forward.network) as listener:
        for batch in torch.split(images, _AT_ONCE):
            for _ in forward.batches(batch):
                yield listener.features


class Listener:
    """A context in which the features of the batch that a network saw last are kept."""

    def __init__(self, network: nn.Module) -> None:
        """Find the last layer.

        Raises:
            ModelError: if the network has no convolution.
        """
        self._layer = _last_layer(network)
        self.features = torch.empty(0)
        """(n, features, height, width) float32 on the CPU."""

    def __enter__(self) -> Self:
        self._handle = self._layer.register_forward_pre_hook(self._keep)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()

    def _keep(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:  # noqa: ARG002 - torch's signature
        self.features = inputs[0].detach().float().cpu()


def fit_features(forward: Forward, images: Tensor, valid: Tensor) -> FeatureStatistics:
    """The distribution of the features of usable pixels.

    Args:
        forward: the network; it stays as it is.
        images: (n, bands, side, side) as the network sees them.
        valid: (n, side, side), True = usable.
    """
    kept, first = [], 0
    for features in last_features(forward, images):
        mask = valid[first : first + len(features)]
        kept += picked_features(features, mask, most=max(1, _MOST_PIXELS // len(images)))
        first += len(features)
    return statistics_of(np.concatenate(kept))


def picked_features(features: Tensor, valid: Tensor, *, most: int) -> list[NDArray[np.float32]]:
    """For each window at most `most` pixels in equal steps: (pixels, features); only wholly usable pixels."""
    height, width = features.shape[2:]
    usable = adaptive_avg_pool2d(valid[:, None].float(), (height, width))[:, 0] > _WHOLLY
    found = []
    for window, mask in zip(features, usable, strict=True):
        places = mask.flatten().nonzero().flatten()
        steps = (torch.arange(min(most, len(places))) + 0.5) * len(places) / max(min(most, len(places)), 1)
        found.append(window.flatten(1)[:, places[steps.long()]].T.numpy())
    return found


def statistics_of(pixels: NDArray[np.floating]) -> FeatureStatistics:
    """The distribution of features (pixels, features), with the distances of these pixels from it."""
    if not len(pixels):
        pixels = np.zeros((1, pixels.shape[1]))
    mean, covariance = shrunk_covariance(np.asarray(pixels, dtype=np.float64))
    alone = FeatureStatistics(mean=mean, covariance=covariance, distances=np.zeros(0))
    maps = torch.from_numpy(np.ascontiguousarray(pixels.T, dtype=np.float32))[None, :, :, None]
    percent = np.quantile(distances_of(alone, maps).numpy().astype(np.float64), np.linspace(0, 1, 101))
    return FeatureStatistics(mean=mean, covariance=covariance, distances=percent)


def shrunk_covariance(pixels: Numbers) -> tuple[Numbers, Numbers]:
    """Mean and covariance, drawn towards that of equal and independent features by the share that errs least.

    Ledoit, Wolf (2004): A well-conditioned estimator for large-dimensional covariance matrices.

    Args:
        pixels: (pixels, features).

    Returns:
        (features,) and (features, features), which can be inverted.
    """
    count, features = pixels.shape
    mean = pixels.mean(axis=0)
    centred = pixels - mean
    plain = centred.T @ centred / count
    level = float(np.trace(plain)) / features
    far = float((plain**2).sum()) - features * level**2
    noise = (float(((centred**2).T @ (centred**2)).sum()) / count - float((plain**2).sum())) / count
    share = min(max(noise, 0.0) / far, 1.0) if far > 0 else 1.0
    floor = _RIDGE * level + _LEAST
    return mean, (1 - share) * plain + (share * level + floor) * np.eye(features)


def distances_of(statistics: FeatureStatistics, features: Tensor) -> Tensor:
    """Mahalanobis distances of pixels from a distribution.

    Args:
        statistics: of the reference.
        features: (n, features, height, width).

    Returns:
        (n, height, width) float32, at least 0.

    Raises:
        ModelError: if the statistics are of another number of features.
    """
    if features.shape[1] != len(statistics.mean):
        raise ModelError(
            f"the network has {features.shape[1]} features, its reference statistics {len(statistics.mean)}: "
            "measure them anew"
        )
    whitening = np.linalg.inv(np.linalg.cholesky(statistics.covariance))
    turn = torch.from_numpy(whitening.astype(np.float32)).to(features.device)
    mean = torch.from_numpy(statistics.mean.astype(np.float32)).to(features.device)
    centred = features.float() - mean.view(1, -1, 1, 1)
    return torch.einsum("gf,nfhw->nghw", turn, centred).square().sum(dim=1).sqrt()


def _last_layer(network: nn.Module) -> nn.Module:
    head = getattr(network, "segmentation_head", None)
    if isinstance(head, nn.Module):
        return head
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    if not layers:
        raise ModelError("the network has no convolution to take features from: it cannot be compared")
    return layers[-1]
