"""Coverage-guided fuzzing of what parses bytes; needs `pip install atheris`, which is no dependency.

    .venv/bin/python -m tests.fuzz.with_atheris card -max_total_time=60

Targets: card, reference, weights, pickle, yaml, legend, geojson, item. Arguments after the target go to libFuzzer.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["geoseg", "yaml", "pystac"]):
    from geoseg.config.legend import load_legend
    from geoseg.config.settings import load_yaml
    from geoseg.models.card import card_from_json
    from geoseg.models.reference import reference_from_bytes
    from geoseg.models.state_dict import read_state_dict
    from geoseg.models.zoo import find_model
    from geoseg.raster.features import read_features
    from geoseg.stac.existing import described
    from tests.fuzz.strategies import given_or_refused

FOLDER = Path(tempfile.mkdtemp(prefix="geoseg-fuzz-"))


def from_file(name: str, parse: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A target that takes its bytes from a file."""

    def target(data: bytes) -> object:
        (FOLDER / name).write_bytes(data)
        return given_or_refused(parse, FOLDER / name)

    return target


TARGETS: dict[str, Callable[[bytes], object]] = {
    "card": lambda data: given_or_refused(card_from_json, data, origin="card"),
    "reference": lambda data: given_or_refused(reference_from_bytes, data, origin="reference"),
    "weights": from_file("w.safetensors", read_state_dict),
    "pickle": from_file("w.pt", read_state_dict),
    "yaml": from_file("a.yaml", load_yaml),
    "legend": from_file("a.yaml", load_legend),
    "geojson": from_file("a.geojson", lambda path: read_features(path, layer=None, attribute="kind")),
    "item": from_file("m.stac.json", lambda path: described(path.with_name("m.classes.tif"), "m")),
}


def seeds(target: str) -> Path:
    """A folder with a valid file to begin from, where there is one."""
    folder = FOLDER / "seeds"
    folder.mkdir()
    known = {"card": "model.json", "reference": "reference.safetensors", "weights": "reference.safetensors"}
    if target in known:
        (folder / "one").write_bytes((find_model("demo-landscape") / known[target]).read_bytes())
    return folder


if __name__ == "__main__":
    chosen, rest = sys.argv[1], sys.argv[2:]
    atheris.Setup([sys.argv[0], *rest, str(seeds(chosen))], TARGETS[chosen])
    atheris.Fuzz()
