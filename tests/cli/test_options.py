from __future__ import annotations

from typing import Literal

import click
import pytest
from click.testing import CliRunner
from pydantic import Field

from geoseg.cli.options import settings_options
from geoseg.config.settings import Settings
from geoseg.errors import ConfigError


class Brew(Settings):
    cups: int = Field(default=2, ge=1, description="Cups to fill.")
    grams: float | None = Field(default=None, description="Coffee.")
    roast: Literal["light", "dark"] = Field(default="dark", description="Roast.")
    paper_filter: bool = Field(default=True, description="Filter with paper.")
    sugar: bool = Field(default=False, description="Add sugar.")
    names: str | None = Field(default=None, description="For whom.")


def brewed(*arguments):
    """The settings that a command line makes, and the argument beside them."""
    got = []

    @click.command
    @click.argument("place")
    @settings_options(Brew)
    def brew(settings, place):
        got.append((settings, place))

    result = CliRunner().invoke(brew, ["kitchen", *arguments], standalone_mode=False)
    if result.exception:
        raise result.exception
    return got[0]


def help_text():
    @click.command
    @settings_options(Brew)
    def brew(settings):
        raise AssertionError(settings)

    return CliRunner().invoke(brew, ["--help"]).output


def test_without_options_the_settings_are_the_defaults():
    assert brewed() == (Brew(), "kitchen")


def test_every_kind_of_field_can_be_given():
    settings, _ = brewed(
        "--cups", "3", "--grams", "1.5", "--roast", "light", "--no-paper-filter", "--sugar", "--names", "Ada"
    )
    assert settings == Brew(cups=3, grams=1.5, roast="light", paper_filter=False, sugar=True, names="Ada")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "brew.yaml"
    path.write_text("cups: 5\npaper_filter: false\nroast: light\n")
    return path


def test_a_file_gives_values(config):
    assert brewed("--config", str(config))[0] == Brew(cups=5, paper_filter=False, roast="light")


def test_an_option_on_the_command_line_wins_over_the_file_even_when_it_is_the_default(config):
    settings, _ = brewed("--config", str(config), "--cups", "2", "--paper-filter")
    assert settings == Brew(cups=2, paper_filter=True, roast="light")


def test_a_wrong_value_on_the_command_line_is_named_as_an_option(config):
    with pytest.raises(ConfigError, match="options: cups: Input should be greater than or equal to 1"):
        brewed("--cups", "0")
    with pytest.raises(ConfigError, match=r"brew\.yaml with options: cups"):
        brewed("--config", str(config), "--cups", "0")


def test_a_wrong_value_in_the_file_is_named_as_the_files(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("cup: 1\n")
    with pytest.raises(ConfigError, match=r"wrong\.yaml: cup: .*known keys: cups"):
        brewed("--config", str(path))


def test_a_missing_file_is_an_error():
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read"):
        brewed("--config", "absent.yaml")


@pytest.mark.parametrize("arguments", [["--cups", "many"], ["--roast", "burnt"], ["--tea"]])
def test_what_is_no_value_of_its_type_is_wrong_usage(arguments):
    with pytest.raises(click.UsageError):
        brewed(*arguments)


def test_help_shows_description_and_default_of_every_field():
    shown = " ".join(help_text().split())
    for field in Brew.model_fields.values():
        assert field.description in shown
    assert "[default: 2]" in shown
    assert "[default: dark]" in shown
    assert "--paper-filter / --no-paper-filter" in shown
    assert "[light|dark]" in shown
    assert "None" not in shown
