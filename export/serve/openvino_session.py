"""Runs an ONNX graph with OpenVINO on the CPU.

The export and the sidecar run this one file: :mod:`export.serve.tritonserver` copies it beside the
``model.py`` of the ``onnxruntime`` backend. So the bf16 that the export compares with the reference is the
bf16 that is served. It needs OpenVINO only.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def session(graph: Path, precision: str, threads: int = 0) -> Callable[[Mapping[str, Any]], Any]:
    """A function that takes arrays by input name and returns arrays by output name.

    ``precision``: ``bf16`` or ``f32``; ``threads``: 0 means as many as there are cores. Raises
    ``ImportError`` without OpenVINO. This is OpenVINO itself: as an execution provider of ONNX Runtime,
    OpenVINO finds no device on some CPUs.
    """
    import openvino  # noqa: PLC0415  optional

    hints = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": str(threads),
    }
    request = openvino.Core().compile_model(graph, "CPU", hints).create_infer_request()

    def run(feed: Mapping[str, Any]) -> Any:
        return request.infer(feed, share_inputs=True)

    return run
