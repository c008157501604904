"""How large a module, a function and a class may be, so that each can be read at once."""

import ast
from pathlib import Path

import pytest

from tests.support.paths import ROOT

MOST_LINES, MOST_FUNCTION_LINES, MOST_METHODS = 250, 50, 14
#: A list of templates, and no code to read.
LONG = {"dataflow/source/demo_log.py"}
FILES = [
    path
    for top in ("benchmarks", "dataflow", "demo", "export", "tests")
    for path in (ROOT / top).rglob("*.py")
]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", sorted(FILES), ids=name)
def test_sizes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if name(path) not in LONG:
        assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MOST_FUNCTION_LINES, node.name
        elif isinstance(node, ast.ClassDef):
            methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
            assert sum(not method.startswith("_") for method in methods) <= MOST_METHODS, node.name
