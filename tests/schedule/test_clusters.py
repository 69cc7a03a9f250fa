"""A cluster of any kind has workers of one thread and one accelerator, and ends with the run."""

from __future__ import annotations

import importlib.util
import operator
import os
import sys
from types import ModuleType

import pytest

from geoseg.config.cluster import CudaWorkers, KubernetesWorkers, LocalWorkers, SlurmWorkers, SshWorkers
from geoseg.errors import ConfigError
from geoseg.schedule import run_blocks
from geoseg.schedule.clusters import ACCELERATOR, open_cluster
from geoseg.schedule.pods import dask_cluster

SSH = SshWorkers(kind="ssh", hosts=("a", "b", "c"), workers=3, user="me", port=2222, python="/opt/python")
SLURM = SlurmWorkers(
    kind="slurm", workers=3, cores=4, memory="6GB", queue="fast", directives=("--gres=gpu:1",), setup=("module load x",)
)
KUBERNETES = KubernetesWorkers(
    kind="kubernetes", image="geoseg:cuda", workers=3, cores=2, memory="7.5 GiB", accelerators=1, volume="scenes"
)
CUDA = CudaWorkers(kind="cuda", workers=2, devices=(1, 3), memory="8GB")
NEEDS = {"asyncssh": SSH, "dask_jobqueue": SLURM, "dask_kubernetes": KUBERNETES, "dask_cuda": CUDA}


class NeverMadeError(OSError):
    """Ends the making of a cluster once it is known what was asked for."""


@pytest.fixture
def asked(monkeypatch):
    """What the packages of clusters were asked for: (arguments, keywords)."""
    calls = []

    def make(*args, **kwargs):
        calls.append((args, kwargs))
        raise NeverMadeError("not today")

    for name, maker in (
        ("dask_jobqueue", "SLURMCluster"),
        ("dask_cuda", "LocalCUDACluster"),
        ("dask_kubernetes.operator", "KubeCluster"),
        ("asyncssh", "connect"),
    ):
        module = ModuleType(name)
        setattr(module, maker, make)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "dask_kubernetes", ModuleType("dask_kubernetes"))
    monkeypatch.setattr("distributed.SSHCluster", make)
    monkeypatch.setattr("geoseg.schedule.clusters.importlib.util.find_spec", lambda _: True)

    def ask(settings):
        with pytest.raises(ConfigError, match=rf"^the {settings.kind} cluster cannot be made: not today$"):
            open_cluster(settings).__enter__()
        return calls[-1]

    return ask


@pytest.mark.parametrize("module", NEEDS)
def test_a_package_that_is_not_there_is_named_with_its_extra(module, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else found(name))
    settings = NEEDS[module]
    with pytest.raises(ConfigError) as raised, open_cluster(settings):
        pytest.fail("there is no such cluster")
    assert str(raised.value) == (
        f"a cluster of kind {settings.kind} needs {module}, which is not installed: "
        f"pip install 'geoseg[{settings.kind}]'"
    )


def test_slurm_gives_each_worker_a_job_with_its_cores_and_memory(asked):
    _, told = asked(SLURM)
    assert (told["n_workers"], told["cores"], told["processes"], told["job_cpu"]) == (3, 1, 1, 4)
    assert (told["memory"], told["queue"], told["job_extra_directives"]) == ("6GB", "fast", ["--gres=gpu:1"])
    assert "export OMP_NUM_THREADS=4" in told["job_script_prologue"]
    assert told["job_script_prologue"][-1] == "module load x"
    assert f"{ACCELERATOR}=1" in told["worker_extra_args"]


def test_ssh_takes_the_hosts_in_turn_and_the_first_for_the_scheduler(asked):
    (hosts,), told = asked(SSH)
    assert hosts == ["a", "b", "c", "b"]
    assert told["connect_options"] == {"port": 2222, "username": "me"}
    assert told["remote_python"] == "/opt/python"
    assert told["worker_options"]["nthreads"] == 1
    assert told["worker_options"]["resources"] == {ACCELERATOR: 1}


def test_cuda_gives_each_worker_an_accelerator_and_no_limit_of_its_memory(asked):
    _, told = asked(CUDA)
    assert (told["CUDA_VISIBLE_DEVICES"], told["n_workers"]) == ([1, 3], 2)
    assert (told["device_memory_limit"], told["memory_limit"]) == (0, "8GB")


def test_kubernetes_is_told_in_a_resource_of_its_operator(asked):
    _, told = asked(KUBERNETES)
    assert told["custom_cluster_spec"]["kind"] == "DaskCluster"
    assert told["namespace"] is None


def test_a_pod_runs_one_worker_without_rights_within_its_limits():
    worker = dask_cluster(KUBERNETES, ["--nthreads", "1"], {"OMP_NUM_THREADS": "2"})["spec"]["worker"]
    (container,) = worker["spec"]["containers"]
    assert worker["replicas"] == 3
    assert container["command"][:2] == ["dask", "worker"]
    assert container["command"][-2:] == ["--nthreads", "1"]
    limits = {"cpu": "2", "memory": "7.5Gi", "nvidia.com/gpu": "1"}
    assert container["resources"] == {"requests": limits, "limits": limits}
    assert container["volumeMounts"] == [{"name": "data", "mountPath": "/data", "readOnly": True}]
    assert worker["spec"]["securityContext"]["runAsNonRoot"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]


def test_the_service_finds_the_scheduler_of_its_own_cluster():
    first, second = (dask_cluster(KUBERNETES, [], {}) for _ in range(2))
    name = first["metadata"]["name"]
    assert name != second["metadata"]["name"]
    assert first["spec"]["scheduler"]["service"]["selector"]["dask.org/cluster-name"] == name
    ports = {port["name"] for port in first["spec"]["scheduler"]["service"]["ports"]}
    (container,) = first["spec"]["scheduler"]["spec"]["containers"]
    assert {port["name"] for port in container["ports"]} == ports
    assert "nvidia.com/gpu" not in container["resources"]["limits"]


@pytest.mark.parametrize(
    ("memory", "written"), [("512MB", "512M"), ("1.5TB", "1.5T"), ("8 GiB", "8Gi"), ("900kB", "900k")]
)
def test_memory_is_written_as_kubernetes_does(memory, written):
    settings = KubernetesWorkers(kind="kubernetes", image="a", memory=memory)
    (container,) = dask_cluster(settings, [], {})["spec"]["worker"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == written


@pytest.mark.slow
def test_local_workers_have_one_thread_and_one_accelerator_and_the_threads_of_the_network():
    with open_cluster(LocalWorkers(kind="local", workers=1, cores=2)) as client:
        (worker,) = client.scheduler_info()["workers"].values()
        assert (worker["nthreads"], worker["resources"]) == (1, {ACCELERATOR: 1})
        assert list(client.run(os.getenv, "OMP_NUM_THREADS").values()) == ["2"]
        assert list(client.run(lambda dask_worker: dask_worker.memory_manager.memory_limit).values()) == [None]


@pytest.mark.slow
def test_blocks_are_computed_on_the_cluster_of_a_file(tmp_path):
    path = tmp_path / "local.yaml"
    path.write_text("{kind: local, workers: 1}")
    seen = []
    run_blocks(operator.neg, seen.append, list(range(6)), cluster=path)
    assert sorted(seen) == list(range(-5, 1))
    processes = []
    run_blocks(lambda _: os.getpid(), processes.append, [0], cluster=path)
    assert processes[0] != os.getpid()


@pytest.mark.slow
def test_workers_that_do_not_come_are_one_line(monkeypatch):
    monkeypatch.setattr("geoseg.schedule.clusters._made", lambda _: _without_workers())
    settings = LocalWorkers(kind="local", start_seconds=0.2)
    with pytest.raises(ConfigError, match=r"^no worker of the local cluster came within 0\.2 s") as raised:
        open_cluster(settings).__enter__()
    assert "\n" not in str(raised.value)


def _without_workers():
    from distributed import LocalCluster  # noqa: PLC0415 - half a second that the other tests need not wait

    return LocalCluster(n_workers=0, dashboard_address=None, scheduler_kwargs={"dashboard_address": "127.0.0.1:0"})
