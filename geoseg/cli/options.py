"""Command-line options made from a settings type: command line, YAML and Python share one definition."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, Literal, ParamSpec, TypeVar, get_args, get_origin

import click
from click.core import ParameterSource
from pydantic.fields import FieldInfo

from geoseg.config.settings import AnySettings, load_settings, load_yaml, settings_from

P = ParamSpec("P")
R = TypeVar("R")

_GIVEN = "geoseg.given"
_CONFIG = "geoseg.config"
_NUMBERS: dict[object, click.ParamType[int] | click.ParamType[float]] = {
    int: click.INT,
    int | None: click.INT,
    float: click.FLOAT,
    float | None: click.FLOAT,
}


def settings_options(
    kind: type[AnySettings],
) -> Callable[[Callable[Concatenate[AnySettings, P], R]], Callable[P, R]]:
    """Give a command an option for every field of a settings type, and `--config`.

    The command gets the settings as its first argument: the defaults, then the values of the file, then
    the options on the command line, the later winning over the earlier.
    """

    def decorate(command: Callable[Concatenate[AnySettings, P], R]) -> Callable[P, R]:
        @functools.wraps(command)
        def with_settings(*args: P.args, **kwargs: P.kwargs) -> R:
            return command(_collected(kind, click.get_current_context()), *args, **kwargs)

        decorated: Callable[P, R] = _config_option()(with_settings)
        for name, field in reversed(kind.model_fields.items()):
            decorated = _option(name, field)(decorated)
        return decorated

    return decorate


def _collected(kind: type[AnySettings], context: click.Context) -> AnySettings:
    given: dict[str, object] = context.meta.get(_GIVEN, {})
    config: Path | None = context.meta.get(_CONFIG)
    if config is None:
        return settings_from(kind, given, origin="options")
    load_settings(kind, config)  # so that a wrong value in the file is reported as the file's
    return settings_from(kind, load_yaml(config) | given, origin=f"{config} with options")


def _config_option() -> Callable[[Callable[P, R]], Callable[P, R]]:
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_keep_config,
        help="YAML file with these settings; options on the command line win over it.",
    )


def _option(name: str, field: FieldInfo) -> Callable[[Callable[P, R]], Callable[P, R]]:
    flag = name.replace("_", "-")
    repeatable = isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get("repeatable"))
    declaration = f"--{flag}/--no-{flag}" if field.default is True else f"--{flag}"
    return click.option(
        declaration,
        name,
        type=_click_type(field.annotation),
        is_flag=field.annotation is bool,
        multiple=repeatable,
        default=field.default,
        show_default=field.default not in (None, False, ()),
        expose_value=False,
        callback=_keep_given,
        help=field.description,
    )


def _click_type(annotation: object) -> click.ParamType[object]:
    if get_origin(annotation) is Literal:
        return click.Choice(get_args(annotation))
    if annotation is bool:
        return click.BOOL
    return _NUMBERS.get(annotation, click.STRING)


def _keep_given(context: click.Context, option: click.Parameter, value: object) -> None:
    if option.name and context.get_parameter_source(option.name) is not ParameterSource.DEFAULT:
        context.meta.setdefault(_GIVEN, {})[option.name] = value


def _keep_config(context: click.Context, option: click.Parameter, value: Path | None) -> None:  # noqa: ARG001
    context.meta[_CONFIG] = value
