"""Loops over pixels and vertices, compiled. The only module that knows numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile a function of arrays and numbers when it is first called, and keep what was compiled on disk.

    It runs without Python's lock, so threads run it side by side. Divisions by zero give infinity, not an error.
    Where no folder for the compiled code can be written, it is compiled anew in each process.
    """
    try:
        return cast("_Function", numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # numba finds no folder that it may write
        return cast("_Function", numba.njit(nogil=True, error_model="numpy")(function))
