"""Imports point down only, and outside systems stay at the edges."""

import ast
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "dataflow"

EDGES = {
    "operators",
    "sources",
    "sinks",
    "kafka",
    "triton",
    "triton_embedder",
    "kserve",
    "onnx_session",
    "outage",
    "watch",
}
LAYERS = [
    {"doctor"},
    {"flow"},
    EDGES,
    set(),
    {"logs", "otlp", "traces"},
    {"settings", "metrics"},
    {"events", "errors"},
]
STAGES = 3
ALLOWED = {
    "bytewax": {"doctor", "flow", "operators", "sources", "sinks", "watch"},
    "tritonclient": {"kserve"},
    "grpc": {"triton", "triton_embedder", "kserve"},
    "confluent_kafka": {"sources", "sinks", "kafka"},
    "prometheus_client": {"metrics"},
    "opentelemetry": {"otlp"},
    "torch": set(),
    "sentence_transformers": set(),
    "export": set(),
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    """The stage or edge that a module belongs to: the first name below the package."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def layer(name: str) -> int:
    return next((i for i, names in enumerate(LAYERS) if name in names), STAGES)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "dataflow":
                names |= {f"dataflow.{alias.name}" for alias in node.names}
            else:
                names.add(node.module)
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    mine = part(path)
    for name in imported(path):
        top, _, rest = name.partition(".")
        if top == "dataflow" and rest:
            other = rest.split(".")[0]
            assert other == mine or layer(other) >= layer(mine), f"{path.name} imports {name}"
        elif top in ALLOWED:
            assert mine in ALLOWED[top], f"{path.name} imports {name}"


def test_only_settings_read_the_environment() -> None:
    readers = [p.name for p in MODULES if "os.environ" in p.read_text() or "getenv" in p.read_text()]
    assert readers == ["settings.py"]
