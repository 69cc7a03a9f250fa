"""Losses and scores for TensorBoard, which is optional."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.errors import ConfigError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_SCALARS = ("loss", "learning_rate", "waiting", "val_mean_iou")


class EventLog:
    """Writes what TensorBoard shows."""

    def __init__(self, folder: Path, *, resumed_after: int) -> None:
        """Open the log.

        Args:
            folder: of the run's events.
            resumed_after: steps that stay of an earlier log there; later ones will be done again.

        Raises:
            ConfigError: if TensorBoard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - the package is optional
        except ImportError as error:
            raise ConfigError(
                "tensorboard: the package is not installed: pip install geoseg[tensorboard], or set it to false"
            ) from error
        self._writer: SummaryWriter = SummaryWriter(folder, purge_step=resumed_after + 1)

    def log(self, record: Mapping[str, object]) -> None:
        """Add the numbers of a record of the metrics."""
        iteration = record["iteration"]
        for name in _SCALARS:
            if isinstance(record.get(name), float):
                self._writer.add_scalar(name, record[name], iteration)
        scores = record.get("val")
        sources = scores.get("sources") if isinstance(scores, Mapping) else None
        for name, part in sources.items() if isinstance(sources, Mapping) else ():
            self._writer.add_scalar(f"val_mean_iou/{name}", part["mean_iou"], iteration)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
