"""What every settings type shares: frozen, no unknown keys, errors that name file, key and value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from geoseg.errors import ConfigError


class Settings(BaseModel):
    """Frozen settings of one command; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
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
