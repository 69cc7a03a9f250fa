"""Files that archives are made of, and where their maps would go."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.archive.jobs import find_archive


def item_of(name, href, **properties):
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "geometry": None,
        "properties": {"datetime": "2026-01-01T00:00:00Z", **properties},
        "links": [],
        "assets": {"classes": {"href": href, "file:size": 4}},
    }


def places(sources, output=Path("out"), **more):
    return {each.scene: "/".join(each.place) for each in find_archive([str(each) for each in sources], output, **more)}


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return path
