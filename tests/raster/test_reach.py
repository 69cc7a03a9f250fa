"""A file from a stranger reaches what lies beside it and nothing else."""

from __future__ import annotations

import os
import zipfile

import numpy as np
import pytest
import rasterio

from geoseg.errors import SceneError
from geoseg.raster.opening import open_dataset
from geoseg.raster.reach import Reach, resolved
from geoseg.raster.scene import Access, open_scene

IMAGE = np.random.default_rng(6).integers(1, 256, (1, 40, 50), dtype=np.uint8)
SECRET = "secret.tif"  # noqa: S105 - a name


def vrt(source, relative=1, inside="", band="", kind="SimpleSource"):
    """A VRT of one band that points at one source."""
    return (
        f'<VRTDataset rasterXSize="50" rasterYSize="40">{inside}<VRTRasterBand dataType="Byte" band="1"{band}>'
        f'<{kind}><SourceFilename relativeToVRT="{relative}">{source}</SourceFilename><SourceBand>1</SourceBand>'
        f"</{kind}></VRTRasterBand></VRTDataset>"
    )


@pytest.fixture
def place(tmp_path, write_scene):
    """A folder from a stranger with own.tif in it, and secret.tif beside the folder."""
    (tmp_path / "in").mkdir()
    write_scene(IMAGE, "in/own.tif", tiled=False)
    write_scene(IMAGE, SECRET, tiled=False)
    return tmp_path / "in"


def write(place, text, name="a.vrt"):
    (place / name).write_text(text)
    return place / name


def read_all(path, **options):
    with open_scene(path, **options) as scene:
        return scene.read(scene.georef.window).image


def test_a_vrt_reaches_what_is_beside_it_and_below(place, write_scene):
    assert np.array_equal(read_all(write(place, vrt("own.tif"))), IMAGE)
    (place / "below").mkdir()
    write_scene(IMAGE, "in/below/b.tif", tiled=False)
    assert np.array_equal(read_all(write(place, vrt("below/b.tif"))), IMAGE)
    assert np.array_equal(read_all(write(place, vrt(place / "own.tif", relative=0))), IMAGE)


def test_vrts_in_vrts_reach_no_further(place):
    write(place, vrt("own.tif"), "inner.vrt")
    assert np.array_equal(read_all(write(place, vrt("inner.vrt"))), IMAGE)
    write(place, vrt("../secret.tif"), "inner.vrt")
    with pytest.raises(SceneError, match=r"inner\.vrt: points at .*secret\.tif"):
        open_scene(place / "a.vrt")


def test_what_the_user_allows_is_reached(place):
    path = write(place, vrt("../secret.tif"))
    for allowed in (place.parent, place.parent / SECRET):
        assert np.array_equal(read_all(path, access=Access(allow=(str(allowed),))), IMAGE)


def absolute(place):
    return vrt(place.parent / SECRET, relative=0)


def by_link(place):
    (place / "link.tif").symlink_to(place.parent / SECRET)
    return vrt("link.tif")


def by_folder_link(place):
    (place / "folder").symlink_to(place.parent)
    return vrt(f"folder/{SECRET}")


def inline(place):
    inner = vrt(place.parent / SECRET, relative=0).replace("<", "&lt;").replace(">", "&gt;")
    return vrt(inner, relative=0)


OUTSIDE = {
    "above": lambda _: vrt("../secret.tif"),
    "above through below": lambda _: vrt("below/../../secret.tif"),
    "absolute": absolute,
    "by a link": by_link,
    "by a link to a folder": by_folder_link,
    "a VRT as text": inline,
    "upper case": lambda _: vrt("../secret.tif").replace("SourceFilename", "SOURCEFILENAME"),
    "of overviews": lambda _: vrt(
        "own.tif", band='><Overview><SourceFilename relativeToVRT="1">../secret.tif</SourceFilename></Overview'
    ),
    "in a zip": lambda place: vrt(f"/vsizip/{place.parent}/other.zip/a.tif", relative=0),
    "of memory": lambda _: vrt("/vsimem/a.tif", relative=0),
    "as bytes of a file": lambda place: vrt(f"/vsisubfile/0,{place.parent}/secret.tif", relative=0),
    "by a driver": lambda place: vrt(f"GTIFF_DIR:1:{place.parent}/secret.tif", relative=0),
    "by a subdataset": lambda place: vrt(f'NETCDF:"{place.parent}/secret.nc":band', relative=0),
    "a database": lambda _: vrt("PG:host=127.0.0.1", relative=0),
    "a host": lambda _: vrt("/vsicurl/http://127.0.0.1:1/a.tif", relative=0),
    "a host by options": lambda _: vrt("/vsicurl?url=http://127.0.0.1:1/a.tif", relative=0),
    "a streamed host": lambda _: vrt("/vsicurl_streaming/http://127.0.0.1:1/a.tif", relative=0),
    "a host in a zip": lambda _: vrt("/vsizip//vsicurl/http://127.0.0.1:1/a.zip/a.tif", relative=0),
    "an address": lambda _: vrt("http://127.0.0.1:1/a.tif", relative=0),
    "a bucket": lambda _: vrt("/vsis3/bucket/a.tif", relative=0),
}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_what_a_vrt_points_at_elsewhere_is_refused_in_one_line(place, kind):
    path = write(place, OUTSIDE[kind](place))
    with pytest.raises(SceneError, match=r"points at .* --allow") as caught:
        open_scene(path)
    assert "\n" not in str(caught.value)


RAW = (
    '<VRTDataset rasterXSize="50" rasterYSize="40"><VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">'
    '<SourceFilename relativeToVRT="1">own.tif</SourceFilename></VRTRasterBand></VRTDataset>'
)
PYTHON = "<PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage>"
STRANGE = {
    "bare numbers of any file": RAW,
    "Python": vrt("own.tif", band=f' subClass="VRTDerivedRasterBand">{PYTHON}<Description').replace(
        "<Description>", "<Description></Description>"
    ),
    "open options": vrt("own.tif").replace(
        "<SourceBand>", '<OpenOptions><OOI key="A">b</OOI></OpenOptions><SourceBand>'
    ),
    "an algorithm": '<VRTDataset subClass="VRTProcessedDataset"><Input/></VRTDataset>',
    "a digital elevation model": vrt("own.tif", inside="<GDALWarpOptions><DEMPath>x</DEMPath></GDALWarpOptions>"),
    "a CRS by its address": vrt("own.tif", inside="<SRS>http://127.0.0.1:1/crs</SRS>"),
    "entities": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + vrt("own.tif"),
    "no XML": vrt("own.tif")[:-5],
}


@pytest.mark.parametrize("kind", STRANGE)
def test_what_a_vrt_does_beyond_pointing_at_pixels_is_refused_in_one_line(place, kind):
    with pytest.raises(SceneError, match=r"a\.vrt: (a VRT|is no VRT)") as caught:
        open_scene(write(place, STRANGE[kind]))
    assert "\n" not in str(caught.value)


def test_metadata_that_names_files_is_left_out(place):
    domain = '<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/vsicurl/http://127.0.0.1:1/a</MDI></Metadata>'
    assert np.array_equal(read_all(write(place, vrt("own.tif", inside=domain))), IMAGE)


def test_a_vrt_inside_itself_ends(place):
    with pytest.raises(SceneError, match="more than 4 deep"):
        open_scene(write(place, vrt("a.vrt")))


def test_vrts_that_multiply_end(place):
    sources = '<SimpleSource><SourceFilename relativeToVRT="1">{}.vrt</SourceFilename></SimpleSource>'
    many = vrt("{}").replace("<SimpleSource>", "").split("<SourceFilename")[0] + "{}</VRTRasterBand></VRTDataset>"
    write(place, vrt("own.tif"), "d.vrt")
    for name, next_one in (("c", "d"), ("b", "c"), ("a", "b")):
        write(place, many.format(sources.format(next_one) * 300), f"{name}.vrt")
    with pytest.raises(SceneError, match="a VRT of over"):
        open_scene(place / "a.vrt")


WMS = '<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:1/${z}</ServerUrl></Service></GDAL_WMS>'
FORMATS = {
    "web map": WMS,
    "index of tiles": "<GDALTileIndexDataset><IndexDataset>../secret.gpkg</IndexDataset></GDALTileIndexDataset>",
    "bare numbers": "ENVI\nsamples = 50\nlines = 40\n",
    "assets": '{"type": "FeatureCollection", "stac_version": "1.0.0", "features": []}',
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("through", ["itself", "a VRT", "a list", "a folder"])
def test_formats_that_only_point_at_pixels_are_no_scenes(place, kind, through):
    (place / "own.tif").unlink()
    path = write(place, FORMATS[kind], "own.tif")
    if through == "a VRT":
        path = write(place, vrt("own.tif"))
    if through == "a list":
        path = write(place, "own.tif\n", "list.txt")
    if through == "a folder":
        path = place
    with pytest.raises(SceneError, match="cannot be read as a raster") as caught:
        open_scene(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", [".msk", ".ovr"])
def test_a_mask_or_overviews_beside_a_scene_are_tiffs(place, ending):
    write(place, vrt(place.parent / SECRET, relative=0), f"own.tif{ending}")
    with pytest.raises(SceneError, match=rf"own\.tif{ending}: stands beside the scene .* and is no TIFF"):
        open_scene(place / "own.tif")
    with pytest.raises(SceneError, match="is no TIFF"):
        open_scene(write(place, vrt("own.tif")))


def test_overviews_that_a_header_names_are_not_asked_for(place, range_server):
    with rasterio.open(place / "own.tif", "r+") as dataset:
        dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=f"/vsicurl/{range_server.url}/a.tif")
    read_all(place / "own.tif")
    assert range_server.requests == []


def test_links_in_a_folder_do_not_lead_out_of_it(place):
    (place / "own.tif").unlink()
    (place / "link.tif").symlink_to(place.parent / SECRET)
    for name in (place, f"{place}/*.tif"):
        with pytest.raises(SceneError, match=r"points at .*secret\.tif, .* pass --allow"):
            open_scene(name)
    assert np.array_equal(read_all(place, access=Access(allow=(str(place.parent),))), IMAGE)
    assert np.array_equal(read_all(place / "link.tif"), IMAGE)


def test_a_zip_holds_its_own(place):
    with zipfile.ZipFile(place / "a.zip", "w") as archive:
        archive.write(place / "own.tif", "x/own.tif")
        archive.writestr("x/a.vrt", vrt("own.tif"))
        archive.writestr("x/b.vrt", vrt(place / "own.tif", relative=0))
        archive.writestr("x/c.vrt", vrt("../../../secret.tif"))
    assert np.array_equal(read_all(f"/vsizip/{place}/a.zip/x/a.vrt"), IMAGE)
    for name in ("b", "c"):
        with pytest.raises(SceneError, match="points at"):
            open_scene(f"/vsizip/{place}/a.zip/x/{name}.vrt")


def test_a_remote_vrt_reaches_its_own_host_alone(place, range_server, write_scene):
    write_scene(IMAGE, "web/own.tif", tiled=False)
    for name, source in {"a": "own.tif", "b": place / "own.tif", "c": "http://127.0.0.1:1/a.tif"}.items():
        (range_server.folder / f"{name}.vrt").write_text(vrt(source, relative=int(name == "a")))
    assert np.array_equal(read_all(f"{range_server.url}/a.vrt"), IMAGE)
    for name, shown in (("b", r"own\.tif"), ("c", r"127\.0\.0\.1:1")):
        with pytest.raises(SceneError, match=rf"points at .*{shown}.* pass --allow"):
            open_scene(f"{range_server.url}/{name}.vrt")
    write(place, vrt(f"{range_server.url}/own.tif", relative=0))
    host = range_server.url.removeprefix("http://")
    with pytest.raises(SceneError, match=rf"points at {host}, .* pass --allow {host}"):
        open_scene(place / "a.vrt")
    assert np.array_equal(read_all(place / "a.vrt", access=Access(allow=(host,))), IMAGE)


@pytest.mark.parametrize(
    "address",
    [
        "https://good.org@evil.org/a.tif",
        "https://evil.org\\@good.org/a.tif",
        "https://good.org.evil.org/a.tif",
        "https://good.org:8080/a.tif",
        "s3://good.org/a.tif",
        "s3://good/%2e%2e/other/a.tif",
        "s3://good/../other/a.tif",
        "/vsicurl/https://good.org/\r\nHost: evil/a.tif",
    ],
)
def test_hosts_that_only_look_alike_are_not_admitted(address):
    assert not Reach.of(["good.org", "s3://good"]).admits(address)


def test_hosts_are_admitted_by_name_and_port():
    reach = Reach.of(["Good.org", "http://plain.org:8080/x", "s3://bucket/key"])
    for address in ("https://good.org/a.tif", "https://good.org:443/a", "/vsicurl/http://good.org/a", "s3://bucket/b"):
        assert reach.admits(address)
    assert reach.admits("http://plain.org:8080/y")
    assert not reach.admits("http://plain.org/y")


def test_what_is_nothing_cannot_be_allowed():
    with pytest.raises(SceneError, match=r"--allow \./none: is no file, folder or host"):
        Reach.of(["./none"])


@pytest.mark.parametrize(
    ("reference", "base", "expected"),
    [
        ("b.tif", "/data/a.vrt", "/data/b.tif"),
        ("../b.tif", "https://host/x/y/a.json", "https://host/x/b.tif"),
        ("b.tif", "/vsis3/bucket/x/a.json", "s3://bucket/x/b.tif"),
        ("../b.tif", "/vsizip/a.zip/x/a.vrt", "/vsizip/a.zip/b.tif"),
        ("s3://bucket/b.tif", "/data/a.json", "s3://bucket/b.tif"),
        ("/b.tif", "https://host/x/a.json", "https://host/b.tif"),
    ],
)
def test_references_are_resolved_from_their_file(reference, base, expected):
    assert resolved(reference, base=base) == expected


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.tif")
    with pytest.raises(SceneError):
        open_dataset(str(tmp_path / "a.tif"))
