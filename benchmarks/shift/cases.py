"""The pairs of domains: what the source is called and knows, and how the target's labels are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from geoseg.landscapes.spec import LANDSCAPE_BANDS, LANDSCAPE_CLASSES

Labels = Mapping[int | str, tuple[str, ...] | None]
"""Classes that each label value leaves open; None where it is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A domain with labels to learn from."""

    name: str
    """Of its folder and of its models."""

    legend: tuple[tuple[int, str, str], ...]
    """Ids, names and colours of the classes."""

    labels: Labels
    """Of its label values."""

    bands: tuple[str, ...]
    """Of its models."""

    gsd: float
    """To learn at, metres."""

    scales: Mapping[str, float] = field(default_factory=lambda: {"uint8": 1 / 255})
    """From the numbers of a dtype to about 0 to 1."""

    steps: int = 300
    """Of its training on the CPU."""

    class_balance: float = 0.5
    """Share of chips drawn for a rare class."""

    augment: Mapping[str, float] = field(default_factory=lambda: {"gain": 0.1, "bias": 0.02, "gamma": 0.0})
    """How strongly its chips are changed, beside turns and mirrors."""

    window: int = 128
    """Side of the windows that an adaptation takes from a target, px; twice that on a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A target that a source's model meets."""

    name: str
    """Of its folder."""

    source: str
    """Where the model comes from."""

    labels: Labels
    """Of its label values, for the scorer and the oracle."""

    kind: str = "real"
    """landscape or real."""


def _legend(names: Mapping[str, str]) -> tuple[tuple[int, str, str], ...]:
    return tuple((number, name, colour) for number, (name, colour) in enumerate(names.items(), start=1))


def _same(legend: tuple[tuple[int, str, str], ...]) -> Labels:
    return {number: (name,) for number, name, _ in legend}


_LANDSCAPE = tuple((entry.id, entry.name, entry.colour) for entry in LANDSCAPE_CLASSES.classes)
_OHIO = (
    (0, "low_vegetation", "#a6d96a"),
    (1, "building", "#d7301f"),
    (2, "road", "#525252"),
    (3, "bare", "#dfc27d"),
    (4, "trees", "#1b7837"),
    (5, "water", "#2b8cbe"),
)
_VIRGINIA = ((2, "trees", "#1b7837"), (3, "low_vegetation", "#a6d96a"))
_VIRGINIA_LABELS: Labels = {2: ("trees",), 3: ("low_vegetation",), 1: None, 4: None, 5: None, 6: None, 0: None}
_HLS = _legend({
    "trees": "#006400", "shrub": "#ffbb22", "grass": "#ffff4c", "crop": "#f096ff",
    "built": "#fa0000", "bare": "#b4b4b4", "water": "#0064c8",
})  # fmt: skip
_ZION = ((3, "bare", "#b4b4b4"), (4, "trees", "#006400"), (5, "shrub", "#ffbb22"))
_ZION_LABELS: Labels = {
    **_same(_ZION), **dict.fromkeys((0, 1, 2, 6, 7, 8, 255)),
}  # fmt: skip
_BUILDINGS = ((0, "other", "#f0f0f0"), (1, "building", "#d7301f"))
_BUILDING_LABELS: Labels = {**_same(_BUILDINGS), 255: None}
_REFLECTANCE = {"int16": 1e-4}
_AERIAL = {"gain": 0.3, "bias": 0.06, "gamma": 0.3, "haze": 0.3, "grey": 0.5}
"""As configs/landcover_rgb_ohio.yaml: with less, other colours leave the network at 2 points, and nothing to adapt."""

SOURCES = {
    source.name: source
    for source in (
        Source(
            name="landscape", legend=_LANDSCAPE, labels=_same(_LANDSCAPE), bands=LANDSCAPE_BANDS, gsd=1.0, steps=120
        ),
        Source(
            name="ohio", legend=_OHIO, labels={**_same(_OHIO), 255: None}, bands=("red", "green", "blue"), gsd=0.6,
            steps=800, augment=_AERIAL,
        ),
        Source(
            name="naip_leafy", legend=_VIRGINIA, labels=_VIRGINIA_LABELS, bands=LANDSCAPE_BANDS, gsd=1.0, steps=250,
            window=64,
        ),
        Source(
            name="naip_autumn", legend=_VIRGINIA, labels=_VIRGINIA_LABELS, bands=LANDSCAPE_BANDS, gsd=1.0, steps=250,
            window=64,
        ),
        Source(
            name="hls", legend=_HLS,
            labels={1: ("trees",), 2: ("shrub",), 3: ("grass",), 4: ("crop",), 5: ("built",), 6: ("bare",),
                    8: ("water",), **dict.fromkeys((0, 7, 9, 10, 255))},
            bands=("blue", "green", "red", "nir"), gsd=30.0, scales=_REFLECTANCE, steps=900,
        ),
        Source(
            name="zion_east", legend=_ZION, labels=_ZION_LABELS, bands=("blue", "green", "red", "nir"), gsd=30.0,
            scales=_REFLECTANCE, steps=500,
        ),
        *(
            Source(
                name=name, legend=_BUILDINGS, labels=_BUILDING_LABELS, bands=("red", "green", "blue"), gsd=gsd,
                steps=450, class_balance=0.3, window=64 if gsd == 1 else 128,
            )
            for name, gsd in (("nairobi", 0.3), ("banepa", 0.3), ("massachusetts", 1.0))
        ),
    )
}  # fmt: skip
"""By name."""

LANDSCAPE_TARGETS = ("radiometric", "prior", "spectral", "gsd", "everything", "mild")
"""What is different there."""

CASES = {
    case.name: case
    for case in (
        *(
            Case(name=name, source="landscape", labels=_same(_LANDSCAPE), kind="landscape")
            for name in LANDSCAPE_TARGETS
        ),
        Case(name="ohio_to_nir", source="ohio", labels={**_same(_OHIO), 255: None}),
        Case(name="ohio_to_wv", source="ohio", labels=_VIRGINIA_LABELS),
        Case(name="leafy_to_autumn", source="naip_leafy", labels=_VIRGINIA_LABELS),
        Case(name="autumn_to_leafy", source="naip_autumn", labels=_VIRGINIA_LABELS),
        Case(
            name="ohio_to_dubai", source="ohio",
            labels={1: ("building",), 2: ("road",), 3: ("bare",), 4: ("low_vegetation", "trees"), 5: ("water",),
                    255: None},
        ),
        Case(
            name="hls_to_zion", source="hls",
            labels={3: ("bare",), 4: ("trees",), 5: ("shrub", "grass"), **dict.fromkeys((0, 1, 2, 6, 7, 8, 255))},
        ),
        Case(name="zion_east_to_west", source="zion_east", labels=_ZION_LABELS),
        Case(name="nairobi_to_zanzibar", source="nairobi", labels=_BUILDING_LABELS),
        Case(name="banepa_to_nairobi", source="banepa", labels=_BUILDING_LABELS),
        Case(name="massachusetts_to_zanzibar", source="massachusetts", labels=_BUILDING_LABELS),
    )
}  # fmt: skip
"""By name."""
