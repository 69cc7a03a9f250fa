"""Lets timm be imported where torchvision came without its compiled operators.

timm imports torchvision, and torchvision, while it is imported, gives meta implementations to its operator `nms`.
Its wheel in the package registry is built for CUDA torch: beside a CPU torch its operators cannot be loaded, and
the import ends with "operator torchvision::nms does not exist". Declaring the two operators is enough: no network
here calls them. Where torchvision brings working operators, nothing is declared.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import torch

_OPERATORS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


@functools.cache
def declare_missing_operators() -> tuple[str, ...]:
    """Declare torchvision's operators unless they exist; call this before the first import of timm or smp.

    Returns:
        The names that had to be declared; empty where torchvision is whole or absent.
    """
    if importlib.util.find_spec("torchvision") is None or _load_compiled_operators():
        return ()
    missing = tuple(name for name in _OPERATORS if not hasattr(torch.ops.torchvision, name))
    for name in missing:
        _library().define(_OPERATORS[name])  # type: ignore[no-untyped-call]
    return missing


def _load_compiled_operators() -> bool:
    """Whether torchvision's own library of operators can be loaded into this torch."""
    spec = importlib.util.find_spec("torchvision")
    folders = spec.submodule_search_locations if spec is not None else None
    for library in (file for folder in folders or () for file in sorted(Path(folder).glob("_C.*"))):
        try:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
        except OSError:
            continue
        if hasattr(torch.ops.torchvision, "nms"):
            return True
    return False


@functools.cache
def _library() -> torch.library.Library:
    """Declarations last as long as this object."""
    return torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
