"""A cluster's file says what kind it is and nothing that this kind does not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.config.cluster import CudaWorkers, KubernetesWorkers, LocalWorkers, SlurmWorkers, SshWorkers, load_cluster
from geoseg.config.predict import PredictSettings
from geoseg.config.settings import settings_from
from geoseg.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs" / "cluster"
KINDS = {
    "local": LocalWorkers,
    "cuda": CudaWorkers,
    "ssh": SshWorkers,
    "slurm": SlurmWorkers,
    "kubernetes": KubernetesWorkers,
}


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        path = tmp_path / "cluster.yaml"
        path.write_text(text)
        return load_cluster(path)

    return load_text


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_valid_file_for_every_kind(kind):
    settings = load_cluster(CONFIGS / f"{kind}.yaml")
    assert type(settings) is KINDS[kind]
    assert settings.kind == kind


def test_no_other_file_lies_beside_them():
    assert sorted(path.stem for path in CONFIGS.iterdir()) == sorted(KINDS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workers: 2", "kind: Input should be local, ssh, slurm, kubernetes, cuda"),
        ("kind: pbs", "got 'pbs'"),
        ("kind: [slurm]", "kind: Input should be local"),
        ("{kind: local, workers: 0}", "workers: Input should be greater than or equal to 1"),
        ("{kind: local, walltime: '1:00'}", "walltime: Extra inputs are not permitted"),
        ("{kind: local, memory: 8}", "memory: Input should be a valid string"),
        ("{kind: local, memory: lots}", "memory: String should match pattern"),
        ("{kind: ssh, hosts: [one]}", "hosts: Tuple should have at least 2 items"),
        ("{kind: ssh, hosts: [one, two], port: 0}", "port: Input should be greater than or equal to 1"),
        ("{kind: slurm, walltime: 12:00:00}", "walltime: Input should be a valid string"),
        ("{kind: slurm, walltime: '2 hours'}", "walltime: String should match pattern"),
        ("{kind: kubernetes}", "image: Field required"),
        ("{kind: kubernetes, image: a, accelerators: 2}", "accelerators: Input should be less than or equal to 1"),
        ("{kind: cuda, devices: []}", "devices: Tuple should have at least 1 item"),
    ],
)
def test_what_cannot_be_is_one_line_with_file_and_key(load, text, message):
    with pytest.raises(ConfigError) as raised:
        load(text)
    assert "cluster.yaml: " in str(raised.value)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("memory", ["8GB", "7.5 GiB", "512MB", "100000 kB"])
def test_memory_is_an_amount_with_its_unit(load, memory):
    assert load(f"{{kind: local, memory: {memory}}}").memory == memory


@pytest.mark.parametrize("other", [{"workers": 2}, {"scheduler": "tcp://a"}])
def test_a_cluster_is_not_given_with_another_place_to_compute(other):
    with pytest.raises(ConfigError, match=f"cluster: Input should not be given with {next(iter(other))}"):
        settings_from(PredictSettings, {"cluster": "slurm.yaml"} | other, origin="options")


def test_a_cluster_alone_is_a_place_to_compute():
    assert not settings_from(PredictSettings, {"cluster": "slurm.yaml", "workers": 1}, origin="options").computes_here
    assert not PredictSettings(workers=2).computes_here
    assert not PredictSettings(scheduler="tcp://a").computes_here
    assert PredictSettings().computes_here
