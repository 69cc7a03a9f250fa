"""What every settings type shares: frozen, no unknown keys, errors that name file, key and value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from geoseg.errors import ConfigError

_LARGEST_FILE = 2**20
_MOST_NODES, _DEEPEST = 100_000, 40
_NOT_YAML = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)
"""What PyYAML raises where a text is none, or where a value is not what its tag says."""


class _Loader(yaml.SafeLoader):
    """Plain values only: no objects, no key twice, nothing within itself, no small file that stands for a huge one."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes, self._depth = 0, 0
        self._sizes: dict[str, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Count what every node stands for; an alias stands for all of its anchor."""
        event = self.peek_event()  # type: ignore[no-untyped-call] # PyYAML's
        is_alias = isinstance(event, yaml.AliasEvent)
        if is_alias and event.anchor in self.anchors and event.anchor not in self._sizes:
            raise yaml.composer.ComposerError(None, None, "an anchor holds itself", event.start_mark)
        before = self._nodes
        self._nodes += self._sizes.get(event.anchor, 0) if is_alias else 1
        self._depth += 1
        if self._nodes > _MOST_NODES or self._depth > _DEEPEST:
            text = f"more than {_MOST_NODES} values, or deeper than {_DEEPEST}"
            raise yaml.composer.ComposerError(None, None, text, event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if not is_alias and event.anchor is not None:
            self._sizes[event.anchor] = self._nodes - before
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - a name or None; the stubs say otherwise
        """Refuse a key that stands twice: only one of its values would count."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                raise yaml.composer.ComposerError(None, None, f"key {key.value!r} stands twice", key.start_mark)
            seen.add((key.tag, str(key.value)))
        return node


class Settings(BaseModel):
    """Frozen settings of one command; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


AnySettings = TypeVar("AnySettings", bound=Settings)


def settings_from(kind: type[AnySettings], values: Mapping[str, object], *, origin: str) -> AnySettings:
    """Check values and freeze them.

    Args:
        kind: the settings type.
        values: by key.
        origin: where they come from, to begin the error message with.

    Raises:
        ConfigError: one line that names the first wrong key, its value and what is allowed.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "settings"
        known = ", ".join(kind.model_fields)
        hint = f"; known keys: {known}" if first["type"] == "extra_forbidden" and len(first["loc"]) == 1 else ""
        got = f" (got {first['input']!r})" if first["loc"] else ""  # of the whole there is too much to show
        raise ConfigError(f"{origin}: {key}: {first['msg']}{got}{hint}") from error


def load_yaml(path: Path) -> dict[str, object]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: if the file is missing, is no YAML, or holds no mapping with string keys.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ConfigError(f"{path}: has more than {_LARGEST_FILE} bytes: no settings are that long")
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except _NOT_YAML as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"{path}: expected keys and values at the top, got {type(values).__name__}")
    return values


def load_settings(kind: type[AnySettings], path: Path) -> AnySettings:
    """Settings of a command from its YAML file.

    Raises:
        ConfigError: if the file cannot be read or a key or value is wrong.
    """
    return settings_from(kind, load_yaml(path), origin=str(path))
