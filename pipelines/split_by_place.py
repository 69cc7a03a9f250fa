"""Splits small labelled chips without a georeference by place, told by their labels, and names their bands.

    python -m pipelines.split_by_place CHIPS -o OUTPUT --image "*_ms.tif" --labels "*_mask.tif" \
      --bands 2,3,4,5,6,7 --names blue,green,red,nir08,swir16,swir22 --ignore 8,255

Chips of one place on several dates have nearly the same labels. Two chips whose labels agree far beyond chance (Cohen's
kappa, water and unknown pixels left out) are one place, and a place is in one split only. Chips that hold too little
else to compare are learnt from. Chips of one class alone tell no place: two dates of one may pass for two places. The
output is that of `mosaic_chips`: `OUTPUT/<split>_<name>_image.tif` with
`..._labels.tif`, and `OUTPUT/split.json`.
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
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from geoseg.errors import GeosegError
from geoseg.raster.gdal import georeference_optional
from geoseg.raster.opening import open_dataset
from pipelines.mosaic_chips import LabelledChip, choose_groups, find_chips

_LEAST_COMPARED = 2000
"""Pixels that two chips must both have before they are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacePlan:
    """How chips are compared and split."""

    bands: tuple[int, ...]
    """Bands of the chips to keep, from 1."""

    names: tuple[str, ...]
    """What they are called."""

    ignore: tuple[int, ...]
    """Label values that say nothing of the place: what changes from date to date, and unknown."""

    kappa: float = 0.3
    """Agreement of labels beyond chance from which on two chips are one place."""

    held_out: float = 0.2
    """Share of the chips that are only scored."""

    validation: float = 0.12
    """Share of the chips that weights are chosen by."""

    seed: int = 0
    """Of the choice of places."""


class _Options(TypedDict):
    chips: Path
    output: Path
    image: str
    labels: str
    bands: str
    names: str
    ignore: str
    seed: int


def agreement(labels: NDArray[np.uint8], ignore: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cohen's kappa of each pair of chips, and how many pixels it rests on.

    Args:
        labels: (chips, pixels), label values.
        ignore: values left out, in either chip.

    Returns:
        Two arrays (chips, chips); kappa is 0 where two chips share no pixel or both hold one and the same value.
    """
    known = (~np.isin(labels, ignore)).astype(np.float64)
    shared = known @ known.T
    pixels = np.maximum(shared, 1)
    same, chance = np.zeros_like(shared), np.zeros_like(shared)
    for value in np.setdiff1d(np.unique(labels), ignore):
        held = (labels == value).astype(np.float64)
        share = held @ known.T / pixels
        same += held @ held.T / pixels
        chance += share * share.T
    return np.divide(same - chance, 1 - chance, out=np.zeros_like(same), where=chance < 1), shared


def places(labels: NDArray[np.uint8], plan: PlacePlan) -> NDArray[np.int64]:
    """(chips,) number of the place of each chip; -1 where there is too little to compare."""
    kappa, shared = agreement(labels, plan.ignore)
    _, owner = connected_components((kappa > plan.kappa) & (shared >= _LEAST_COMPARED))
    return np.where(np.diag(shared) >= _LEAST_COMPARED, owner, -1)


def split_places(counts: NDArray[np.int64], place: NDArray[np.int64], plan: PlacePlan) -> dict[str, NDArray[np.bool_]]:
    """Which chips are in which split, as masks; every class in about the wanted share.

    Args:
        counts: (chips, values) pixels.
        place: (chips,) from `places`.
        plan: shares and seed.
    """
    rng = np.random.default_rng(plan.seed)
    left = place >= 0
    splits: dict[str, NDArray[np.bool_]] = {}
    for split, share in (("test", plan.held_out), ("val", plan.validation)):
        here = np.unique(place[left])
        of_place = np.array([counts[place == number].sum(axis=0) for number in here])
        kept = (of_place.sum(axis=0) > 0) & ~np.isin(np.arange(counts.shape[1]), plan.ignore)
        chosen = choose_groups(of_place[:, kept], share * len(place) / left.sum(), rng)
        splits[split] = np.isin(place, here[chosen])
        left &= ~splits[split]
    return splits | {"train": ~(splits["test"] | splits["val"])}


def write_chip(chip: LabelledChip, stem: Path, plan: PlacePlan) -> None:
    """Write the kept bands of a chip with their names, and its labels, as they are."""
    with open_dataset(str(chip.image)) as image, open_dataset(str(chip.labels)) as labels:
        pixels, values = image.read(plan.bands), labels.read(1)
    size = {"height": values.shape[0], "width": values.shape[1], "compress": "deflate"}
    plain = {"driver": "GTiff", "photometric": "MINISBLACK", "ALPHA": "UNSPECIFIED"}
    with georeference_optional():
        with rasterio.open(f"{stem}_image.tif", "w", count=len(pixels), dtype=pixels.dtype, **size, **plain) as target:
            target.write(pixels)
            target.descriptions = plan.names
        with rasterio.open(f"{stem}_labels.tif", "w", count=1, dtype=values.dtype, **size, **plain) as target:
            target.write(values, 1)


def split_by_place(chips: Sequence[LabelledChip], output: Path, plan: PlacePlan) -> dict[str, list[str]]:
    """Write all chips and `split.json`; gives the names of the chips of each split."""
    output.mkdir(parents=True, exist_ok=True)
    labels = np.stack([_labels_of(chip) for chip in chips])
    place = places(labels, plan)
    splits = split_places(np.stack([chip.counts for chip in chips]), place, plan)
    names = {
        split: [chip.name for chip, taken in zip(chips, mask, strict=True) if taken] for split, mask in splits.items()
    }
    for split, members in names.items():
        for chip in chips:
            if chip.name in members:
                write_chip(chip, output / f"{split}_{chip.name}", plan)
    stated = {"holdout": names["test"], "validation": names["val"], "places": len(np.unique(place))}
    (output / "split.json").write_text(json.dumps(stated, indent=1) + "\n", encoding="utf-8")
    return names


@click.command(help="Split labelled chips of a folder by place, and name their bands.")
@click.argument("chips", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="For the chips.")
@click.option("--image", required=True, help="Pattern of the images, with one *.")
@click.option("--labels", required=True, help="Pattern of the labels, with one *.")
@click.option("--bands", required=True, help="Bands to keep, from 1, such as 2,3,4.")
@click.option("--names", required=True, help="What they are called, such as blue,green,red.")
@click.option("--ignore", default="255", show_default=True, help="Label values that say nothing of the place.")
@click.option("--seed", default=0, show_default=True, help="Of the choice of places.")
def main(**given: Unpack[_Options]) -> None:
    """Write the chips of all splits; files of the same names are replaced."""
    try:
        plan = PlacePlan(
            bands=tuple(int(band) for band in given["bands"].split(",")),
            names=tuple(given["names"].split(",")),
            ignore=tuple(int(value) for value in given["ignore"].split(",")),
            seed=given["seed"],
        )
        found = find_chips(given["chips"], image=given["image"], labels=given["labels"])
        for split, members in split_by_place(found, given["output"], plan).items():
            click.echo(f"{split}: {len(members)} chips")
    except (GeosegError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _labels_of(chip: LabelledChip) -> NDArray[np.uint8]:
    with open_dataset(str(chip.labels)) as dataset:
        return np.asarray(dataset.read(1).ravel(), dtype=np.uint8)


if __name__ == "__main__":
    main()
