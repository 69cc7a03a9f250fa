"""The model packages that come with geoseg. Lists them without torch; loads it only to load a model."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.errors import ModelError, OutputError
from geoseg.models.card import ModelCard, card_from_json
from geoseg.models.package_files import CARD_FILE, read_file

if TYPE_CHECKING:
    from geoseg.models.package import ModelPackage


def packaged_models() -> tuple[str, ...]:
    """Names of the models in this installation, sorted."""
    return tuple(sorted(folder.name for folder in _shelf().glob("*") if (folder / CARD_FILE).is_file()))


def describe_models() -> tuple[ModelCard, ...]:
    """The cards of the models in this installation, sorted by name; reads no weights.

    Raises:
        ModelError: if a card is damaged.
    """
    return tuple(read_card(_shelf() / name) for name in packaged_models())


def read_card(package: Path) -> ModelCard:
    """The card of a model package, a folder or a zip; reads no weights.

    Raises:
        ModelError: if it is missing or damaged.
    """
    return card_from_json(read_file(package, CARD_FILE), origin=str(package))


def load_model(name_or_path: str | Path) -> ModelPackage:
    """Load a packaged model by name, or a package from a folder or a zip.

    A packaged name wins over a folder of that name in the current directory; write `./name` for the folder.

    Raises:
        ModelError: if there is no such model, or it is damaged.
    """
    from geoseg.models.package import load_package  # noqa: PLC0415 - torch only where a model is loaded

    return load_package(find_model(name_or_path))


def find_model(name_or_path: str | Path) -> Path:
    """The folder or zip of a model.

    Raises:
        ModelError: if there is no such model.
    """
    names = packaged_models()
    if isinstance(name_or_path, str) and name_or_path in names:
        return _shelf() / name_or_path
    path = Path(name_or_path).expanduser()
    if path.exists():
        return path
    close = difflib.get_close_matches(str(name_or_path), names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"packaged models: {', '.join(names) or 'none'}"
    raise ModelError(f"{name_or_path}: no packaged model and no folder or zip of that name; {hint}")


def export_model(name: str, folder: Path) -> Path:
    """Copy a packaged model to a folder.

    Args:
        name: of a packaged model.
        folder: where to put the folder `name`.

    Returns:
        The copy.

    Raises:
        ModelError: if no packaged model has that name.
        OutputError: if the copy exists already or cannot be written.
    """
    if name not in packaged_models():
        find_model(name)
        raise ModelError(f"{name}: is no packaged model; packaged models: {', '.join(packaged_models())}")
    target = folder / name
    if target.exists():
        raise OutputError(f"{target}: exists already: choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".geoseg-", dir=folder) as hidden:
            staged = Path(hidden) / name
            shutil.copytree(_shelf() / name, staged)
            staged.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
    return target


def _shelf() -> Path:
    return Path(str(files("geoseg.models"))) / "zoo_packages"
