"""The shape of the code: small files, small functions, few parameters, no catch-all."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("geoseg", "pipelines") for path in (ROOT / folder).rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "misc", "core", "base", "managers"}
MOST_LINES = 400
MOST_FUNCTION_LINES = 80
MOST_PARAMETERS = 6
MEDIAN_FUNCTION_LINES = 15


def relative(path):
    return str(path.relative_to(ROOT))


each_source = pytest.mark.parametrize("path", SOURCES, ids=relative)


def functions(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def code_lines(node):
    """Lines of a function without its docstring."""
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = first.end_lineno - first.lineno + 1 if is_docstring else 0
    return node.end_lineno - node.lineno + 1 - docstring


def parameters(node):
    arguments = node.args
    names = [entry.arg for entry in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return [name for name in names if name not in {"self", "cls"}]


def catch_alls(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {entry.id if isinstance(entry, ast.Name) else entry for entry in caught}
            raises_again = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in node.body)
            if names & {None, "Exception"} or ("BaseException" in names and not raises_again):
                yield node.lineno


def test_there_are_sources_to_look_at():
    assert "geoseg/cli/app.py" in map(relative, SOURCES)


@each_source
def test_a_file_is_short(path):
    lines = len(path.read_text().splitlines())
    assert lines <= MOST_LINES, f"{relative(path)} has {lines} lines: split it by what it knows"


@each_source
def test_functions_are_short_and_take_few_parameters(path):
    for node in functions(path.read_text()):
        assert code_lines(node) <= MOST_FUNCTION_LINES, f"{relative(path)}:{node.lineno} {node.name} is too long"
        assert len(parameters(node)) <= MOST_PARAMETERS, f"{relative(path)}:{node.lineno} {node.name} takes too much"


@each_source
def test_nothing_catches_everything(path):
    assert list(catch_alls(path.read_text())) == [], relative(path)


@each_source
def test_a_module_says_what_it_is(path):
    assert path.stem not in FORBIDDEN_NAMES
    assert ast.get_docstring(ast.parse(path.read_text())), f"{relative(path)} has no docstring"


def test_half_of_all_functions_are_a_few_lines():
    lengths = sorted(code_lines(node) for path in SOURCES for node in functions(path.read_text()))
    assert lengths[len(lengths) // 2] <= MEDIAN_FUNCTION_LINES


@pytest.mark.parametrize(
    ("handler", "found"),
    [
        ("except Exception: pass", 1),
        ("except: pass", 1),
        ("except (ValueError, Exception): pass", 1),
        ("except BaseException: pass", 1),
        ("except BaseException:\n    raise", 0),
        ("except ValueError: pass", 0),
    ],
)
def test_catch_alls_are_found(handler, found):
    assert len(list(catch_alls(f"try:\n    pass\n{handler}"))) == found


def test_docstrings_do_not_count_as_lines_of_a_function():
    node = next(functions('def f(a, *, b):\n    """One.\n\n    Two.\n    """\n    return a'))
    assert code_lines(node) == 2
    assert parameters(node) == ["a", "b"]
