"""Scenes in a bucket, on a server for S3 on loopback."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from geoseg.errors import SceneError
from geoseg.raster.scene import Access, open_scene

moto_server = pytest.importorskip("moto.server", reason="moto is not installed: pip install geoseg[dev]")
boto3 = pytest.importorskip("boto3")

IMAGE = np.random.default_rng(2).integers(1, 9000, (2, 300, 260), dtype=np.uint16)


@pytest.fixture(scope="module")
def endpoint():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch):
    host, port = endpoint
    for name, value in {
        "AWS_S3_ENDPOINT": f"{host}:{port}",
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    for name in ("scenes", "others"):
        client.create_bucket(Bucket=name)
    return client


def read_all(path, **options):
    with open_scene(path, **options) as scene:
        return scene.read(scene.georef.window)


def test_a_scene_in_a_bucket_is_read_like_a_local_one(bucket, write_scene):
    path = write_scene(IMAGE, "a.tif", nodata=0)
    bucket.upload_file(str(path), "scenes", "in/a.tif")
    there, here = read_all("s3://scenes/in/a.tif"), read_all(path)
    assert np.array_equal(there.image, here.image)
    assert np.array_equal(there.valid, here.valid)


@pytest.mark.usefixtures("bucket")
def test_a_missing_key_is_one_line():
    with pytest.raises(SceneError, match="there is no such file"):
        open_scene("s3://scenes/none.tif")


def test_an_item_in_a_bucket_reaches_its_own_bucket_alone(bucket, write_scene):
    for place, name in enumerate(("blue", "red")):
        path = write_scene(IMAGE[place : place + 1], f"{name}.tif")
        bucket.upload_file(str(path), "others" if name == "red" else "scenes", f"{name}.tif")
    hrefs = {"blue": "./blue.tif", "red": "s3://others/red.tif"}
    item = {"type": "Feature", "stac_version": "1.0.0", "properties": {"datetime": "2024-05-01T10:00:00Z"}}
    item["assets"] = {
        name: {"href": href, "type": "image/tiff", "eo:bands": [{"common_name": name}]} for name, href in hrefs.items()
    }
    bucket.put_object(Bucket="scenes", Key="item.json", Body=json.dumps(item).encode())
    assert np.array_equal(read_all("s3://scenes/item.json", bands=["blue"]).image[0], IMAGE[0])
    with pytest.raises(SceneError, match=r"points at s3://others, .* pass --allow s3://others"):
        open_scene("s3://scenes/item.json", bands=["red", "blue"])
    allowed = Access(allow=("s3://others",))
    patch = read_all("s3://scenes/item.json", bands=["red", "blue"], access=allowed)
    assert np.array_equal(patch.image, IMAGE[[1, 0]])
