"""The harness that sets geoseg beside other libraries: what its figures mean. Runs without those libraries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from benchmarks.peers.arms.single_module import load_module, stand_in
from benchmarks.peers.decoded import decoded_ratio, noted_reads, storage_blocks
from benchmarks.peers.figures import Timing, failure, fastest, markdown, ratio
from benchmarks.peers.job import PEERS, Arm, Job, missing
from benchmarks.peers.maps import agreements
from benchmarks.peers.networks import ONE_CONVOLUTION, find_package
from benchmarks.peers.predictor import Predictor, in_batches
from benchmarks.peers.process import measured
from benchmarks.peers.scenes import mirrored, write_scene
from benchmarks.peers.seams import Joints, joints_of, joints_of_grid, seam_ratio, share_different
from benchmarks.peers.sizes import beyond_imports, slope
from benchmarks.peers.speed import Contest, rows
from benchmarks.peers.workers import Worker, jobs_of
from geoseg.models import package as packages
from geoseg.models.zoo import find_model, load_model
from geoseg.tiling.grid import TileGrid

SIDE, TILE, OVERLAP = 300, 128, 32
MAPS = npst.arrays(np.uint8, st.tuples(st.integers(6, 20), st.integers(6, 20)), elements=st.integers(0, 2))


@pytest.fixture
def job(tmp_path, monkeypatch) -> Job:
    """One convolution on small tiles, to be mapped by geoseg in this process."""
    monkeypatch.setattr(packages, "build_network", packages.build_network)  # taught here, forgotten afterwards
    package = find_package(ONE_CONVOLUTION, tmp_path, tile=TILE, overlap=OVERLAP)
    return Job(
        arm=Arm(by="geoseg"), package=str(package), small=str(ground(tmp_path, "small.tif", 150)),
        folder=str(tmp_path / "maps"), tile=TILE, overlap=OVERLAP,
    )  # fmt: skip


def ground(folder: Path, name: str = "scene.tif", side: int = SIDE) -> Path:
    pixels = np.random.default_rng(1).integers(0, 255, (3, 7, 9), dtype=np.uint8)
    return write_scene(folder / name, side, pixels.repeat(16, axis=1).repeat(16, axis=2))


def of_arm(job: Job, by: str, **arm: str) -> Job:
    return replace(job, arm=Arm(by=by, **arm))


def slow_seam_ratio(labels, rows, cols, rim):
    across, elsewhere = [], []
    height, width = labels.shape
    for row in range(rim, height - rim):
        for col in range(rim, width - rim):
            if col + 1 < width - rim:
                (across if col + 1 in cols else elsewhere).append(labels[row, col] != labels[row, col + 1])
            if row + 1 < height - rim:
                (across if row + 1 in rows else elsewhere).append(labels[row, col] != labels[row + 1, col])
    if not across or not any(elsewhere):
        return float("nan")
    return np.mean(across) / np.mean(elsewhere)


@given(labels=MAPS, rows=st.sets(st.integers(1, 19)), cols=st.sets(st.integers(1, 19)), rim=st.integers(0, 2))
def test_the_seam_ratio_is_what_counting_pair_by_pair_gives(labels, rows, cols, rim):
    joints = Joints(rows=tuple(sorted(rows)), cols=tuple(sorted(cols)))
    expected = slow_seam_ratio(labels, rows, cols, rim)
    assert seam_ratio(labels, joints, rim=rim) == pytest.approx(expected, nan_ok=True)


def test_a_map_that_changes_at_joints_alone_and_one_that_does_not_know_them_are_told_apart():
    rng = np.random.default_rng(3)
    blind = rng.integers(0, 4, (400, 400), dtype=np.uint8)
    joints = Joints(rows=(100, 200, 300), cols=(100, 200, 300))
    assert seam_ratio(blind, joints) == pytest.approx(1, abs=0.05)
    tiled = np.kron(rng.permutation(16).reshape(4, 4), np.ones((100, 100))).astype(np.uint8)
    tiled[0, :2] = 98, 99  # something changes elsewhere
    assert seam_ratio(tiled, joints) > 1000


def starts_of(by: str, side: int, tile: int, stride: int) -> list[tuple[int, int]]:
    """Where tiles begin and end in the libraries' own words."""
    if by == "geoai":  # predict_geotiff pulls the last tiles back and drops doubles
        ends = [min(start + tile, side) for start in range(0, side, stride)]
        return [(max(0, end - tile), end) for end in ends]
    if by == "terratorch":  # get_input_chips on an image padded by 8 px
        wide = side + 16
        starts = [*range(0, wide - tile - 1, stride), wide - tile]
        return [(start, start + tile - 16) for start in starts]
    if by == "toolbelt":  # ImageSlicer centres its grid
        count = max(1, -(-(side - (tile - stride)) // stride))
        left = (stride * count - (side - (tile - stride))) // 2
        return [(stride * place - left, stride * place - left + tile) for place in range(count)]
    count = -(-(side - tile) // stride) + 1  # Raster Vision pads the end until windows cover the extent
    return [(stride * place, stride * place + tile) for place in range(count)]


@pytest.mark.parametrize("by", ["geoai", "terratorch", "toolbelt", "rastervision"])
@given(side=st.integers(600, 3000), step=st.integers(1, 8))
def test_joints_are_where_the_libraries_lay_their_tiles(by, side, step):
    job = Job(arm=Arm(by=by), package="", small="", folder="", tile=512, overlap=step * 32)
    expected = {end for span in starts_of(by, side, job.tile, job.stride) for end in span if 0 < end < side}
    assert set(joints_of(job, side).cols) == expected


@given(side=st.integers(600, 3000))
def test_what_torchgeo_keeps_of_tiles_meets_once_in_each_overlap_counted_from_below(side):
    job = Job(arm=Arm(by="torchgeo"), package="", small="", folder="")
    joints = joints_of(job, side)
    assert len(joints.cols) == -(-(side - job.tile) // job.stride)
    assert {side - row for row in joints.rows} == set(joints.cols)


def test_joints_of_a_lattice_are_the_ends_of_its_tiles():
    grid = TileGrid(height=SIDE, width=SIDE, tile=TILE, overlap=OVERLAP)
    assert joints_of_grid(grid).cols == (96, 128, 192, 224)


def test_disagreement_leaves_the_rim_out():
    labels, reference = np.zeros((10, 10), dtype=np.uint8), np.zeros((10, 10), dtype=np.uint8)
    labels[0], labels[5, 5] = 1, 1
    assert share_different(labels, reference, rim=2) == pytest.approx(1 / 36)


def test_times_are_medians_and_an_arm_that_failed_has_none():
    answers = [{"seconds": seconds} for seconds in (3.0, 1.0, 2.0, 9.0, 2.5)]
    assert Timing.of(answers) == Timing(seconds=2.5, spread=8.0 / 2.5, runs=5)
    assert Timing.of([*answers, {"failed": "killed"}]) is None
    assert failure([*answers, {"failed": "killed"}]) == "killed"
    timed = {"a": Timing.of(answers), "b": None, "c": Timing.of(answers[:1])}
    assert fastest(timed, ["a", "b", "c", "d"]) == 2.5
    assert fastest(timed, ["b"]) is None


def test_a_table_has_one_row_an_arm_and_dashes_where_nothing_is_known():
    assert markdown(["arm", "s"], [["geoseg", 1.5], ["monai", None]]).splitlines() == [
        "| arm | s |", "|--|--|", "| geoseg | 1.5 |", "| monai | - |",
    ]  # fmt: skip
    assert (ratio(3, 2), ratio(None, 2), ratio(1, None)) == ("1.50", None, None)


def test_the_table_of_time_compares_with_the_fastest_peer_of_the_same_engine_and_arithmetic(job):
    arms = [Arm(by="forward", way="tiles"), Arm(by="geoseg"), Arm(by="monai"), Arm(by="geoai")]
    jobs = {arm.label: of_arm(job, arm.by, way=arm.way) for arm in arms}
    times = dict(zip(jobs, (1.0, 2.0, 3.0, 6.0), strict=True))
    answers = {label: [{"seconds": seconds}] for label, seconds in times.items()}
    asked = Contest(table="", title="", arms=arms, template=job, scene=Path(), side=1000, repeats=1)
    made = {row[0]: row[1:] for row in rows(jobs, answers, asked)}
    assert made["geoseg torch fp32"][:6] == ["2.00", "0%", "0.50", "2.00", "2.00", "1.50"]
    assert made["geoai torch fp32"][5] == "0.50"


def test_growth_of_memory_is_in_bytes_a_pixel_without_imports():
    assert beyond_imports({"peak_mb": 700.0, "imports_mb": 500.0}) == 200
    assert beyond_imports({"failed": "killed"}) is None
    assert slope({1024: 100.0, 2048: 400.0}, (1024, 2048)) == "100.00"
    assert slope({1024: 100.0, 2048: None}, (1024, 2048)) is None


@given(side=st.integers(1, 200), length=st.integers(1, 30))
def test_ground_is_mirrored_without_end(side, length):
    there_and_back = [*range(length), *reversed(range(length))]
    assert mirrored(side, length).tolist() == [there_and_back[at % (2 * length)] for at in range(side)]


def test_scenes_are_stored_as_promised(tmp_path):
    path = ground(tmp_path, side=700)
    with rasterio.open(path) as dataset:
        assert (dataset.count, dataset.dtypes[0], dataset.compression.name) == (3, "uint8", "deflate")
        assert dataset.block_shapes[0] == (512, 512)
        pixels = dataset.read()
    assert pixels.shape == (3, 700, 700)
    assert (pixels[:, :112, :144] == pixels[:, 223:111:-1, :144]).all()


def test_reads_in_a_log_of_strace_are_found_also_where_threads_interrupt_one_another():
    log = """
7  openat(AT_FDCWD</w>, "/w/a.tif", O_RDONLY) = 5</w/a.tif>
7  read(5</w/a.tif>, ""..., 10) = 10
8  pread64(5</w/a.tif>,  <unfinished ...>
9  pread64(5</w/a.tif>, ""..., 50, 300) = 50
8  <... pread64 resumed>""..., 100, 200) = 100
7  lseek(5</w/a.tif>, 40, SEEK_SET) = 40
7  read(5</w/a.tif>, ""..., 10) = 10
7  read(5</w/a.tif>, ""..., 10) = 4
7  +++ exited with 0 +++
""".splitlines()
    assert noted_reads(log) == [(0, 10), (300, 50), (200, 100), (40, 10), (50, 4)]


def test_what_is_decoded_counts_each_block_by_how_often_it_was_read(tmp_path):
    blocks = storage_blocks(ground(tmp_path, side=1024))
    assert sum(pixels for _, _, pixels in blocks) == 1024**2
    once = [(offset, size) for offset, size, _ in blocks]
    assert decoded_ratio(blocks, once) == 1
    assert decoded_ratio(blocks, [*once, once[2]]) == 1.25
    assert decoded_ratio(blocks, [(0, sum(once[-1]))]) == 1


def test_a_job_survives_the_command_line(job):
    assert Job.from_json(job.to_json()) == job


@pytest.mark.parametrize("by", PEERS)
def test_a_library_that_is_not_there_is_left_out_with_a_line_that_says_so(by, job, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("benchmarks.peers.job.MODULES", tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # noqa: ARG005 - as called
    assert jobs_of([Arm(by="geoseg"), Arm(by=by)], job).keys() == {"geoseg torch fp32"}
    assert f"{by} is left out" in capsys.readouterr().out
    assert missing("geoseg") is None


def test_one_module_is_run_without_the_library_around_it(monkeypatch, tmp_path):
    (tmp_path / "odd_library").mkdir()
    (tmp_path / "odd_library" / "__init__.py").write_text("raise ImportError")
    (tmp_path / "odd_library" / "part.py").write_text("from odd_library.rest import number\nfound = number + 1")
    monkeypatch.setattr("benchmarks.peers.arms.single_module.MODULES", tmp_path)
    stand_in("odd_library.rest", number=4)
    assert load_module("odd_library.part").found == 5


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "killed"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "killed"),
        (ValueError("of another kind"), None),
        (OSError("no space"), "OSError: no space"),
    ],
)
def test_an_arm_without_memory_is_killed_and_another_failure_is_named(error, told, tmp_path):
    def begin(scene, out):  # noqa: ARG001 - as called
        raise error

    if told is None:
        with pytest.raises(ValueError, match="of another kind"):
            measured(begin, tmp_path, tmp_path)
    else:
        assert measured(begin, tmp_path, tmp_path) == {"failed": told}


@given(items=st.lists(st.integers()), size=st.integers(1, 5))
def test_batches_hold_everything_once_in_order(items, size):
    made = list(in_batches(items, size))
    assert [item for batch in made for item in batch] == items
    assert all(len(batch) == size for batch in made[:-1])


def test_peers_are_given_the_probabilities_of_the_package(job):
    package = load_model("landcover-rgb")
    predictor = Predictor(replace(job, package=str(find_model("landcover-rgb"))))
    pixels = np.random.default_rng(2).integers(1, 255, (1, 3, 64, 64), dtype=np.uint8)
    scaled = pixels.astype(np.float32) * np.float32(package.normalizer.scale_for("uint8"))
    inputs = package.normalizer.apply(scaled, np.ones((64, 64), dtype=bool))
    with torch.inference_mode():
        logits = package.network(torch.from_numpy(inputs)).double().numpy()
    filled = package.calibration.filled(len(package.classes))
    calibrated = logits * np.reshape(filled.scale, (1, -1, 1, 1)) + np.reshape(filled.bias, (1, -1, 1, 1))
    powers = np.exp(calibrated / filled.temperature)
    expected = powers / powers.sum(axis=1, keepdims=True)
    found = predictor(torch.from_numpy(pixels).float() / 255).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_geoseg_maps_as_one_pass_over_the_scene_does_and_forward_computes_every_tile(job, tmp_path):
    scene = ground(tmp_path)
    answers = {}
    for by in ("geoseg", "whole"):
        out = tmp_path / f"{by}.tif"
        answers[by] = [measured(of_arm(job, by).prepare(), scene, out)]
    assert agreements(answers, "whole", rim=OVERLAP)["geoseg"] > 0.999
    for way in ("tiles", "batch"):
        found = measured(of_arm(job, "forward", way=way).prepare(), scene, tmp_path / "none.tif")
        assert found["seconds"] > 0
        assert found["labels"] is None


def test_an_arm_in_a_process_of_its_own_tells_time_and_memory_and_how_it_ended(job, tmp_path):
    scene = ground(tmp_path)
    with Worker(job) as worker:
        found = worker.ready() | worker.map(scene)
        broken = [worker.map(tmp_path / "missing.tif") for _ in range(2)]
    assert 0 < found["imports_mb"] < found["peak_mb"]
    with rasterio.open(found["labels"]) as dataset:
        assert dataset.shape == (SIDE, SIDE)
    assert "missing.tif" in broken[0]["failed"]
    assert broken[1] == broken[0]
