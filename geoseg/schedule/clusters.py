"""Clusters that are made for one run and end with it: of this machine, of others by SSH, of SLURM, of Kubernetes.

Every worker has one thread, so that it computes one block at a time, and one accelerator at most. A limit of memory is
one that the settings name: nothing is guessed from the machine.
"""

from __future__ import annotations

import importlib.util
import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from geoseg.config.cluster import (
    ClusterSettings,
    CudaWorkers,
    KubernetesWorkers,
    LocalWorkers,
    SlurmWorkers,
    SshWorkers,
)
from geoseg.errors import ConfigError
from geoseg.schedule.pods import dask_cluster

if TYPE_CHECKING:
    from distributed import Client

ACCELERATOR = "accelerator"
"""Name of the resource of which every worker has one: a task that asks for one is alone on its worker."""

_RESOURCES = {ACCELERATOR: 1}
_QUIET = {"dashboard_address": "127.0.0.1:0"}  # else two runs would want one port


@contextmanager
def open_cluster(settings: ClusterSettings) -> Iterator[Client]:
    """Make a cluster, wait for its first worker, and give a client of it; the cluster ends with the context.

    Workers that come later join in.

    Raises:
        ConfigError: if what the kind of cluster needs is not installed, the cluster cannot be made, or no worker comes.
    """
    from distributed import Client, TimeoutError  # noqa: A004, PLC0415 - slow to import, and only clusters need it

    from geoseg.schedule.interrupts import leave_interrupts_to  # noqa: PLC0415 - as above

    cluster = _made(settings)
    with cluster, Client(cluster) as client:
        try:
            client.wait_for_workers(1, timeout=settings.start_seconds)
        except TimeoutError as error:
            raise ConfigError(
                f"no worker of the {settings.kind} cluster came within {settings.start_seconds:g} s: see what became "
                "of them, or raise start_seconds"
            ) from error
        if isinstance(settings, LocalWorkers | CudaWorkers):
            leave_interrupts_to(client)
        yield client


def _made(settings: ClusterSettings) -> Any:  # noqa: ANN401 - clusters of four packages, typed in part
    make = cast("Callable[[ClusterSettings], Any]", _MAKERS[type(settings)])
    try:
        return make(settings)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"the {settings.kind} cluster cannot be made: {' '.join(str(error).split())}") from error


def _local(settings: LocalWorkers) -> Any:  # noqa: ANN401 - as above
    from distributed import LocalCluster  # noqa: PLC0415 - as above

    return LocalCluster(
        n_workers=settings.workers,
        threads_per_worker=1,
        processes=True,
        scheduler_kwargs=_QUIET,
        dashboard_address=None,
        silence_logs=logging.ERROR,
        **_worker_options(settings),
    )


def _cuda(settings: CudaWorkers) -> Any:  # noqa: ANN401 - as above
    _require("dask_cuda", settings)
    from dask_cuda import LocalCUDACluster  # noqa: PLC0415 - an extra

    return LocalCUDACluster(
        CUDA_VISIBLE_DEVICES=None if settings.devices is None else list(settings.devices),
        n_workers=settings.workers,
        device_memory_limit=0,  # torch keeps the accelerator's memory, not Dask
        scheduler_kwargs=_QUIET,
        dashboard_address=None,
        silence_logs=logging.ERROR,
        **_worker_options(settings),
    )


def _ssh(settings: SshWorkers) -> Any:  # noqa: ANN401 - as above
    _require("asyncssh", settings)
    from distributed import SSHCluster  # noqa: PLC0415 - as above

    workers = itertools.islice(itertools.cycle(settings.hosts[1:]), settings.workers)
    connection = {"port": settings.port} | ({"username": settings.user} if settings.user else {})
    return SSHCluster(
        [settings.hosts[0], *workers],
        connect_options=connection,
        worker_options={"nthreads": 1, **_worker_options(settings)},
        scheduler_options=_QUIET,
        remote_python=settings.python,
        silence_logs=logging.ERROR,
    )


def _slurm(settings: SlurmWorkers) -> Any:  # noqa: ANN401 - as above
    _require("dask_jobqueue", settings)
    from dask_jobqueue import SLURMCluster  # noqa: PLC0415 - an extra

    return SLURMCluster(
        n_workers=settings.workers,
        cores=1,
        processes=1,
        job_cpu=settings.cores,
        memory=settings.memory,
        queue=settings.queue,
        account=settings.account,
        walltime=settings.walltime,
        job_name="geoseg",
        job_extra_directives=list(settings.directives),
        job_script_prologue=[*_exports(settings), *settings.setup],
        worker_extra_args=["--no-dashboard", "--resources", f"{ACCELERATOR}=1"],
        python=settings.python,
        interface=settings.interface,
        log_directory=settings.logs and str(settings.logs),
        local_directory=settings.scratch and str(settings.scratch),
        scheduler_options=_QUIET,
        silence_logs=logging.ERROR,
    )


def _kubernetes(settings: KubernetesWorkers) -> Any:  # noqa: ANN401 - as above
    _require("dask_kubernetes", settings)
    from dask_kubernetes.operator import KubeCluster  # noqa: PLC0415 - an extra

    resource = dask_cluster(settings, _worker_arguments(), _environment(settings))
    return KubeCluster(custom_cluster_spec=resource, namespace=settings.namespace, quiet=True)


def _require(module: str, settings: ClusterSettings) -> None:
    """Refuse a kind of cluster whose package is not there.

    Raises:
        ConfigError: saying what to install.
    """
    if importlib.util.find_spec(module) is None:
        raise ConfigError(
            f"a cluster of kind {settings.kind} needs {module}, which is not installed: pip install "
            f"'geoseg[{settings.kind}]'"
        )


def _worker_options(settings: ClusterSettings) -> dict[str, Any]:
    """What a process of Dask is told; 0 is no limit of memory."""
    return {
        "memory_limit": settings.memory or 0,
        "resources": _RESOURCES,
        "env": _environment(settings),
    }


def _worker_arguments() -> list[str]:
    """The same for `dask worker`; its pod has the limit of memory."""
    return ["--nthreads", "1", "--memory-limit", "0", "--no-dashboard", "--resources", f"{ACCELERATOR}=1"]


def _environment(settings: ClusterSettings) -> dict[str, str]:
    return {"OMP_NUM_THREADS": str(settings.cores), "OMP_WAIT_POLICY": "PASSIVE"}


def _exports(settings: ClusterSettings) -> list[str]:
    return [f"export {name}={value}" for name, value in _environment(settings).items()]


_MAKERS = {
    LocalWorkers: _local,
    CudaWorkers: _cuda,
    SshWorkers: _ssh,
    SlurmWorkers: _slurm,
    KubernetesWorkers: _kubernetes,
}
