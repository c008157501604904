"""What the page may import: nothing of the stages of a flow, and what its own modules may use."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "dashboard"
#: What the page uses of the dataflow. ``settings``: the endpoints take them.
OF_DATAFLOW = {"clock", "endpoints", "errors", "items", "marks", "settings"}
#: A terminal must not obey a text, as a log must not.
OF_DATAFLOW_FOR = {"terminal": {"telemetry"}}
#: Package or module of ``dashboard`` -> those that it may import.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "streams": set(),
    "rows": set(),
    "store": {"rows", "streams"},
    "projection": {"store"},
    "readers": {"rows", "store", "streams"},
    "sources": {"readers", "store", "streams"},
    "queries": {"rows", "store", "streams"},
    "marks": {"store"},
    "health": set(),
    "history": set(),
    "security": set(),
    "answers": set(),
    "files": set(),
    "parameters": {"queries", "store"},
    "terminal": {"health", "live", "projection", "queries", "readers", "sources", "store"},
    "live": {"health", "history", "marks", "queries", "sources", "store"},
    "updates": {"answers", "live"},
    "app": {"answers", "files", "live", "marks", "parameters", "queries", "security", "store", "updates"},
    "__main__": {
        *(
            "app",
            "health",
            "marks",
            "live",
            "projection",
            "readers",
            "security",
            "sources",
            "store",
            "updates",
        ),
    },
}
#: A library -> the modules that may import it.
LIBRARIES = {
    "bytewax": set[str](),
    "duckdb": set[str](),
    "pandas": set[str](),
    "sklearn": {"projection"},
    "torch": set[str](),
    "uvicorn": {"__main__"},
    "starlette": {"answers", "app", "files", "security", "updates"},
    "prometheus_client": {"health", "history"},
    "rich": {"terminal"},
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "node_modules" not in path.parts)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").as_posix().partition("/")[0]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_what_stands_below_it(path: Path) -> None:
    name = room(path)
    assert name in MAY_IMPORT, f"dashboard/{name} has no entry: say here what it may import"
    rooms = {room(each) for each in FILES}
    parts = [each.split(".") for each in imports(path)]
    ours = {part[1] for part in parts if part[0] == "dashboard" and len(part) > 1}
    assert (ours & rooms) - {name} <= MAY_IMPORT[name]
    assert {part[1] for part in parts if part[0] == "dataflow" and len(part) > 1} <= (
        OF_DATAFLOW | OF_DATAFLOW_FOR.get(name, set())
    )
    for library in {part[0] for part in parts} & LIBRARIES.keys():
        assert name in LIBRARIES[library], f"{name} imports {library}"


def test_every_entry_is_a_module() -> None:
    assert {room(path) for path in FILES} == set(MAY_IMPORT)


def test_there_is_no_circle() -> None:
    def visit(name: str, path: tuple[str, ...] = ()) -> None:
        assert name not in path, " -> ".join([*path, name])
        for used in MAY_IMPORT[name]:
            visit(used, (*path, name))

    for name in MAY_IMPORT:
        visit(name)


def test_the_dataflow_knows_no_page() -> None:
    """But for the command ``python -m dataflow.top``, which is a name for a part of the page."""
    for path in [*(ROOT / "dataflow").rglob("*.py"), *(ROOT / "export").rglob("*.py")]:
        assert path.name == "top.py" or not any(
            name.split(".")[0] == "dashboard" for name in imports(path)
        ), path


def test_the_command_starts_without_the_flow() -> None:
    code = (
        "import sys, dashboard.__main__;"
        "print({name.split('.')[0] for name in sys.modules} & {'bytewax', 'sklearn', 'torch', 'onnxruntime'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"
