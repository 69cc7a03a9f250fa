"""What is assumed of scenes, said once for all scenes of which it holds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from geoseg.data import labels
from geoseg.raster import scene

log = logging.getLogger(__name__)


class Remarks(logging.Filter):
    """Keeps back warnings about files, whose first argument is the file, until they are told."""

    def __init__(self, *, tell: bool = True) -> None:
        """Know of no remark yet.

        Args:
            tell: False where they are to be dropped.
        """
        super().__init__()
        self._tell = tell
        self._files: dict[str, list[str]] = {}
        self._told: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Take a warning; anything else goes on its way."""
        text = record.getMessage()
        if record.levelno != logging.WARNING or not isinstance(record.args, tuple) or not record.args:
            return True
        file = str(record.args[0])
        files = self._files.setdefault(text.removeprefix(f"{file}: "), [])
        if file not in files:
            files.append(file)
        return False

    def tell(self) -> None:
        """Log each remark that is new, or holds of more files than when it was told."""
        for text, files in self._files.items():
            if self._tell and len(files) > self._told.get(text, 0):
                self._told[text] = len(files)
                about = files[0] if len(files) == 1 else f"{len(files)} files, such as {files[0]}"
                log.warning("%s: %s", about, text)


@contextmanager
def remarks_kept(*, tell: bool = True) -> Iterator[Remarks]:
    """Within it, remarks on scenes and labels wait to be told; at the end those that are left are told.

    Args:
        tell: False in a process that prints nothing.
    """
    remarks = Remarks(tell=tell)
    loggers = (scene.log, labels.log)
    for logger in loggers:
        logger.addFilter(remarks)
    try:
        yield remarks
    finally:
        for logger in loggers:
            logger.removeFilter(remarks)
        remarks.tell()
