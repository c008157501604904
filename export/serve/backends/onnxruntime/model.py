"""Triton's ``onnxruntime`` backend, written as a Python-based backend.

The wheel's server has no native ONNX Runtime backend. With this file in ``backends/onnxruntime/`` it loads
the same ``config.pbtxt``: the file follows the entries that the export writes, as the native backend does.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """The interface that Triton's Python backend asks for."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        file = config["default_model_filename"] or "model.onnx"
        path = Path(args["model_repository"], args["model_version"], file)
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        accelerators = _accelerators(config)
        gpu = int(args["model_instance_device_id"]) if args["model_instance_kind"] == "GPU" else None
        if "openvino" in accelerators:
            self._run = _openvino(path, parameters, accelerators["openvino"], self._outputs)
        elif gpu is None or not (run := _cuda(path, parameters, gpu)):
            self._run = _onnxruntime(path, parameters, self._outputs)
        else:
            self._run = run

    def execute(self, requests: list[Any]) -> list[Any]:
        """Stacks the rows of all requests: the dynamic batcher merges only requests of equal shape."""
        columns = [
            [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests]
            for name in self._inputs
        ]
        feed = {
            name: arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
            for name, arrays in zip(self._inputs, columns, strict=True)
        }
        cuts = np.cumsum([len(array) for array in columns[0]])[:-1]
        try:
            results = self._run(feed)
        except Exception as error:
            failure = pb_utils.TritonError(f"onnxruntime: {error}")
            return [pb_utils.InferenceResponse(error=failure) for _ in requests]
        parts = zip(*(np.split(result, cuts) for result in results), strict=True)
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor(name, part) for name, part in zip(self._outputs, row, strict=True)]
            )
            for row in parts
        ]


def _accelerators(config: Any) -> dict[str, dict[str, str]]:
    """The entries of ``cpu_execution_accelerator``: name -> its parameters."""
    asked = config.get("optimization", {}).get("execution_accelerators", {})
    return {each["name"]: each.get("parameters", {}) for each in asked.get("cpu_execution_accelerator", [])}


def _cuda(path: Path, parameters: dict[str, str], device: int) -> Any:
    """A session on the GPU ``device``, or None if the config is for any device and the GPU cannot run it."""
    # The sidecar copies dataflow/embed/cuda_session.py beside this file.
    from cuda_session import MEMORY, CudaError, CudaSession  # type: ignore[import-not-found]  # noqa: PLC0415

    memory = int(parameters.get("gpu_mem_limit", MEMORY))
    try:
        session = CudaSession(path, device=device, memory=memory)
    except CudaError as error:
        if "gpu_mem_limit" in parameters:  # the config is for a GPU only
            raise pb_utils.TritonModelException(str(error)) from None
        pb_utils.Logger.log_warn(f"{error}; the model runs on the CPU")
        return None
    return lambda feed: [session.run(feed)]


def _onnxruntime(path: Path, parameters: dict[str, str], outputs: list[str]) -> Any:
    import onnxruntime  # noqa: PLC0415  OpenVINO does without ONNX Runtime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", 0))
    options.inter_op_num_threads = int(parameters.get("inter_op_thread_count", 0))
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    return lambda feed: session.run(outputs, feed)


def _openvino(path: Path, parameters: dict[str, str], accelerator: dict[str, str], outputs: list[str]) -> Any:
    # The sidecar copies export/serve/openvino_session.py beside this file.
    from openvino_session import session  # type: ignore[import-not-found]  # noqa: PLC0415

    precision = {"BF16": "bf16", "FP32": "f32"}[accelerator.get("precision", "BF16")]
    try:
        run = session(path, precision, int(parameters.get("intra_op_thread_count", 0)))
    except ImportError:
        raise pb_utils.TritonModelException(
            "cpu_execution_accelerator openvino: the sidecar has no OpenVINO; install it there with "
            "pip install --no-deps -r requirements/openvino.txt"
        ) from None

    def answer(feed: dict[str, Any]) -> list[Any]:
        found = run(feed)
        return [found[name] for name in outputs]

    return answer
