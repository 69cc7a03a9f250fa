"""Settings of a cluster that is made for a run, from a YAML file of its own (configs/cluster/*.yaml)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from geoseg.config.settings import Settings, load_yaml, settings_from
from geoseg.errors import ConfigError

Memory = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)? ?([kMGT]i?)?B$")]
"""An amount such as 8GB, 512MB or 7.5GiB."""


class _Workers(Settings):
    """What workers are alike in, wherever they run: each computes one block at a time."""

    workers: int = Field(default=2, ge=1, description="How many workers to start.")
    cores: int = Field(default=1, ge=1, description="Cores of a worker: the network computes with that many threads.")
    memory: Memory | None = Field(
        default=None,
        description="What a worker may take (8GB); one that takes more is ended. No limit where not given.",
    )
    start_seconds: float = Field(default=600, gt=0, description="How long to wait for the first worker to be there.")


class LocalWorkers(_Workers):
    """Processes of this machine."""

    kind: Literal["local"] = Field(description="Processes of this machine.")


class CudaWorkers(_Workers):
    """Processes of this machine, each with an accelerator of its own (dask-cuda)."""

    kind: Literal["cuda"] = Field(description="Processes of this machine, one for each accelerator (geoseg[cuda]).")
    devices: tuple[int, ...] | None = Field(
        default=None, min_length=1, description="Numbers of the accelerators; the first ones where not given."
    )


class SshWorkers(_Workers):
    """Processes of machines that are reached by SSH (asyncssh), in equal numbers on each."""

    kind: Literal["ssh"] = Field(description="Processes of machines reached by SSH (geoseg[ssh]).")
    hosts: tuple[str, ...] = Field(
        min_length=2,
        description="The host of the scheduler, then those of workers; the first may be among them again.",
    )
    python: str | None = Field(default=None, description="Python on those hosts; the one that runs here if not given.")
    user: str | None = Field(default=None, description="Who logs in there; who runs geoseg here if not given.")
    port: int = Field(default=22, ge=1, le=65535, description="Port of the SSH servers.")


class SlurmWorkers(_Workers):
    """Jobs of SLURM (dask-jobqueue), one worker each."""

    kind: Literal["slurm"] = Field(description="Jobs of SLURM (geoseg[slurm]).")
    memory: Memory = Field(default="8GB", description="What a job asks for and may take.")
    queue: str | None = Field(default=None, description="Partition; the default one if not given.")
    account: str | None = Field(default=None, description="Whom the jobs are charged to.")
    walltime: str = Field(
        default="02:00:00", pattern=r"^(\d+-)?\d+(:\d\d){0,2}$", description="How long a job may run (02:00:00)."
    )
    directives: tuple[str, ...] = Field(
        default=(), description="More options of sbatch, such as --gres=gpu:1 for an accelerator."
    )
    setup: tuple[str, ...] = Field(default=(), description="Lines of shell before the worker: modules, environments.")
    python: str | None = Field(default=None, description="Python on the nodes; the one that runs here if not given.")
    interface: str | None = Field(default=None, description="Network interface that nodes reach each other by (ib0).")
    logs: Path | None = Field(
        default=None, description="Folder for the output of the jobs; where you are if not given."
    )
    scratch: Path | None = Field(
        default=None, description="Folder on the nodes for what workers keep; /tmp if not given."
    )


class KubernetesWorkers(_Workers):
    """Pods of Kubernetes (dask-kubernetes and its operator), one worker each."""

    kind: Literal["kubernetes"] = Field(description="Pods of Kubernetes (geoseg[kubernetes]).")
    image: str = Field(min_length=1, description="An image with geoseg that the nodes can pull (docker/Dockerfile).")
    namespace: str | None = Field(default=None, description="Where the pods go; the present one if not given.")
    accelerators: int = Field(default=0, ge=0, le=1, description="GPUs of each pod (nvidia.com/gpu), 0 or 1.")
    volume: str | None = Field(
        default=None, description="Claim of a persistent volume with the scenes and models, under /data in each pod."
    )


ClusterSettings: TypeAlias = LocalWorkers | CudaWorkers | SshWorkers | SlurmWorkers | KubernetesWorkers
_KINDS: dict[str, type[ClusterSettings]] = {
    "local": LocalWorkers,
    "ssh": SshWorkers,
    "slurm": SlurmWorkers,
    "kubernetes": KubernetesWorkers,
    "cuda": CudaWorkers,
}


def load_cluster(path: Path) -> ClusterSettings:
    """The cluster that a YAML file describes; its key `kind` says what kind.

    Raises:
        ConfigError: if the file cannot be read, or a key or value in it is wrong.
    """
    values = load_yaml(path)
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ConfigError(f"{path}: kind: Input should be {', '.join(_KINDS)} (got {kind!r})")
    settings: ClusterSettings = settings_from(_KINDS[kind], values, origin=str(path))
    return settings
