"""Triton's ``onnxruntime`` backend as a Python-based backend.

The wheel's server has no native ONNX Runtime backend. This file, in ``backends/onnxruntime/``, makes the
same ``config.pbtxt`` load there: it honours what the native one does with the entries that we write.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """The interface that Triton's Python backend asks for."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", 0))
        options.inter_op_num_threads = int(parameters.get("inter_op_thread_count", 0))
        file = config["default_model_filename"] or "model.onnx"
        path = Path(args["model_repository"], args["model_version"], file)
        self._session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]

    def execute(self, requests: list[Any]) -> list[Any]:
        """The dynamic batcher only merges requests of one shape, so their rows can be stacked."""
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
            results = self._session.run(self._outputs, feed)
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
