from collections import Counter

import geopandas
import numpy as np
import pytest
import shapely
import torch
from affine import Affine
from rasterio.features import rasterize

from geoseg.config.settings import settings_from
from geoseg.config.train import TrainSettings
from geoseg.training.ground import Ground
from geoseg.training.regions import close_regions, open_regions
from geoseg.training.train import train_model

SIDE = 96
TRANSFORM = Affine(1, 0, 5e5, 0, -1, 5e6)
UTM, DEGREES, MERCATOR = "EPSG:32633", "EPSG:4326", "EPSG:3857"
VALUES = {"dark": 1, "bright": 2, "not dark": 3, "cloud": 4}
MEANING = {"dark": "dark", "bright": "bright", "not dark": ["bright", "third"], "cloud": None}
CLASSES = ("dark", "bright", "third")


@pytest.fixture
def root(write_scene):
    rng = np.random.default_rng(0)
    brightness = np.kron(rng.integers(20, 200, (8, 8), dtype=np.uint8), np.ones((12, 12), np.uint8))
    return write_scene(np.stack([brightness, 255 - brightness]), transform=TRANSFORM).parent


def on_ground(geometries):
    """Geometries of pixel coordinates (x, y) in map coordinates."""
    return [shapely.transform(each, lambda xy: xy * (1, -1) + (5e5, 5e6)) for each in geometries]


def some_polygons():
    """Overlapping circles and boxes that keep to no pixel, so that every value stays somewhere."""
    rng = np.random.default_rng(1)
    circles = shapely.buffer(shapely.points(rng.uniform(0, SIDE, (40, 2))), rng.uniform(4, 14, 40))
    boxes = [shapely.box(*corner, *(corner + 9.3)) for corner in rng.uniform(-5, SIDE, (20, 2))]
    return on_ground([*circles, *boxes]), [list(VALUES)[number % len(VALUES)] for number in range(60)]


def layer_of(geometries, path, crs=UTM, **columns):
    geopandas.GeoDataFrame(columns, geometry=geometries, crs=UTM).to_crs(crs).to_file(path)
    return path


def burnt(geometries, values, crs=UTM):
    """What rasterio burns of a layer that was taken to another CRS and back."""
    there = geopandas.GeoSeries(geometries, crs=UTM).to_crs(crs).to_crs(UTM)
    shapes = zip(there, values, strict=True)
    return rasterize(shapes, (SIDE, SIDE), fill=255, transform=TRANSFORM, dtype="uint8")


def settings(root, *sources, **changes):
    scene = {"scene": "scene.tif", "split": "blocks"}
    values = {
        "root": root,
        "name": "tiny",
        "sources": [scene | source for source in sources],
        "blocks": {"side": 24, "buffer": 2, "val": 0.2, "test": 0.2},
        "classes": [{"id": at, "name": name, "colour": f"#00000{at}"} for at, name in enumerate(CLASSES)],
        "bands": [1, 2],
        "gsd": 1.0,
        "network": {"encoder": "tu-test_resnet", "options": {"decoder_channels": [8, 8, 8, 8, 8]}},
        "tile": 64,
        "overlap": 32,
        "chip": 32,
        "batch_size": 2,
        "iterations": 4,
        "validate_every": 2,
        "precision": "fp32",
        "device": "cpu",
    }
    return settings_from(TrainSettings, values | changes, origin="test")


def whole(source):
    """The same source without a split, to look at all of its labels."""
    return source | {"split": "val"}, source | {"split": "train"}


def labels_of(chosen):
    """Label codes of the whole scene."""
    regions = open_regions(chosen, cache_mb=8)
    (region,) = regions["train"]
    labels = region.scene.read(region.window).labels
    close_regions(regions)
    return labels


def counts_of(chosen):
    """Pixels to learn from by label."""
    ground = Ground(chosen, scored=True)
    counts = dict(zip(ground.sets.names, ground.code_counts.tolist(), strict=True))
    ground.close()
    return counts


def weights_of(folder):
    return torch.load(folder / "last" / "state.pt", weights_only=True)["network"]


@pytest.fixture
def drawn_and_read(root, write_scene):
    """Make polygons in a CRS and the raster that rasterio burns from them, as two sources."""

    def make(crs):
        geometries, values = some_polygons()
        layer_of(geometries, root / "labels.gpkg", crs, kind=values)
        pixels = burnt(geometries, [VALUES[value] for value in values], crs)
        write_scene(pixels[None], "labels.tif", transform=TRANSFORM, nodata=255)
        label_map = {VALUES[name]: classes for name, classes in MEANING.items()}
        return (
            {"labels": "labels.gpkg", "attribute": "kind", "label_map": MEANING},
            {"labels": "labels.tif", "label_map": label_map},
        )

    return make


@pytest.mark.parametrize("crs", [UTM, DEGREES, MERCATOR])
def test_polygons_in_any_crs_are_the_labels_of_the_raster_burnt_from_them_byte_for_byte(root, drawn_and_read, crs):
    drawn, read = (labels_of(settings(root, *whole(source))) for source in drawn_and_read(crs))
    assert set(np.unique(read)) == {0, 1, 3, 255}
    assert drawn.tobytes() == read.tobytes()


def test_polygons_train_the_weights_of_the_raster_burnt_from_them_bit_for_bit(root, drawn_and_read):
    for name, source in zip(("drawn", "read"), drawn_and_read(DEGREES), strict=True):
        train_model(settings(root, source), root / name)
    drawn, read = weights_of(root / "drawn"), weights_of(root / "read")
    assert drawn.keys() == read.keys()
    assert all(torch.equal(drawn[key], read[key]) for key in drawn)


def test_points_scribbles_and_a_few_polygons_are_learnt_and_nothing_beside_them(root):
    points = shapely.points([(10.5, 4.2), (11.5, 4.2), (70.1, 80.9), (20.0, 90.0)])
    scribble = shapely.LineString([(10.2, 20.5), (19.7, 20.5)])
    polygons = [shapely.box(40.2, 40.2, 50.2, 60.2), shapely.Point(80, 20).buffer(7.3)]
    kinds = ["dark"] * 4 + ["bright"] + ["third", "bright"]
    layer_of(on_ground([*points, scribble, *polygons]), root / "sparse.gpkg", DEGREES, kind=kinds)
    disc = int((burnt(on_ground(polygons), [0, 1]) == 1).sum())
    expected = {"dark": 4, "bright": 10 + disc, "third": 10 * 20}
    source = {"labels": "sparse.gpkg", "attribute": "kind", "label_map": {name: name for name in CLASSES}}
    chosen = settings(root, *whole(source))
    assert counts_of(chosen) == expected
    result = train_model(chosen, root / "run")
    assert result.validation.pixels == sum(expected.values())


def test_footprints_alone_leave_the_classes_outside_open_and_complete_labels_settle_them(root, write_scene):
    rng = np.random.default_rng(2)
    complete = np.kron(rng.integers(0, 3, (16, 16), dtype=np.uint8), np.ones((6, 6), np.uint8))
    write_scene(complete[None], "labels.tif", transform=TRANSFORM)
    houses = on_ground([shapely.box(x, y, x + 7.4, y + 5.1) for x, y in rng.uniform(0, 88, (12, 2))])
    layer_of(houses, root / "footprints.gpkg", DEGREES)
    inside = int((burnt(houses, [1] * len(houses)) == 1).sum())
    footprints = {
        "name": "footprints",
        "labels": "footprints.gpkg",
        "attribute": "*",
        "label_map": {"*": "third"},
        "outside": ["dark", "bright"],
    }
    full = {"name": "full", "labels": "labels.tif", "label_map": dict(enumerate(CLASSES))}
    chosen = settings(root, *whole(full), *whole(footprints))
    pixels = Counter(CLASSES[value] for value in complete.ravel())
    expected = {**pixels, "third": pixels["third"] + inside, "dark|bright": SIDE**2 - inside}
    assert counts_of(chosen) == expected
    result = train_model(chosen, root / "run")
    scores = {source.name: source.names for source in result.validation.sources}
    assert set(scores["footprints"]) == {"third", "dark|bright"}
    assert "dark|bright" not in scores["full"]
