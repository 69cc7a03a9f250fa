"""Mosaics small labelled chips into scenes, and holds out groups of them by distance.

    python -m pipelines.mosaic_chips CHIPS -o OUTPUT --image "*_rgbn.tif" --labels "*_mask.tif" --bands 1,2,3

Chips that touch become one scene, `OUTPUT/<split>_<number>_image.tif` with `..._labels.tif`; ground without a chip is
masked in the image and 255 in the labels. Groups of chips that are nearer to each other than `--distance` stay in one
split: groups drawn at random, or with `--by northing` all south of one gap held out and all north of another for
validation. `OUTPUT/split.json` names the chips of each split.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import click
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from geoseg.errors import GeosegError, LabelError
from geoseg.raster.opening import open_dataset

UNKNOWN = 255
_TRIES = 20_000
_TOUCHING = 0.5  # of a pixel


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledChip:
    """A chip on disk with its labels."""

    name: str
    """What the * of the patterns stands for."""

    image: Path
    """Its raster."""

    labels: Path
    """Its labels, on the same grid."""

    box: tuple[float, float, float, float]
    """Left, bottom, right and top, map units."""

    counts: NDArray[np.int64]
    """(256,) pixels of each label value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicPlan:
    """How chips are joined and split."""

    bands: tuple[int, ...]
    """Bands of the chips to keep, from 1."""

    names: tuple[str, ...] = ()
    """Names to give them; none where empty."""

    distance: float
    """Least distance between chips of different splits, map units."""

    seed: int
    """Of the choice of groups."""

    held_out: float = 0.2
    """Share of the chips that are only scored."""

    validation: float = 0.1
    """Share of the chips that weights are chosen by."""

    northing: bool = False
    """Whether the south is held out and the north validates, rather than groups from everywhere."""

    border: int = 3
    """Pixels along the edges of training chips whose `border_value` is not learnt."""

    border_value: int = 0
    """Label that fills the seams between chips."""


class _Options(TypedDict):
    chips: Path
    output: Path
    image: str
    labels: str
    bands: str
    names: str
    distance: float
    seed: int
    by: str
    held_out: float
    validation: float


def find_chips(folder: Path, *, image: str, labels: str) -> tuple[LabelledChip, ...]:
    """Chips of a folder, by patterns with one * each.

    Raises:
        LabelError: if no image matches.
    """
    before, after = image.split("*")
    paths = sorted(folder.glob(image))
    if not paths:
        raise LabelError(f"{folder}: no file matches {image!r}")
    chips = []
    for path in paths:
        name = path.name[len(before) : len(path.name) - len(after)]
        with open_dataset(str(folder / labels.replace("*", name))) as dataset:
            counts = np.bincount(dataset.read(1).ravel(), minlength=256)
            chips.append(
                LabelledChip(name=name, image=path, labels=Path(dataset.name), box=tuple(dataset.bounds), counts=counts)
            )
    return tuple(chips)


def group_chips(chips: Sequence[LabelledChip], distance: float) -> tuple[tuple[LabelledChip, ...], ...]:
    """Chips linked by gaps of at most `distance` map units, in their order."""
    boxes = np.array([chip.box for chip in chips])
    low, high = boxes[:, :2], boxes[:, 2:]
    gaps = np.maximum(low[:, None] - high[None], low[None] - high[:, None]).clip(min=0)
    count, owner = connected_components(np.hypot(gaps[..., 0], gaps[..., 1]) <= distance)
    return tuple(tuple(chip for chip, of in zip(chips, owner, strict=True) if of == group) for group in range(count))


def choose_groups(counts: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Groups that together hold about `share` of every class.

    Args:
        counts: (groups, classes) pixels, every class in at least one group.
        share: wanted of each class.
        rng: where the subsets to compare come from.

    Returns:
        (groups,) True where chosen: the subset, of many random ones, whose worst class is nearest to the share.
    """
    subsets = rng.random((_TRIES, len(counts))) < share
    misses = np.abs(subsets @ (counts / counts.sum(axis=0)) - share)
    misses = np.column_stack([misses, np.abs(subsets @ (counts.sum(axis=1) / counts.sum()) - share)])
    return np.asarray(subsets[misses.max(axis=1).argmin()])


def split_chips(chips: Sequence[LabelledChip], plan: MosaicPlan) -> dict[str, tuple[LabelledChip, ...]]:
    """Chips by split: test, val and train; chips of two splits are farther apart than the plan's distance."""
    if plan.northing:
        return split_by_northing(chips, plan)
    rng = np.random.default_rng(plan.seed)
    groups = group_chips(chips, plan.distance)
    splits: dict[str, tuple[LabelledChip, ...]] = {}
    total = len(chips)
    for split, share in (("test", plan.held_out), ("val", plan.validation)):
        counts = np.array([np.sum([chip.counts for chip in group], axis=0) for group in groups])
        left = sum(len(group) for group in groups)
        chosen = choose_groups(counts[:, counts.sum(axis=0) > 0], share * total / left, rng)
        splits[split] = tuple(chip for group, taken in zip(groups, chosen, strict=True) if taken for chip in group)
        groups = tuple(group for group, taken in zip(groups, chosen, strict=True) if not taken)
    return splits | {"train": tuple(chip for group in groups for chip in group)}


def split_by_northing(chips: Sequence[LabelledChip], plan: MosaicPlan) -> dict[str, tuple[LabelledChip, ...]]:
    """The chips south of one gap as test, those north of another as val, the rest as train.

    Each cut is the gap of at least the plan's distance that leaves the number of chips nearest to the wanted share.

    Raises:
        LabelError: if no such gap leaves anything to learn from.
    """
    ordered = sorted(chips, key=lambda chip: chip.box[1])
    tops = np.maximum.accumulate([chip.box[3] for chip in ordered])
    bottoms = np.array([chip.box[1] for chip in ordered])
    cuts = np.flatnonzero(bottoms[1:] - tops[:-1] >= plan.distance) + 1
    if len(cuts) < 2:  # noqa: PLR2004 - two cuts make three splits
        raise LabelError(
            f"{len(cuts)} gap(s) of {plan.distance:g} from south to north, two are needed: lower --distance"
        )
    south = int(cuts[np.abs(cuts - plan.held_out * len(chips)).argmin()])
    north = int(cuts[np.abs(cuts - (1 - plan.validation) * len(chips)).argmin()])
    if south >= north:
        raise LabelError(f"the gaps of {plan.distance:g} leave nothing to learn from: lower --distance or the shares")
    return {"test": tuple(ordered[:south]), "val": tuple(ordered[north:]), "train": tuple(ordered[south:north])}


def write_mosaic(chips: Sequence[LabelledChip], stem: Path, plan: MosaicPlan, *, learn_borders: bool) -> None:
    """Write touching chips as one scene, `<stem>_image.tif` and `<stem>_labels.tif`."""
    with open_dataset(str(chips[0].image)) as first:
        transform, crs = first.transform, first.crs
    boxes = np.array([chip.box for chip in chips])
    (left, bottom), (right, top) = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    shape = round((bottom - top) / transform.e), round((right - left) / transform.a)
    image = np.zeros((len(plan.bands), *shape), dtype=np.uint8)
    labels = np.full(shape, UNKNOWN, dtype=np.uint8)
    covered = np.zeros(shape, dtype=np.uint8)
    for chip in chips:
        row, col = round((chip.box[3] - top) / transform.e), round((chip.box[0] - left) / transform.a)
        with open_dataset(str(chip.image)) as pixels, open_dataset(str(chip.labels)) as reference:
            there = slice(row, row + pixels.height), slice(col, col + pixels.width)
            image[:, *there] = pixels.read(plan.bands)
            values = reference.read(1)
        labels[there] = values if learn_borders else _without_seams(values, plan)
        covered[there] = UNKNOWN
    grid = {"crs": crs, "transform": Affine(transform.a, 0, left, 0, transform.e, top)}
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
    plain = {"photometric": "MINISBLACK", "ALPHA": "UNSPECIFIED"}  # a fourth band is imagery, not alpha
    size = {"height": shape[0], "width": shape[1], "dtype": "uint8"}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            f"{stem}_image.tif", "w", driver="GTiff", count=len(image), **size, **grid, **layout, **plain
        ) as target,
    ):
        target.write(image)
        if plan.names:
            target.descriptions = plan.names
        target.write_mask(covered)
    with rasterio.open(
        f"{stem}_labels.tif", "w", driver="GTiff", count=1, nodata=UNKNOWN, **size, **grid, **layout
    ) as target:
        target.write(labels, 1)


def mosaic_chips(chips: Sequence[LabelledChip], output: Path, plan: MosaicPlan) -> dict[str, tuple[LabelledChip, ...]]:
    """Write all splits and `split.json`; gives the chips of each split."""
    output.mkdir(parents=True, exist_ok=True)
    splits = split_chips(chips, plan)
    for split, members in splits.items():
        for number, touching in enumerate(group_chips(members, _TOUCHING)):
            write_mosaic(touching, output / f"{split}_{number:02}", plan, learn_borders=split != "train")
    names = {split: [chip.name for chip in members] for split, members in splits.items()}
    stated = {"holdout": names["test"], "validation": names["val"], "buffer_metres": plan.distance}
    (output / "split.json").write_text(json.dumps(stated, indent=1) + "\n", encoding="utf-8")
    return splits


@click.command(help="Mosaic labelled chips of a folder into scenes, and hold some out by distance.")
@click.argument("chips", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="For the scenes.")
@click.option("--image", required=True, help="Pattern of the images, with one *.")
@click.option("--labels", required=True, help="Pattern of the labels, with one *.")
@click.option("--bands", default="1,2,3", show_default=True, help="Bands to keep, from 1.")
@click.option("--names", default="", help="Names of the kept bands, such as red,green,blue.")
@click.option("--distance", default=300.0, show_default=True, help="Between chips of two splits, map units.")
@click.option("--by", type=click.Choice(["groups", "northing"]), default="groups", show_default=True, help="Split by.")
@click.option("--held-out", default=0.2, show_default=True, help="Share of the chips that are only scored.")
@click.option("--validation", default=0.1, show_default=True, help="Share of the chips that weights are chosen by.")
@click.option("--seed", default=0, show_default=True, help="Of the choice of groups.")
def main(**given: Unpack[_Options]) -> None:
    """Write the scenes of all splits; files of the same names are replaced."""
    try:
        plan = MosaicPlan(
            bands=tuple(int(band) for band in given["bands"].split(",")),
            names=tuple(given["names"].split(",")) if given["names"] else (),
            distance=given["distance"],
            seed=given["seed"],
            held_out=given["held_out"],
            validation=given["validation"],
            northing=given["by"] == "northing",
        )
        chips = find_chips(given["chips"], image=given["image"], labels=given["labels"])
        for split, members in mosaic_chips(chips, given["output"], plan).items():
            click.echo(f"{split}: {len(members)} chips")
    except (GeosegError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _without_seams(values: NDArray[np.uint8], plan: MosaicPlan) -> NDArray[np.uint8]:
    """Labels without the filling value along the edges of the chip."""
    edge = np.ones(values.shape, dtype=np.bool_)
    edge[plan.border : -plan.border or None, plan.border : -plan.border or None] = False
    return np.where(edge & (values == plan.border_value), np.uint8(UNKNOWN), values)


if __name__ == "__main__":
    main()
