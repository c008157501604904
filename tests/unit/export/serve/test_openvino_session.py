"""What OpenVINO is asked for, by a stand-in for it."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from export.serve.openvino_session import session


class Core:
    """Records what is compiled, and answers with the double of each input."""

    asked: Any = None

    def compile_model(self, graph: Path, device: str, hints: dict[str, str]) -> "Core":
        Core.asked = (graph, device, hints)
        return self

    def create_infer_request(self) -> "Core":
        return self

    def infer(self, feed: dict[str, Any], *, share_inputs: bool) -> dict[str, Any]:
        assert share_inputs
        return {name: 2 * array for name, array in feed.items()}


def test_the_graph_runs_on_the_cpu_in_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=Core))
    run = session(Path("model.onnx"), "bf16", threads=3)
    graph, device, hints = Core.asked
    assert (graph, device) == (Path("model.onnx"), "CPU")
    assert hints == {
        "INFERENCE_PRECISION_HINT": "bf16",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": "3",
    }
    assert run({"x": np.array([1, 2])})["x"].tolist() == [2, 4]


def test_without_openvino_it_is_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ImportError):
        session(Path("model.onnx"), "bf16")
