"""Which scenes an archive has, and where their maps go."""

import json
from pathlib import Path

import pytest

from geoseg.errors import ConfigError
from pipelines.archive import catalogues
from pipelines.archive.jobs import find_archive, flat, plan_archive
from pipelines.archive.scenes import find_files
from tests.pipelines.archive_files import item_of, places, write


def test_scenes_come_from_files_patterns_and_folders_each_once_as_they_lie_there(archive):
    everything = {str(archive / name): name[:-4] for name in ("a.tif", "b.TIF", "deep/a.tif", "deep/bad.jp2")}
    assert places([archive]) == everything
    assert places([archive, archive / "a.tif", archive / "*.tif"]) == everything
    assert places([archive / "**/*.tif"]) == {str(archive / "a.tif"): "a", str(archive / "deep/a.tif"): "deep/a"}
    assert places([archive / "deep/a.tif"]) == {str(archive / "deep/a.tif"): "a"}
    assert places(["absent.tif"]) == {"absent.tif": "absent"}
    assert [each.scene for each in find_files([str(archive)])] == list(everything)


def test_maps_are_no_scenes(archive):
    for name in ("deep/m.stac.json", "deep/m.classes.tif", "deep/m.confidence.tif", "maps/a/a.tif"):
        write(archive / name, "{}")
    assert list(places([archive], archive / "maps")) == [
        str(archive / name) for name in ("a.tif", "b.TIF", "deep/a.tif", "deep/bad.jp2")
    ]


def test_items_of_a_folder_are_scenes_in_place_of_their_rasters(archive):
    write(archive / "deep" / "one.json", item_of("one", "a.tif"))
    assert list(places([archive / "deep"])) == [str(archive / "deep" / "one.json")]


@pytest.mark.parametrize("source", ["nothing", "*.jp3"])
def test_a_folder_or_pattern_without_scenes_is_an_error(tmp_path, source):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ConfigError, match="holds no scene"):
        find_archive([str(tmp_path / source)], Path("out"))


def test_a_link_that_leads_out_of_a_folder_is_refused(archive, tmp_path):
    (tmp_path / "secret.tif").write_text("secret")
    (archive / "deep" / "z.tif").symlink_to(tmp_path / "secret.tif")
    refusals = {Path(each.scene).name: each.refusal for each in find_archive([str(archive)], Path("out"))}
    assert [name for name, refusal in refusals.items() if refusal] == ["z.tif"]
    allowed = find_archive([str(archive)], Path("out"), allow=[str(tmp_path)])
    assert not any(each.refusal for each in allowed)


def test_every_scene_has_a_folder_of_its_own_that_does_not_depend_on_the_others_order(archive):
    scenes = flat([str(archive / name) for name in ("a.tif", "b.TIF", "deep/a.tif", "deep/A.jp2")])
    folders = {job.scene: job.folder for job in plan_archive(scenes, Path("out"))}
    assert len({str(folder).casefold() for folder in folders.values()}) == len(scenes)
    assert folders[str(archive / "b.TIF")] == Path("out/b")
    assert {job.scene: job.folder for job in plan_archive(scenes[::-1], Path("out"))} == folders


@pytest.fixture
def catalogue(tmp_path):
    """A catalogue with a collection of two items and an item of its own."""
    root = tmp_path / "stac"
    child = {"rel": "child", "href": "./coll/collection.json"}
    links = [child, {"rel": "item", "href": "top.json"}, {"rel": "self", "href": "https://example.org/x.json"}, 7]
    write(root / "catalog.json", {"type": "Catalog", "id": "all", "links": links})
    items = [{"rel": "item", "href": f"items/{name}.json"} for name in "mn"]
    back = {"rel": "parent", "href": "../catalog.json"}
    write(root / "coll/collection.json", {"type": "Collection", "id": "sea/land", "links": [*items, back]})
    for name in "mn":
        write(root / f"coll/items/{name}.json", item_of(f"item {name}", f"{name}.tif"))
    write(root / "top.json", item_of("../../top", "top.tif"))
    return root


def test_a_catalogue_gives_its_items_by_collection_and_id(catalogue):
    found = find_archive([str(catalogue / "catalog.json")], Path("out"))
    assert {"/".join(each.place) for each in found} == {"sea_land/item_m", "sea_land/item_n", "_.._top"}
    assert {each.allow for each in found} == {(str(catalogue),)}
    assert not any(each.refusal for each in found)
    assert len(find_archive([str(catalogue / "coll/collection.json")], Path("out"))) == 2
    assert places([catalogue / "coll/items/m.json"]) == {str(catalogue / "coll/items/m.json"): "item_m"}


@pytest.mark.parametrize("href", ["../outside.json", "https://example.org/item.json", "/etc/passwd", "absent.json"])
def test_a_link_that_leads_elsewhere_or_nowhere_is_one_failed_scene(catalogue, href):
    write(catalogue.parent / "outside.json", item_of("out", "x.tif"))
    values = json.loads((catalogue / "catalog.json").read_text())
    write(catalogue / "catalog.json", {**values, "links": [*values["links"], {"rel": "item", "href": href}]})
    found = find_archive([str(catalogue / "catalog.json")], Path("out"))
    assert len(found) == 4
    assert len([each for each in found if each.refusal]) == 1


def test_catalogues_that_name_themselves_or_never_end_are_bounded(tmp_path, monkeypatch):
    loop = {"type": "Catalog", "id": "x", "links": [{"rel": "child", "href": "a.json"}]}
    with pytest.raises(ConfigError, match="leads to no STAC item"):
        find_archive([str(write(tmp_path / "a.json", loop))], Path("out"))
    for level in range(catalogues.DEEPEST + 2):
        write(tmp_path / f"{level}.json", {**loop, "links": [{"rel": "child", "href": f"{level + 1}.json"}]})
    with pytest.raises(ConfigError, match="levels below"):
        find_archive([str(tmp_path / "0.json")], Path("out"))
    monkeypatch.setattr(catalogues, "MOST_DOCUMENTS", 5)
    many = {**loop, "links": [{"rel": "item", "href": f"i{number}.json"} for number in range(9)]}
    with pytest.raises(ConfigError, match="over 5 documents"):
        find_archive([str(write(tmp_path / "many.json", many))], Path("out"))


def test_items_inside_an_item_collection_get_files_of_their_own(tmp_path):
    features = [item_of("p", "data/p.tif"), item_of("p", "data/q.tif"), "rubbish", item_of("r", "https://h.org/r.tif")]
    source = write(tmp_path / "in" / "items.json", {"type": "FeatureCollection", "features": features})
    everything = find_archive([str(source)], tmp_path / "out")
    assert [each.refusal for each in everything if each.refusal] == [f"{source}: feature 2 is no item"]
    found = [each for each in everything if not each.refusal]
    held = [json.loads(Path(each.scene).read_text()) for each in found]
    hrefs = {each["assets"]["classes"]["href"] for each in held}
    assert hrefs == {str(tmp_path / "in/data/p.tif"), str(tmp_path / "in/data/q.tif"), "https://h.org/r.tif"}
    assert all(Path(each.scene).is_relative_to(tmp_path / "out") for each in found)
    times = [Path(each.scene).stat().st_mtime_ns for each in found]
    again = find_archive([str(source)], tmp_path / "out")
    assert again == everything
    assert [Path(each.scene).stat().st_mtime_ns for each in found] == times
