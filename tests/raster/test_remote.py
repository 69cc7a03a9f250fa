"""Rasters over the network: the same pixels, hardly more bytes than the file, whatever fails; errors in a line."""

from __future__ import annotations

import os
import random
import socket
import threading
import time

import numpy as np
import pytest

from geoseg.errors import SceneError
from geoseg.raster.remote import gdal_name, is_remote, remote_settings, without_secrets
from geoseg.raster.scene import open_scene
from geoseg.window import Window

IMAGE = np.random.default_rng(1).integers(1, 256, (3, 1024, 1024), dtype=np.uint8)
BLOCKS = {"blockxsize": 256, "blockysize": 256}


def rows_of(scene, step=256):
    height, width = scene.georef.window.shape
    parts = [scene.read(Window.between(top, min(top + step, height), 0, width)).image for top in range(0, height, step)]
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_a_scene_comes_as_it_is_with_at_most_a_tenth_more_bytes(range_server, write_scene, interleave):
    path = write_scene(IMAGE, "web/a.tif", interleave=interleave, **BLOCKS)
    with open_scene(f"{range_server.url}/a.tif?token=secret") as scene:
        assert np.array_equal(rows_of(scene), IMAGE)
    assert range_server.sent <= 1.1 * path.stat().st_size


@pytest.mark.parametrize("kind", ["cut", "drop", "error"])
@pytest.mark.parametrize("seed", range(3))
def test_requests_that_fail_change_nothing(range_server, write_scene, kind, seed):
    write_scene(IMAGE, "web/a.tif", **BLOCKS)
    chance = random.Random(seed)  # noqa: S311 - which requests fail is no secret
    range_server.fails = lambda _path: kind if chance.random() < 0.2 else None
    with open_scene(f"{range_server.url}/a.tif") as scene:
        assert np.array_equal(rows_of(scene), IMAGE)


def test_bands_of_several_files_are_fetched_like_local_ones(range_server, write_scene):
    for place, name in enumerate(("B02", "B03", "B04")):
        write_scene(IMAGE[place : place + 1], f"web/{name}.tif", **BLOCKS)
    text = ("B02", "B03", "B04")
    sources = "".join(
        f'<VRTRasterBand dataType="Byte" band="{n}"><Description>{name}</Description><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">{name}.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
        "</VRTRasterBand>"
        for n, name in enumerate(text, start=1)
    )
    transform = "<GeoTransform>500000, 1, 0, 5000000, 0, -1</GeoTransform>"
    vrt = f'<VRTDataset rasterXSize="1024" rasterYSize="1024"><SRS>EPSG:32633</SRS>{transform}{sources}</VRTDataset>'
    (range_server.folder / "all.vrt").write_text(vrt)
    with open_scene(f"{range_server.url}/all.vrt", bands=["red", "blue"]) as scene:
        assert np.array_equal(rows_of(scene), IMAGE[[2, 0]])


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("{url}/none.tif", "there is no such file: check the address"),
        ("http://127.0.0.1:1/a.tif", "the host cannot be reached"),
        ("https://no.host.invalid/a.tif?sig=abc", "the host is not known"),
        ("s3://bucket/a.tif", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_NO_SIGN_REQUEST=YES"),
    ],
)
def test_what_cannot_be_had_is_one_line(range_server, monkeypatch, tmp_path, address, reason):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CPL_AWS_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SceneError, match=reason) as caught:
        open_scene(address.format(url=range_server.url))
    assert "\n" not in str(caught.value)
    assert "sig=abc" not in str(caught.value)


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    for name, value in (("TIMEOUT", "1"), ("LOW_SPEED_TIME", "1"), ("MAX_RETRY", "1"), ("RETRY_DELAY", "0.01")):
        monkeypatch.setenv(f"GDAL_HTTP_{name}", value)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held = []
        thread = threading.Thread(target=lambda: held.extend(listening.accept() for _ in range(2)), daemon=True)
        thread.start()
        started = time.monotonic()
        with pytest.raises(SceneError, match="did not answer in time"):
            open_scene(f"http://127.0.0.1:{listening.getsockname()[1]}/a.tif")
        assert time.monotonic() - started < 15
        for connection, _ in held:
            connection.close()


def test_settings_are_for_remote_rasters_alone_and_the_environment_comes_first(monkeypatch):
    assert remote_settings("/data/a.tif") == {}
    assert remote_settings("s3://bucket/a.tif")["GDAL_DISABLE_READDIR_ON_OPEN"] == "EMPTY_DIR"
    assert remote_settings("https://host/a.tif")["CPL_VSIL_CURL_ALLOWED_EXTENSIONS"] == ".tif"
    assert "CPL_VSIL_CURL_ALLOWED_EXTENSIONS" not in remote_settings("https://host/a.tif?sig=1/2")
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "7")
    assert "GDAL_HTTP_TIMEOUT" not in remote_settings("https://host/a.tif")


@pytest.mark.parametrize(
    ("path", "name", "remote"),
    [
        ("s3://bucket/a.tif", "/vsis3/bucket/a.tif", True),
        ("https://host/a.tif", "/vsicurl/https://host/a.tif", True),
        ("/vsizip//vsicurl/https://host/a.zip/a.tif", "/vsizip//vsicurl/https://host/a.zip/a.tif", True),
        ("/vsizip/a.zip/a.tif", "/vsizip/a.zip/a.tif", False),
        ("a.tif", "a.tif", False),
    ],
)
def test_names_of_gdal(path, name, remote):
    assert (gdal_name(path), is_remote(path)) == (name, remote)


def test_passwords_and_signatures_are_not_shown():
    assert without_secrets("https://me:pass@host/a.tif?X-Amz-Signature=1") == "https://host/a.tif"
