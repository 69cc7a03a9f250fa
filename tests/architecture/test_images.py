"""What can be known of the container images without building them; make test-docker builds one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
CONTINUED = re.compile(r"\\\n")
REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
TARGETS = ("cpu", "cuda")
BASE_TAG = r"python:3\.\d+\.\d+-slim-[a-z]+"


def instructions(text):
    """(keyword, rest) of each instruction, comments left out and continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in CONTINUED.sub(" ", "\n".join(lines)).splitlines():
        if line.strip():
            keyword, _, rest = line.partition(" ")
            yield keyword, rest.strip()


def stages():
    """Instructions by stage, and the stage each begins from."""
    parts, froms, name = {}, {}, None
    for keyword, rest in instructions((DOCKER / "Dockerfile").read_text()):
        if keyword == "FROM":
            froms[rest.split()[2]], name = rest.split()[0], rest.split()[2]
            parts[name] = []
        elif name:
            parts[name].append((keyword, rest))
    return parts, froms


PARTS, FROMS = stages()


def lineage(stage):
    """Instructions of a stage and of what it begins from, oldest first."""
    before = lineage(FROMS[stage]) if FROMS[stage] in PARTS else []
    return before + PARTS[stage]


def pins(path):
    """Package and version in a file of requirements and those it names; None where there is no version."""
    found = {}
    for line in path.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith(("-r ", "-c ")):
            further = pins(path.parent / text[3:])
            found |= {name: version for name, version in further.items() if version or name not in found}
        elif text:
            name, _, version = text.partition("==")
            key = name.lower().replace("_", "-")
            found[key] = version or found.get(key)
    return found


def named(requirement):
    return REQUIREMENT.match(requirement).group().lower().replace("_", "-")


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_geoseg_as_a_user_without_rights(target):
    told = dict(lineage(target))
    assert told["ENTRYPOINT"] == '["geoseg"]'
    user, _, group = told["USER"].partition(":")
    assert int(user) >= 1000
    assert int(group) >= 1000


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_takes_what_was_built_and_builds_nothing(target):
    assert FROMS[target] == "system"
    assert not [rest for keyword, rest in PARTS[target] if keyword == "RUN"]
    assert f"--from=build-{target} /opt/geoseg /opt/geoseg" in [rest for key, rest in PARTS[target] if key == "COPY"]
    assert not [rest for _, rest in lineage(target) if re.search(r"\bgcc\b|build-essential|-dev\b", rest)]


def test_a_build_that_names_no_target_makes_the_image_for_cpus():
    assert FROMS[list(PARTS)[-1]] == "cpu"
    assert PARTS[list(PARTS)[-1]] == []


def test_the_base_is_one_version_of_python():
    text = (DOCKER / "Dockerfile").read_text()
    assert FROMS["system"] == "${BASE}"
    assert re.search(rf"^ARG BASE={BASE_TAG}$", text, re.MULTILINE)
    assert {name for name in FROMS.values() if name not in PARTS} == {"${BASE}"}


@pytest.mark.parametrize("stage", PARTS)
def test_every_copied_file_exists_and_is_sent_to_the_build(stage):
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for keyword, rest in PARTS[stage]:
        assert keyword != "ADD"
        if keyword != "COPY":
            continue
        *sources, _ = rest.split()
        if sources[0].startswith("--from="):
            assert sources[0].removeprefix("--from=") in PARTS
            continue
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source.split("/")[0] in sent, f"{source} is not in .dockerignore"


@pytest.mark.parametrize("target", TARGETS)
def test_caches_lie_where_any_user_may_write_and_come_with_what_the_build_compiled(target):
    environment = dict(re.findall(r"(\w+)=(\S+)", " ".join(rest for key, rest in lineage(target) if key == "ENV")))
    for name in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR", "XDG_CACHE_HOME"):
        assert environment[name].startswith("/var/cache/geoseg")
    assert ("COPY", f"--from=build-{target} /var/cache/geoseg /var/cache/geoseg") in PARTS[target]
    assert environment["NUMBA_CPU_NAME"]
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.parametrize("target", TARGETS)
def test_every_package_of_an_image_has_one_version(target):
    found = pins(DOCKER / f"requirements-{target}.txt")
    assert [name for name, version in found.items() if not version] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {"cpu": ["openvino"], "cuda": ["cuda"]}[target]
    wanted = [*project["dependencies"], *(each for extra in extras for each in project["optional-dependencies"][extra])]
    assert [requirement for requirement in wanted if named(requirement) not in found] == []
    root = pins(ROOT / "constraints.txt")
    assert {name: found[name] for name in root} == root


def test_the_image_for_accelerators_holds_nothing_for_cpus_alone():
    assert "openvino" not in pins(DOCKER / "requirements-cuda.txt")


def test_no_file_names_a_registry_or_a_folder_of_a_machine():
    for path in (*DOCKER.iterdir(), ROOT / ".dockerignore"):
        text = path.read_text()
        hosts = re.findall(r"https?://([\w.-]+)", text)
        assert [host for host in hosts if not host.endswith(".example")] == [], path.name
        assert not re.search(r"(?<![\w.])/(?:work|root|home/\w+)/|pypi\.org|docker\.io|ghcr\.io", text), path.name


@pytest.mark.parametrize("name", ["compose.yaml", "compose.cuda.yaml"])
def test_compose_builds_targets_that_are_there(name):
    told = yaml.safe_load((DOCKER / name).read_text())
    assert set(told["services"]) == {"scheduler", "worker", "predict"}
    for service in told["services"].values():
        assert service["build"]["target"] in TARGETS
        assert service["image"].endswith(f"geoseg:{service['build']['target']}}}")
        if "dockerfile" in service["build"]:
            context = DOCKER / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).samefile(DOCKER / "Dockerfile")
            assert re.search(BASE_TAG, service["build"]["args"]["BASE"]).group() in (DOCKER / "Dockerfile").read_text()


def test_compose_has_a_scheduler_that_only_its_own_services_reach():
    told = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    assert told["networks"] == {"dask": {"internal": True}}
    for service in told["services"].values():
        assert "ports" not in service
        assert service["networks"] == ["dask"]
        assert service["cap_drop"] == ["ALL"]
    address = "tcp://scheduler:8786"
    assert address in told["services"]["worker"]["command"]
    assert told["services"]["predict"]["entrypoint"] == ["geoseg", "predict", "--scheduler", address]
    for secret in told["services"]["worker"]["build"]["secrets"]:
        assert re.search(r":-([\w./-]+)\}", told["secrets"][secret]["file"])


@pytest.mark.parametrize("name", ["compose.yaml", "compose.cuda.yaml"])
def test_a_worker_computes_one_block_at_a_time_and_has_one_accelerator(name):
    worker = yaml.safe_load((DOCKER / name).read_text())["services"]["worker"]
    assert {"--nthreads=1", "--resources=accelerator=1", "--memory-limit=0"} <= set(worker["command"])
    assert "OMP_NUM_THREADS" in worker["environment"]


def test_a_dockerfile_is_read_as_it_is_written():
    text = "# a\nFROM x AS y\nRUN a \\\n# between\n && b\n"
    assert [(key, rest.split()) for key, rest in instructions(text)] == [
        ("FROM", ["x", "AS", "y"]),
        ("RUN", ["a", "&&", "b"]),
    ]
