"""Reads the tensors of a file without running code from it. Knows nothing of networks."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from geoseg.errors import ModelError

STATE_DICT_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
"""Endings of files that may hold a state dict."""

_WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training programs put a state dict beside other things."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The named tensors in a file, on the CPU.

    Args:
        path: a .safetensors file, or one that torch.save wrote; in that one the tensors may stand under a key
            `state_dict`, `model_state_dict` or `model`, and only tensors and plain values are unpickled.

    Raises:
        ModelError: if the file is missing, damaged, holds anything but tensors and plain values, or no tensors.
    """
    if path.suffix.lower() not in STATE_DICT_SUFFIXES:
        raise ModelError(f"{path}: no file of weights: it must end in {', '.join(STATE_DICT_SUFFIXES)}")
    if not path.is_file():
        raise ModelError(f"{path}: no such file of weights: correct the path")
    held = _from_safetensors(path) if path.suffix.lower() == ".safetensors" else _from_pickle(path)
    state = _tensors(held)
    if not state:
        raise ModelError(f"{path}: holds no named tensors: save the state dict of the network alone")
    return state


def _from_safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: is damaged or no safetensors file: {error}") from error


def _from_pickle(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formats that are refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: refused, for it holds more than tensors and reading it could run code from it: save the weights "
            "alone, with torch.save(network.state_dict(), ...) or as .safetensors"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: is damaged or nothing that torch saved: {_one_line(error)}") from error


def _tensors(held: object) -> dict[str, Tensor]:
    if not isinstance(held, Mapping):
        return {}
    for key in _WRAPPERS:
        inner = held.get(key)
        if isinstance(inner, Mapping):
            return _tensors(inner)
    return {str(name): tensor for name, tensor in held.items() if isinstance(tensor, Tensor)}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
