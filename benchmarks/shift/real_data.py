"""The domains of real imagery, cut from $GEOSEG_DATA. The seed moves the ground between the parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from affine import Affine

from benchmarks.shift.rasters import UNKNOWN, Picture, read_picture, write_pair, write_scene
from pipelines.mosaic_chips import LabelledChip, MosaicPlan, find_chips, group_chips, split_chips, write_mosaic
from pipelines.split_by_place import PlacePlan, split_by_place

OHIO_DISTANCE = 300.0
"""Metres between chips of different parts."""

_OHIO_CHIPS = 14  # of a target, to adapt to and to score, each
_OHIO_VAL = 14
_COLOURS = ("red", "green", "blue")
_VIRGINIA = ("red", "green", "blue", "nir")
_MIXED, _WOODED = (0, 3, 7), (1, 2, 4, 5, 6)
_VIRGINIA_CRS, _VIRGINIA_CORNER = "EPSG:26917", (500_000.0, 4_200_000.0)
_MULTISPECTRAL = ("blue", "green", "red", "nir")
_ZION_STRIPS = 4
_ZION_TARGET = ((0, 2), (1, 3), (0, 3))
"""Strips to adapt to, by seed; the others are scored."""
_DUBAI = (("1", (3, 6, 7), (5, 8, 9)), ("7", (1, 3, 5), (2, 4, 7)), ("8", (1, 3, 7), (2, 5, 8)))
"""Tile, pictures to adapt to and pictures to score, by seed."""
_DUBAI_SIDE = 640


def data_folder() -> Path:
    """Where the real data lies."""
    return Path(os.environ.get("GEOSEG_DATA", "../shared/data"))


@dataclass(frozen=True, slots=True)
class TargetFolders:
    """Where the two halves of a target go."""

    scenes: Path
    """For everybody."""

    hidden: Path
    """For the scorer and the oracle."""

    def adapt(self, number: int, picture: Picture, names: Sequence[str], *, oracle: bool = True) -> None:
        """Write a scene to adapt to; with its labels for the oracle, unless that learns elsewhere."""
        write_scene(picture, self.scenes / f"adapt_{number}_scene.tif", names=names)
        if oracle:
            self.oracle(number, picture, names)

    def oracle(self, number: int, picture: Picture, names: Sequence[str]) -> None:
        """Write a scene that the oracle learns from."""
        stem = f"oracle_{number}"
        write_pair(picture, self.hidden / f"{stem}_scene.tif", self.hidden / f"{stem}_labels.tif", names=names)

    def score(self, number: int, picture: Picture, names: Sequence[str]) -> None:
        """Write a scene to score."""
        stem = f"score_{number}"
        write_pair(picture, self.scenes / f"{stem}_scene.tif", self.hidden / f"{stem}_labels.tif", names=names)


def _write_part(folder: Path, part: str, number: int, picture: Picture, names: Sequence[str]) -> None:
    stem = f"{part}_{number}"
    write_pair(picture, folder / f"{stem}_scene.tif", folder / f"{stem}_labels.tif", names=names)


# Ohio


def ohio_parts(seed: int) -> dict[str, tuple[LabelledChip, ...]]:
    """Chips by part: train, val, adapt, score; groups that lie near each other stay together."""
    chips = find_chips(data_folder() / "landcover_rgb" / "ohio", image="*_rgbn.tif", labels="*_mask.tif")
    plan = replace(_ohio_plan((1, 2, 3), seed), held_out=0.3, validation=0.12)
    splits = split_chips(chips, plan)
    halves = split_chips(splits["test"], replace(plan, held_out=0.45, validation=0.45))
    return {
        "train": splits["train"],
        "val": _some(splits["val"], _OHIO_VAL, seed),
        "adapt": _some(halves["test"], _OHIO_CHIPS, seed),
        "score": _some(halves["val"], _OHIO_CHIPS, seed),
    }


def _some(chips: Sequence[LabelledChip], count: int, seed: int) -> tuple[LabelledChip, ...]:
    chosen = np.random.default_rng(seed).permutation(len(chips))[:count]
    return tuple(chips[index] for index in sorted(chosen.tolist()))


def _ohio_plan(bands: tuple[int, ...], seed: int, names: Sequence[str] = ()) -> MosaicPlan:
    return MosaicPlan(bands=bands, names=tuple(names), distance=OHIO_DISTANCE, seed=seed)


def _mosaics(chips: Sequence[LabelledChip], folder: Path, part: str, plan: MosaicPlan) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, touching in enumerate(group_chips(chips, 0.5)):
        stem = folder / f"{part}_{number:02}"
        write_mosaic(touching, stem, plan, learn_borders=part not in ("train", "oracle"))
        Path(f"{stem}_image.tif").rename(f"{stem}_scene.tif")


def write_ohio(seed: int, folder: Path) -> None:
    """Ohio in red, green and blue."""
    parts = ohio_parts(seed)
    for part in ("train", "val"):
        _mosaics(parts[part], folder, part, _ohio_plan((1, 2, 3), seed, _COLOURS))


def write_ohio_nir(seed: int, folders: TargetFolders) -> None:
    """Other chips of Ohio as a sensor of near infrared, red and green gives them; the files name no band."""
    parts, plan = ohio_parts(seed), _ohio_plan((4, 1, 2), seed)
    folders.scenes.mkdir(parents=True, exist_ok=True)
    for part in ("adapt", "score"):
        _mosaics(parts[part], folders.hidden, part.replace("adapt", "oracle"), plan)
        for written in sorted(folders.hidden.glob(f"{part.replace('adapt', 'oracle')}_*_scene.tif")):
            given = folders.scenes / written.name.replace("oracle", "adapt")
            given.write_bytes(written.read_bytes())
            if part == "score":
                written.unlink()


# West Virginia


def _virginia(patch: int, season: str) -> Picture:
    folder = data_folder() / "landcover_naip"
    picture = read_picture(folder / f"patch{patch}_naip_{season}.tif", folder / f"patch{patch}_lc.tif")
    corner = Affine(1.0, 0.0, _VIRGINIA_CORNER[0] + 1000 * patch, 0.0, -1.0, _VIRGINIA_CORNER[1])
    return replace(picture, crs=_VIRGINIA_CRS, transform=corner, nodata=None)


def _virginia_patches(seed: int) -> tuple[list[int], list[int]]:
    """Patches of both classes and patches of trees alone, in the order of a seed."""
    return np.roll(_MIXED, seed).tolist(), np.roll(_WOODED, 2 * seed).tolist()


def write_virginia(season: str) -> Callable[[int, Path], None]:
    """Patches of one season, half of one to choose the weights by."""

    def write(seed: int, folder: Path) -> None:
        mixed, wooded = _virginia_patches(seed)
        for patch in (mixed[0], *wooded[:2]):
            _write_part(folder, "train", patch, _virginia(patch, season), _VIRGINIA)
        cut = _virginia(mixed[1], season)
        rows, cols = cut.labels.shape
        _write_part(folder, "train", mixed[1], cut.cut(0, rows // 2, 0, cols), _VIRGINIA)
        _write_part(folder, "val", mixed[1], cut.cut(rows // 2, rows, 0, cols), _VIRGINIA)

    return write


def write_other_season(season: str) -> Callable[[int, TargetFolders], None]:
    """Other patches in the other season, adapted to and scored; the oracle learns the source's patches in it."""

    def write(seed: int, folders: TargetFolders) -> None:
        mixed, wooded = _virginia_patches(seed)
        for patch in (*mixed[2:], *wooded[2:4]):
            folders.adapt(patch, _virginia(patch, season), _VIRGINIA, oracle=False)
            folders.score(patch, _virginia(patch, season), _VIRGINIA)
        for patch in (*mixed[:2], *wooded[:2]):
            folders.oracle(patch, _virginia(patch, season), _VIRGINIA)

    return write


def write_virginia_rgb(seed: int, folders: TargetFolders) -> None:
    """Autumn patches in red, green and blue."""
    mixed, wooded = _virginia_patches(seed)
    for patch in (*mixed[:2], *wooded[:2]):
        folders.adapt(patch, _virginia(patch, "new").with_bands((0, 1, 2)), _COLOURS)
    for patch in (*mixed[2:], *wooded[2:4]):
        folders.score(patch, _virginia(patch, "new").with_bands((0, 1, 2)), _COLOURS)


# Dubai


def write_dubai(seed: int, folders: TargetFolders) -> None:
    """Middles of pictures of one tile; the files state neither place nor pixel size."""
    tile, adapt, score = _DUBAI[seed % len(_DUBAI)]
    for part, numbers in ((folders.adapt, adapt), (folders.score, score)):
        for number in numbers:
            stem = data_folder() / "landcover_rgb" / "dubai" / f"tile{tile}_{number:03}"
            picture = read_picture(Path(f"{stem}_rgb.jpg"), Path(f"{stem}_mask.png"))
            top, left = (max(0, (side - _DUBAI_SIDE) // 2) for side in picture.labels.shape)
            cut = picture.cut(top, top + _DUBAI_SIDE, left, left + _DUBAI_SIDE)
            part(number, replace(cut, transform=Affine.identity()), _COLOURS)


# Landsat and HLS


def write_hls(seed: int, folder: Path) -> None:
    """HLS chips in four bands, split by place."""
    chips = find_chips(data_folder() / "landcover_ms" / "hls_worldcover", image="*_ms.tif", labels="*_mask.tif")
    plan = PlacePlan(bands=(2, 3, 4, 5), names=_MULTISPECTRAL, ignore=(8, 255), seed=seed)
    split_by_place(chips, folder, plan)
    for written in folder.glob("test_*"):
        written.unlink()
    for written in sorted(folder.glob("*_image.tif")):
        written.rename(written.with_name(written.name.replace("_image", "_scene")))


def _zion() -> Picture:
    """Zion as reflectance x 10000 like HLS, as a user has to give it: 16-bit numbers state no scale."""
    folder = data_folder() / "landcover_landsat"
    picture = read_picture(folder / "zion_landsat8_bgrn.tif", folder / "zion_landcover.tif")
    there = (picture.pixels != picture.nodata).all(axis=0)
    reflectance = np.rint((picture.pixels * 2.75e-5 - 0.2) * 1e4)
    pixels = np.where(there, reflectance, -9999).astype(np.int16)
    return replace(picture, pixels=pixels, labels=np.where(there, picture.labels, np.uint8(UNKNOWN)), nodata=-9999)


def _strip(picture: Picture, number: int, *, east: bool) -> Picture:
    height, width = picture.labels.shape
    rows, middle = height // _ZION_STRIPS, width // 2
    left, right = (middle, width) if east else (0, middle)
    return picture.cut(number * rows, (number + 1) * rows, left, right)


def write_zion_east(seed: int, folder: Path) -> None:
    """Strips of the east."""
    picture = _zion()
    for number in range(_ZION_STRIPS):
        part = "val" if number == 1 + seed % 3 else "train"
        _write_part(folder, part, number, _strip(picture, number, east=True), _MULTISPECTRAL)


def write_zion_west(seed: int, folders: TargetFolders) -> None:
    """Strips of the west."""
    picture, adapt = _zion(), _ZION_TARGET[seed % len(_ZION_TARGET)]
    for number in range(_ZION_STRIPS):
        part = folders.adapt if number in adapt else folders.score
        part(number, _strip(picture, number, east=False), _MULTISPECTRAL)


# Buildings


def _buildings(name: str, factor: int) -> Picture:
    folder = data_folder() / "buildings"
    return replace(read_picture(folder / f"{name}_rgb.tif", folder / f"{name}_mask.tif"), nodata=None).thinned(factor)


def _thirds(picture: Picture) -> list[Picture]:
    rows = picture.labels.shape[0] // 3
    return [picture.cut(part * rows, (part + 1) * rows, 0, picture.labels.shape[1]) for part in range(3)]


def write_thirds(name: str, factor: int) -> Callable[[int, Path], None]:
    """One picture in three strips, one of them to choose the weights by."""

    def write(seed: int, folder: Path) -> None:
        for number, part in enumerate(_thirds(_buildings(name, factor))):
            _write_part(folder, "val" if number == seed % 3 else "train", number, part, _COLOURS)

    return write


def write_nairobi_source(seed: int, folder: Path) -> None:
    """Both parts of Nairobi, a strip of the larger one to choose the weights by."""
    _write_part(folder, "train", 3, _buildings("nairobi_0", 2), _COLOURS)
    write_thirds("nairobi_1", 2)(seed, folder)


def write_nairobi(seed: int, folders: TargetFolders) -> None:
    """One part of Nairobi to adapt to, the other to score."""
    names = ("nairobi_0", "nairobi_1") if seed % 2 else ("nairobi_1", "nairobi_0")
    folders.adapt(0, _buildings(names[0], 2), _COLOURS)
    folders.score(0, _buildings(names[1], 2), _COLOURS)


def write_zanzibar(seed: int, folders: TargetFolders) -> None:
    """Zanzibar in three pieces, one of them to score; the seed says which."""
    north, south = _buildings("zanzibar_0", 2), _buildings("zanzibar_1", 2)
    height, width = north.labels.shape
    halves = [north.cut(0, height, 0, width // 2), south, north.cut(0, height, width // 2, width)]
    score, *adapt = np.roll(range(3), 1 + seed).tolist()
    for number in adapt:
        folders.adapt(number, halves[number], _COLOURS)
    folders.score(score, halves[score], _COLOURS)


SOURCE_WRITERS: dict[str, Callable[[int, Path], None]] = {
    "ohio": write_ohio,
    "naip_leafy": write_virginia("old"),
    "naip_autumn": write_virginia("new"),
    "hls": write_hls,
    "zion_east": write_zion_east,
    "nairobi": write_nairobi_source,
    "banepa": write_thirds("banepa", 2),
    "massachusetts": write_thirds("massachusetts", 1),
}
"""By source; each writes train_* and val_* into a folder."""

TARGET_WRITERS: dict[str, Callable[[int, TargetFolders], None]] = {
    "ohio_to_nir": write_ohio_nir,
    "ohio_to_wv": write_virginia_rgb,
    "leafy_to_autumn": write_other_season("new"),
    "autumn_to_leafy": write_other_season("old"),
    "ohio_to_dubai": write_dubai,
    "hls_to_zion": write_zion_west,
    "zion_east_to_west": write_zion_west,
    "nairobi_to_zanzibar": write_zanzibar,
    "banepa_to_nairobi": write_nairobi,
    "massachusetts_to_zanzibar": write_zanzibar,
}
"""By case."""
