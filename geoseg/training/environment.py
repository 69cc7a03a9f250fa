"""What a result depends on beside its settings: versions, hardware, the commit of the code."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

_PACKAGES = ("geoseg", "torch", "segmentation-models-pytorch", "timm", "numpy", "scipy", "rasterio", "pillow")
_CPU_INFO = Path("/proc/cpuinfo")


def describe_environment(device: torch.device, *, precision: str, processes: int = 1) -> dict[str, object]:
    """Versions and hardware, as plain JSON values.

    Args:
        device: where the network runs.
        precision: of its forward passes.
        processes: that train together.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cuda": torch.version.cuda,
        "precision": precision,
        "processes": processes,
        "commit": _commit(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _cpu_name() -> str:
    lines = _CPU_INFO.read_text(encoding="utf-8").splitlines() if _CPU_INFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str | None:
    """That of the repository this code lies in, with a plus sign where files differ from it; None outside of one."""
    here = Path(__file__)
    if _git("ls-files", "--error-unmatch", here.name) is None:
        return None  # installed below a folder that happens to be a repository
    return _git("describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*")


def _git(*arguments: str) -> str | None:
    """What git says of this folder; None where it cannot say."""
    command = ("git", *arguments)
    try:
        found = subprocess.run(  # noqa: S603 - the arguments stand above
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
