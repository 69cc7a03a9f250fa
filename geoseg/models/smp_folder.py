"""Reads the folders that segmentation-models-pytorch writes with `save_pretrained`. Builds nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from geoseg.errors import ModelError
from geoseg.models.catalogue import SET_BY_SPEC, TIMM, known_architecture
from geoseg.models.spec import NetworkSpec, OptionValue
from geoseg.models.state_dict import read_state_dict

_CONFIG_FILE = "config.json"
_TENSORS_FILE = "model.safetensors"
_LARGEST_CONFIG = 2**20
_NO_OPTIONS = SET_BY_SPEC | {"aux_params"}
_EXCLUSIVE = (None, "identity", "softmax", "softmax2d", "logsoftmax")
"""Activations that a softmax over the classes may take the place of."""

_MOVED_TO_TIMM = ("timm-regnet", "timm-res2", "timm-resnest", "timm-gernet")


def read_smp_folder(folder: Path) -> tuple[NetworkSpec, dict[str, Tensor]]:
    """How a network was built, and its tensors.

    An activation is left out, and so is a second head for the class of a whole image.

    Raises:
        ModelError: if config.json or model.safetensors is missing or damaged, or says what no package can hold.
    """
    config = _config(folder)
    origin = folder / _CONFIG_FILE
    classes = _number(origin, config, "classes", 1)
    activation = config.get("activation")
    if activation not in _EXCLUSIVE and (activation, classes) != ("sigmoid", 1):
        raise ModelError(
            f"{origin}: activation {activation!r} of {classes} classes: a package holds classes of which a "
            "pixel has one; train without an activation"
        )
    spec = NetworkSpec(
        architecture=known_architecture(str(config["_model_class"])),
        encoder=_encoder(str(config["encoder_name"])),
        bands=_number(origin, config, "in_channels", 3),
        classes=classes,
        options=_options(origin, config),
    )
    return spec, read_state_dict(folder / _TENSORS_FILE)


def _config(folder: Path) -> dict[str, object]:
    path = folder / _CONFIG_FILE
    try:
        if path.stat().st_size > _LARGEST_CONFIG:
            raise ModelError(f"{path}: has more than {_LARGEST_CONFIG} bytes: it is no config of smp")
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}; give a folder of save_pretrained") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: is not JSON: {error}") from error
    if not isinstance(config, dict) or not {"_model_class", "encoder_name"} <= config.keys():
        raise ModelError(f"{path}: does not name _model_class and encoder_name: give a folder of smp's save_pretrained")
    return config


def _number(origin: Path, config: Mapping[str, object], key: str, default: int) -> int:
    value = config.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ModelError(f"{origin}: {key} must be a whole number, got {value!r}")
    return value


def _encoder(name: str) -> str:
    return TIMM + name.removeprefix("timm-") if name.startswith(_MOVED_TO_TIMM) else name


def _options(origin: Path, config: Mapping[str, object]) -> dict[str, OptionValue]:
    options = {key: value for key, value in config.items() if key not in _NO_OPTIONS and not key.startswith("_")}
    normed = options.pop("decoder_use_batchnorm", None)  # its name before smp 0.5
    if isinstance(normed, bool):
        options["decoder_use_norm"] = "batchnorm" if normed else "identity"
    return {key: _option(origin, key, value) for key, value in options.items()}


def _option(origin: Path, key: str, value: object) -> OptionValue:
    if isinstance(value, list) and all(isinstance(part, int) for part in value):
        return tuple(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ModelError(f"{origin}: {key} is {value!r}: a package holds numbers, texts and lists of whole numbers")
