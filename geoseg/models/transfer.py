"""Weights of one network as the start of another. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from geoseg.errors import ModelError
from geoseg.models.package import ModelPackage

_KERNEL = 4  # dimensions of the weights of a convolution


def start_from(network: nn.Module, package: ModelPackage, *, bands: Sequence[str]) -> None:
    """Copy the weights of a package into a network, but for tensors of another shape, such as other classes have.

    A convolution that sees the bands takes those of the package's bands by their names; a band that the package does
    not know starts with weight 0, so that at first the network answers as the package would.

    Args:
        network: what to start; changed in place.
        package: whose weights to take.
        bands: names of the network's bands, in its order.

    Raises:
        ModelError: if less than half of the tensors fit, for that is another network.
    """
    wanted, given = network.state_dict(), package.network.state_dict()
    fitting = {name: tensor for name, tensor in given.items() if name in wanted and wanted[name].shape == tensor.shape}
    if tuple(bands) != package.bands:
        fitting |= _by_band(wanted, given, package.bands, tuple(bands))
    if 2 * len(fitting) < len(wanted):
        raise ModelError(
            f"network: only {len(fitting)} of {len(wanted)} tensors fit those of {package.name}: "
            f"take its architecture, {package.spec.architecture} with {package.spec.encoder}, and its options"
        )
    network.load_state_dict(wanted | fitting)


def _by_band(
    wanted: dict[str, Tensor], given: dict[str, Tensor], has: tuple[str, ...], wants: tuple[str, ...]
) -> dict[str, Tensor]:
    """Kernels over the bands of the package, rearranged for other bands."""
    found = {}
    for name, tensor in wanted.items():
        kernel = given.get(name)
        if kernel is None or kernel.ndim != _KERNEL or tensor.ndim != _KERNEL:
            continue
        expected = (kernel.shape[0], len(wants), *kernel.shape[2:])
        if kernel.shape[1] == len(has) and tensor.shape == expected:
            found[name] = torch.zeros_like(tensor)
            for place, band in enumerate(wants):
                if band in has:
                    found[name][:, place] = kernel[:, has.index(band)]
    return found
