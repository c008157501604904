"""Tests share code through ``tests.support`` alone: no test module imports another one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FILES = sorted((ROOT / "tests").rglob("*.py"))
#: ``tests.unit.x`` or ``tests.flow.x:name``, also in the code that a test gives to another process.
_TESTS = re.compile(r"\btests\.(\w+)")


def _modules(source: str) -> Iterator[str]:
    """The modules below ``tests`` that ``source`` names, in imports and in string literals."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "tests use absolute imports"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (match.group() for match in _TESTS.finditer(node.value))


def _refused(source: str) -> set[str]:
    return {name for name in _modules(source) if (m := _TESTS.match(name)) and m[1] != "support"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_uses_another_test_module(path: Path) -> None:
    if path != Path(__file__):
        assert _refused(path.read_text()) == set()


@pytest.mark.parametrize(
    "source",
    [
        "from tests.unit.sink.test_sinks import batch",
        "from tests import flow",
        "import tests.flow.test_logs",
        'CODE = """\nfrom tests.unit.sink.test_sinks import *\n"""',
        'run(kind="tests.flow.test_logs:fails")',
    ],
)
def test_the_rule_sees_each_way_to_name_a_test_module(source: str) -> None:
    assert len(_refused(source)) == 1


def test_the_rule_permits_support() -> None:
    permitted = "from tests.support.flows import run\nflow = 'tests.support.paced:flow'\nimport pytest"
    assert not _refused(permitted)


def test_support_is_all_that_is_shared() -> None:
    """A module without tests stands in ``tests/support``."""
    plain = [path for path in FILES if not path.name.startswith(("test_", "conftest", "__init__"))]
    assert {path.parent for path in plain} == {ROOT / "tests" / "support"}
