"""Scenes and labels of a training config reach what it allows and no more; quality bands teach nothing."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from geoseg.errors import SceneError
from geoseg.training.regions import close_regions, open_regions

SIDE = 96


def vrt_of(name, bands):
    parts = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource><SourceFilename relativeToVRT="1">../apart/{name}'
        f"</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
        for band in range(1, bands + 1)
    )
    transform = "<GeoTransform>500000, 1, 0, 5000000, 0, -1</GeoTransform>"
    return f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}"><SRS>EPSG:32633</SRS>{transform}{parts}</VRTDataset>'


@pytest.fixture
def apart(project):
    """The scene and the labels of a project, moved to where a VRT in its folder does not reach by itself."""
    folder = project.root / "apart"
    folder.mkdir()
    for name, bands in (("a_scene.tif", 2), ("a_labels.tif", 1)):
        (project.root / name).rename(folder / name)
        for each in ("in", "out"):
            (project.root / each).mkdir(exist_ok=True)
        (project.root / "in" / name.replace(".tif", ".vrt")).write_text(vrt_of(name, bands))
    return project


def source(scene, labels, **changes):
    return {
        "scene": scene,
        "labels": labels,
        "label_map": {1: "dark", 2: "bright"},
        "bands": [1, 2],
        "split": "blocks",
    } | changes


@pytest.mark.parametrize("which", ["scene", "labels"])
def test_what_lies_elsewhere_is_refused_until_it_is_allowed(apart, which):
    small = {"variables": {"PLACE": "apart"}, "blocks": {"side": 20, "buffer": 0}}
    places = {"scene": "apart/a_scene.tif", "labels": "apart/a_labels.tif", which: f"in/a_{which}.vrt"}
    with pytest.raises(SceneError, match=r"points at .*apart/a_\w+\.tif, .* pass --allow"):
        open_regions(apart.settings(sources=[source(**places)]), cache_mb=1)
    for allowed in ("apart", "${PLACE}", f"apart/a_{which}.tif"):
        settings = apart.settings(sources=[source(**places)], allow=[allowed], **small)
        regions = open_regions(settings, cache_mb=1)
        close_regions(regions)
        assert regions["train"]


def test_a_host_stays_as_it_is_named(project):
    assert project.settings(allow=["example.org", "s3://bucket"]).allowed == ("example.org", "s3://bucket")


def test_pixels_that_a_quality_band_marks_are_unknown_and_not_valid(project, write_scene):
    quality = np.zeros((1, SIDE, SIDE), np.uint8)
    quality[:, :, 50:] = 3
    path = write_scene(quality, "scl.tif", transform=Affine(1, 0, 5e5, 0, -1, 5e6))
    given = source("a_scene.tif", "a_labels.tif", mask=f"{path}=3", split="train")
    other = source("b_scene.tif", "b_labels.tif", split="val")
    regions = open_regions(project.settings(sources=[given, other]), cache_mb=1)
    [region], [whole] = regions["train"], regions["val"]
    chip, unmarked = (each.scene.read(each.scene.georef.window) for each in (region, whole))
    close_regions(regions)
    assert (chip.labels[:, 50:] == 255).all()
    assert not chip.valid[:, 50:].any()
    assert (chip.labels[:, :50] != 255).all()
    assert chip.valid[:, :50].all()
    assert unmarked.valid.all()
