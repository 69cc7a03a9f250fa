"""Which device and arithmetic torch is to use: one answer for training and prediction."""

from __future__ import annotations

from typing import Literal

import torch

from geoseg.errors import ConfigError

Precision = Literal["auto", "fp32", "bf16", "fp16"]

_HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """The torch device of a name; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        ConfigError: if the device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device {name!r}: torch sees no CUDA device here; use --device cpu or auto")
    if name == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device 'mps': torch sees no Apple GPU here; use --device cpu or auto")
    return torch.device(name)


def choose_precision(name: Precision, device: torch.device) -> str:
    """The arithmetic to use; `auto` takes bf16 where the device has units for it, else fp16 on a GPU, else fp32."""
    if name != "auto":
        if name == "fp16" and device.type == "cpu":
            raise ConfigError("precision 'fp16' gains nothing on a CPU: use bf16, fp32 or auto")
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device.type == "cpu":
        return "bf16" if cpu_has_bf16() else "fp32"
    return "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context of a forward pass in fp32, bf16 or fp16."""
    return torch.autocast(device.type, dtype=_HALVES.get(precision, torch.bfloat16), enabled=precision in _HALVES)


def cpu_has_bf16() -> bool:
    """True where this CPU has instructions for bf16 products (AMX or AVX-512 BF16)."""
    if torch.cpu._is_amx_tile_supported():  # noqa: SLF001 - torch has no public name for it
        return True
    return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 - nor for this
