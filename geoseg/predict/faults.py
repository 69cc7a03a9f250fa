"""What to do where there is too little memory or disk: one line in place of what libraries say."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from geoseg.errors import ConfigError, OutputError, SceneError

_MEMORY = re.compile(
    r"out of memory|not enough memory|can(no|')t allocate|bad_?alloc|can't start new thread|alloc.*fail"
    r"|no space for \w+ buffer"  # libtiff
    r"|could not create a primitive$"  # oneDNN
    r"|failed to map segment"  # of a library
    r"|without (exception set|setting an exception)",  # of Python, where there was no room for one
    re.IGNORECASE,
)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def told_apart() -> Iterator[None]:
    """Turn errors of too little memory or disk into lines that say what to do.

    Raises:
        ConfigError: where memory ran out, here or in a worker.
        OutputError: where the disk is full.
    """
    try:
        yield
    except MemoryError as error:
        raise _too_little_memory(error) from error
    except (RuntimeError, SystemError, ImportError) as error:  # torch, OpenVINO and C++ have no type of their own
        if not _MEMORY.search(str(error)):
            raise
        raise _too_little_memory(error) from error
    except (OutputError, SceneError) as error:  # GDAL and libtiff say it among all else that goes wrong
        cause = next((each for each in _causes(error) if _MEMORY.search(str(each))), None)
        if cause is None:
            raise
        raise _too_little_memory(cause) from error
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise _too_little_memory(error) from error
        if error.errno not in _FULL:
            raise
        raise OutputError(
            "the disk is full: free some space or choose another output folder; the same command goes on from where "
            "it stopped"
        ) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What an error was raised from, outermost first."""
    cause = error.__cause__
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _too_little_memory(error: BaseException) -> ConfigError:
    said = " ".join(str(error).split())[:200]
    return ConfigError(
        f"memory ran out ({said or type(error).__name__}): use a smaller --tile or --block-rows or fewer --workers; "
        "the same command goes on from where it stopped"
    )
