"""What engines share that take prepared images, one at a time, and leave probabilities in this machine's memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.inference.agreement import probe
from geoseg.inference.one_by_one import one_by_one
from geoseg.inference.preparation import Preparation
from geoseg.models.package import ModelPackage

CPU = torch.device("cpu")


class CpuEngine(ABC):
    """An `Engine` around a network that takes inputs (1, bands, height, width) as `Preparation` makes them."""

    def __init__(
        self,
        package: ModelPackage,
        *,
        dtype: str,
        threads: int = 0,
        present: Sequence[int] | None = None,
        tile: int | None = None,
    ) -> None:
        """Prepare for the images of a scene.

        Args:
            package: what to run.
            dtype: of the scenes' pixels.
            threads: cores to use; 0 takes as many as torch would.
            present: positions among the model's bands of those that images hold; None = all.
            tile: side of the tiles to come, px; None = the model's.

        Raises:
            ModelError: if the model was not trained on pixels of that dtype.
        """
        self._package = package
        self._preparation = Preparation(package, dtype=dtype, device=CPU, present=present)
        self._threads = threads or torch.get_num_threads()
        self._side = tile or package.tile

    @property
    def classes(self) -> int:
        """How many classes the network tells apart."""
        return len(self._package.classes)

    @property
    def device(self) -> torch.device:
        """The CPU: there the probabilities lie, whatever computed them."""
        return CPU

    @property
    def threads(self) -> int:
        """Tiles computed at a time."""
        return self._threads

    def probabilities(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        """As in `Engine`."""
        return one_by_one(self._forward, images, usable, classes=self.classes)

    def _forward(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        return self._infer(self._preparation(images, usable))

    def _probe(self) -> torch.Tensor:
        """Inputs on which the network is to agree with torch float32."""
        return self._preparation.completed(probe(self._preparation.bands, self._side))

    @abstractmethod
    def _infer(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs (1, bands, height, width) to probabilities (1, classes, height, width)."""
