"""What the Kubernetes operator of Dask is told: one pod for the scheduler, one for each worker."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from geoseg.config.cluster import KubernetesWorkers

_COMM, _HTTP = 8786, 8787
_SCHEDULER_LIMITS = {"cpu": "1", "memory": "2Gi"}
_DATA = "data"


def dask_cluster(
    settings: KubernetesWorkers, worker_arguments: Sequence[str], environment: Mapping[str, str]
) -> dict[str, Any]:
    """The DaskCluster resource of a cluster.

    Args:
        settings: image, number and size of the pods.
        worker_arguments: what `dask worker` is told beside its name and the address of the scheduler.
        environment: variables of every worker.
    """
    name = f"geoseg-{secrets.token_hex(4)}"
    worker = ["dask", "worker", "--name", "$(DASK_WORKER_NAME)", *worker_arguments]
    limits = _limits(settings)
    return {
        "apiVersion": "kubernetes.dask.org/v1",
        "kind": "DaskCluster",
        "metadata": {"name": name},
        "spec": {
            "worker": {
                "replicas": settings.workers,
                "spec": _with_data(_pod("worker", settings.image, worker, limits, environment), settings.volume),
            },
            "scheduler": {"spec": _scheduler(settings.image), "service": _service(name)},
        },
    }


def _limits(settings: KubernetesWorkers) -> dict[str, str]:
    limits = {"cpu": str(settings.cores)}
    if settings.memory:
        number, unit = _number_and_unit(settings.memory)
        limits["memory"] = f"{number}{unit}"
    if settings.accelerators:
        limits["nvidia.com/gpu"] = str(settings.accelerators)
    return limits


def _number_and_unit(memory: str) -> tuple[str, str]:
    """`7.5 GiB` as Kubernetes writes it: `7.5` and `Gi`."""
    digits = memory.rstrip("BkMGTi ")
    return digits, memory.removeprefix(digits).strip().removesuffix("B")


def _pod(
    name: str, image: str, command: Sequence[str], limits: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 1000},
        "containers": [
            {
                "name": name,
                "image": image,
                "command": list(command),  # in place of the image's entry point
                "env": [{"name": key, "value": value} for key, value in environment.items()],
                "resources": {"requests": dict(limits), "limits": dict(limits)},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    }


def _with_data(pod: dict[str, Any], claim: str | None) -> dict[str, Any]:
    """The pod with the claimed volume under /data, which it may only read."""
    if claim is None:
        return pod
    (container,) = pod["containers"]
    mount = {"name": _DATA, "mountPath": f"/{_DATA}", "readOnly": True}
    volume = {"name": _DATA, "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
    return pod | {"volumes": [volume], "containers": [container | {"volumeMounts": [mount]}]}


def _scheduler(image: str) -> dict[str, Any]:
    command = ["dask", "scheduler", "--host", "0.0.0.0"]  # noqa: S104 - of the pod; the service says who reaches it
    pod = _pod("scheduler", image, command, _SCHEDULER_LIMITS, {})
    healthy = {"httpGet": {"port": "http-dashboard", "path": "/health"}, "periodSeconds": 5}
    ports = [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in _ports().items()]
    (container,) = pod["containers"]
    probes = {"ports": ports, "readinessProbe": healthy, "livenessProbe": healthy | {"initialDelaySeconds": 15}}
    return pod | {"containers": [container | probes]}


def _service(cluster: str) -> dict[str, Any]:
    return {
        "type": "ClusterIP",
        "selector": {"dask.org/cluster-name": cluster, "dask.org/component": "scheduler"},
        "ports": [
            {"name": name, "protocol": "TCP", "port": port, "targetPort": name} for name, port in _ports().items()
        ],
    }


def _ports() -> dict[str, int]:
    return {"tcp-comm": _COMM, "http-dashboard": _HTTP}
