"""Reads the tensors of a file without running code from it. Knows nothing of networks."""

from __future__ import annotations

import pickle
import struct
import warnings
import zipfile
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

_DEEPEST = 8
_DAMAGED = (
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    ImportError,
    MemoryError,
    struct.error,
)
"""What torch raises where bytes are not what it expects; its unpickler checks little."""


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
    _refuse_more_than_held(path, state)
    if not state:
        raise ModelError(f"{path}: holds no named tensors: save the state dict of the network alone")
    return state


def _from_safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except (SafetensorError, *_DAMAGED) as error:
        raise ModelError(f"{path}: is damaged or no safetensors file: {error}") from error


def _from_pickle(path: Path) -> object:
    _refuse_compressed(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formats that are refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: refused, for it holds more than tensors and reading it could run code from it: save the weights "
            "alone, with torch.save(network.state_dict(), ...) or as .safetensors"
        ) from error
    except _DAMAGED as error:
        raise ModelError(f"{path}: is damaged or nothing that torch saved: {_one_line(error)}") from error


def _refuse_compressed(path: Path) -> None:
    """Refuse what torch never writes: compressed, a small file could become any amount of memory."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, OverflowError, NotImplementedError) as error:
        raise ModelError(f"{path}: is damaged or nothing that torch saved: {error}") from error
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ModelError(f"{path}: is compressed, as nothing that torch saves: do not trust it")


def _refuse_more_than_held(path: Path, state: Mapping[str, Tensor]) -> None:
    """A view can claim any number of elements of a storage that holds one."""
    size = path.stat().st_size
    for name, tensor in state.items():
        if tensor.numel() * tensor.element_size() > size:
            raise ModelError(f"{path}: {name} claims {tensor.numel()} numbers, more than the file holds")


def _tensors(held: object, depth: int = 0) -> dict[str, Tensor]:
    if not isinstance(held, Mapping) or depth > _DEEPEST:  # a pickle may hold itself
        return {}
    for key in _WRAPPERS:
        inner = held.get(key)
        if isinstance(inner, Mapping):
            return _tensors(inner, depth + 1)
    return {str(name): tensor for name, tensor in held.items() if isinstance(tensor, Tensor)}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
