"""What each package of ``dataflow/`` may import. A package that has no entry fails."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "dataflow"
#: What stands below the stages, and what a stage may use of it.
BELOW = {"clock", "errors", "items", "settings", "telemetry", "endpoints"}
STAGES = ("source", "decode", "embed", "window", "score", "drift", "alert", "sink")
#: Package or module -> the packages and modules that it may import.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "clock": set(),
    "threads": set(),
    "errors": set(),
    "items": {"clock"},
    "settings": {"errors"},
    "telemetry": {"__init__", "clock", "errors", "items", "settings"},
    "endpoints": {"errors", "settings"},
    **dict.fromkeys(STAGES, BELOW),
    "sink": {*BELOW, "__init__"},
    "recovery": {"errors", "settings", "telemetry"},
    "stop": {"telemetry"},
    "startup": {"__init__", "embed", "recovery", "settings", "telemetry"},
    "marks": {*BELOW, "decode", "embed"},
    "reference": {*BELOW, "source", "decode", "embed", "score", "recovery"},
    "flow": {*BELOW, *STAGES, "marks", "recovery", "reference", "stop", "startup", "threads"},
    "doctor": {*BELOW, *STAGES, "recovery", "reference", "flow"},
    "backtest": {*BELOW, *STAGES, "marks", "reference", "flow", "threads"},
    "top": set(),
    "replay": {*BELOW, "source", "decode", "sink", "flow", "stop"},
}
#: A library -> the packages and modules that may import it.
LIBRARIES = {
    "bytewax": {"flow", "source", "sink", "backtest/again", "replay/sending"}
    | {f"{stage}/logics" for stage in ("window", "score", "drift", "alert")}
    | {f"{stage}/step" for stage in STAGES},
    "confluent_kafka": {"endpoints/kafka", "endpoints/registry"},
    "fastavro": {"decode/avro"},
    "google": {"decode/protobuf"},
    "deltalake": {"endpoints/delta"},
    "grpc": {"embed/triton"},
    "jinja2": {"backtest/page"},
    "matplotlib": {"backtest/page", "backtest/plots"},
    "opentelemetry": {"telemetry/otlp"},
    "tritonclient": {"embed/triton"},
    "prometheus_client": {"telemetry/metrics"},
    "sentence_transformers": set(),
    "torch": set(),
    "export": set(),
}
MOST_LEVELS = 7
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = {path.stem for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"}


def place(path: Path) -> str:
    """``window/step`` for ``dataflow/window/step.py``."""
    return path.relative_to(PACKAGE).with_suffix("").as_posix().removesuffix("/__init__")


def room(path: Path) -> str:
    return place(path).partition("/")[0]


@cache
def imports(path: Path) -> list[str]:
    """Absolute names of the modules that a file imports, also inside functions."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@cache
def rooms() -> dict[str, set[str]]:
    """Package or module of ``dataflow`` -> the others that it imports."""
    found: dict[str, set[str]] = {}
    for path in FILES:
        names = [name.split(".") for name in imports(path)]
        ours = {parts[1] for parts in names if parts[0] == "dataflow" and len(parts) > 1}
        used = {name if name in NAMES else "__init__" for name in ours}
        found.setdefault(room(path), set()).update(used - {room(path)})
    return found


@pytest.mark.parametrize("name", sorted({room(path) for path in FILES}))
def test_a_package_imports_what_stands_below_it(name: str) -> None:
    assert name in MAY_IMPORT, f"dataflow/{name} has no entry: say here what it may import"
    assert rooms()[name] <= MAY_IMPORT[name]


def test_every_entry_is_a_package() -> None:
    assert set(MAY_IMPORT) == set(rooms())


def test_there_is_no_circle_and_there_are_few_levels() -> None:
    levels: dict[str, int] = {}

    def level(name: str, path: tuple[str, ...] = ()) -> int:
        assert name not in path, " -> ".join([*path, name])
        if name not in levels:
            levels[name] = 1 + max((level(used, (*path, name)) for used in rooms()[name]), default=0)
        return levels[name]

    assert max(map(level, rooms())) <= MOST_LEVELS


@pytest.mark.parametrize("path", FILES, ids=place)
def test_a_library_is_imported_where_it_is_named(path: Path) -> None:
    tops = {name.split(".")[0] for name in imports(path)}
    for library in tops & LIBRARIES.keys():
        allowed = {place(path), *(parent.as_posix() for parent in Path(place(path)).parents)}
        assert allowed & LIBRARIES[library], f"{place(path)} imports {library}"


def test_modules_of_a_package_import_each_other_without_a_circle() -> None:
    modules = {f"dataflow.{place(path)}".replace("/", "."): path for path in FILES}
    uses = {
        name: {m for i in imports(path) for m in (i, i.rpartition(".")[0]) if m in modules and m != name}
        for name, path in modules.items()
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...] = ()) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name not in done:
            for used in uses[name]:
                visit(used, (*path, name))
            done.add(name)

    for name in modules:
        visit(name)


def test_imports_of_the_standard_library_hide_no_package_of_ours() -> None:
    assert not {room(path) for path in FILES} & set(sys.stdlib_module_names)


def test_only_settings_read_the_environment() -> None:
    readers = {place(path) for path in FILES if re.search(r"os\.environ|getenv", path.read_text())}
    assert readers == {"settings/load", "settings/bytewax"}


def test_a_flow_starts_without_the_libraries_of_scorers_that_it_does_not_use() -> None:
    code = "import sys, dataflow.flow; print({'pandas', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"
