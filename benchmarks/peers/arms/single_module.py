"""One module of a library without the rest of it, and stand-ins for what that module asks of the rest."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from benchmarks.peers.job import MODULES


def stand_in(name: str, **members: object) -> None:
    """Let a module of that name be imported that holds just these members."""
    _parents(name)
    module = ModuleType(name)
    for key, member in members.items():
        setattr(module, key, member)
    sys.modules[name] = module


def load_module(name: str) -> ModuleType:
    """Run one file of a library that was fetched and not installed."""
    _parents(name)
    path = MODULES / f"{name.replace('.', '/')}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: cannot be run")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _parents(name: str) -> None:
    """Empty packages above a module."""
    parts = name.split(".")[:-1]
    for depth in range(1, len(parts) + 1):
        parent = ModuleType(".".join(parts[:depth]))
        parent.__path__ = []
        sys.modules.setdefault(parent.__name__, parent)
