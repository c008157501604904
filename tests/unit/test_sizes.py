"""How large a module, a function and a class may be, so that each can be read at once."""

import ast
from pathlib import Path

import pytest

from tests.support.paths import ROOT

MOST_LINES, MOST_FUNCTION_LINES, MOST_METHODS = 250, 50, 14
#: The interface of the kinds of windows, and the two kinds.
MANY_METHODS = {"Assigner", "Aligned", "Sessions"}
FILES = [
    path
    for top in ("benchmarks", "dashboard", "dataflow", "demo", "export", "tests")
    for path in (ROOT / top).rglob("*.py")
    if "node_modules" not in path.parts
]


def lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function without its docstring, which may hold a long example."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", sorted(FILES), ids=name)
def test_sizes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert lines(node) <= MOST_FUNCTION_LINES, node.name
        elif isinstance(node, ast.ClassDef) and node.name not in MANY_METHODS:
            methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
            assert sum(not method.startswith("_") for method in methods) <= MOST_METHODS, node.name
