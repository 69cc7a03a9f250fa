"""What the pages tell people to type works, and their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from geoseg.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SHELL_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
CONFIG_COMMAND = re.compile(r"^# *(?:then: )?(geoseg .*)$", re.MULTILINE)


def shell_lines():
    for page in PAGES:
        for block in SHELL_BLOCK.findall(page.read_text()):
            yield from (line for line in block.splitlines() if line.startswith("geoseg "))


def config_lines():
    for config in sorted((ROOT / "configs").glob("*.yaml")):
        yield from CONFIG_COMMAND.findall(config.read_text())


def parse(line):
    """Parse a command line as click does, and run nothing."""
    words = shlex.split(line, comments=True)[1:]
    group, context = app, click.Context(app)
    while isinstance(group, click.Group):
        name, command, words = group.resolve_command(context, words)
        group, context = command, click.Context(command, info_name=name)
    return command.make_context(command.name, words)


@pytest.mark.parametrize("line", sorted({*shell_lines(), *config_lines()}))
def test_a_command_on_a_page_or_in_a_config_can_be_typed(line):
    assert parse(line)


@pytest.mark.parametrize("line", ["geoseg predit a.tif", "geoseg predict", "geoseg evaluate a b --no-such 1"])
def test_a_command_that_cannot_be_typed_is_found(line):
    with pytest.raises(click.UsageError):
        parse(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_python_examples_are_python(page):
    text = page.read_text()
    missing = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert missing == []
    for example in PYTHON_BLOCK.findall(text):
        compile(example, page.name, "exec")


def test_the_navigation_names_pages_that_exist():
    pages = [page for entry in yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"] for page in entry.values()]
    assert [page for page in pages if not (ROOT / "docs" / page).is_file()] == []


def test_make_names_every_target_it_promises():
    text = (ROOT / "Makefile").read_text()
    promised = set(re.findall(r'@echo "make ([\w-]+)', text))
    assert promised
    assert promised <= set(re.findall(r"^([\w-]+):", text, re.MULTILINE))


def test_nothing_names_a_folder_of_the_machine_it_was_written_on():
    folders = re.compile(r"(?<![\w.])/(?:work|root|home/\w+)/")
    checked = [*PAGES, *(ROOT / "configs").glob("*.yaml"), *(ROOT / "geoseg").rglob("*.py"), ROOT / "Makefile"]
    assert [path.name for path in checked if folders.search(path.read_text())] == []
