"""Small files that appear whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from geoseg.errors import OutputError


def write_text(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all.

    Raises:
        OutputError: if it cannot be written.
    """
    partial = path.with_name(f".geoseg-{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8", newline="")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def write_json(path: Path, values: object) -> None:
    """The same for plain values as JSON.

    Raises:
        OutputError: if it cannot be written.
    """
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none or it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
