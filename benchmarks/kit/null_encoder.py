"""An encoder for Triton that computes nothing: the same tensors as the real one, and always the same vector.

:func:`repository` makes a model repository with it, and with the real model ``sbert``. The file is the
``model.py`` of the encoder, too.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

try:
    import triton_python_backend_utils as pb_utils
except ImportError:  # a benchmark imports this module, not the server
    pb_utils = None

_MOST_ROWS = 1024
_CONFIG = """
name: "sbert_encoder"
backend: "python"
max_batch_size: %d
input [
  { name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] },
  { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }
]
output [ { name: "embedding" data_type: TYPE_FP32 dims: [ %d ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""


def repository(folder: Path, real: Path, dim: int) -> Path:
    """Make a repository in ``folder``. ``real``: a repository with the exported model."""
    shutil.copytree(real / "sbert", folder / "sbert")
    # Batches as for a GPU, because an encoder that costs nothing stands for one.
    config = (folder / "sbert" / "config.pbtxt").read_text()
    for name in ("max_tokens", "call_tokens", "buckets"):
        config = config.replace(f'"{name}_cpu"', f'"{name}_tmp"')
        config = config.replace(f'"{name}_gpu"', f'"{name}_cpu"').replace(f'"{name}_tmp"', f'"{name}_gpu"')
    rows = f'"encoder_max_rows" value {{ string_value: "{_MOST_ROWS}"'
    config = config.replace('"encoder_max_rows" value { string_value: "256"', rows)
    (folder / "sbert" / "config.pbtxt").write_text(config)
    encoder = folder / "sbert_encoder"
    (encoder / "1").mkdir(parents=True)
    shutil.copy(__file__, encoder / "1" / "model.py")
    (encoder / "config.pbtxt").write_text(_CONFIG % (_MOST_ROWS, dim))
    return folder


class TritonPythonModel:
    """The interface that Triton's Python backend asks for."""

    def initialize(self, args: dict[str, str]) -> None:
        import json  # noqa: PLC0415  only the server runs this

        dim = json.loads(args["model_config"])["output"][0]["dims"][0]
        self._vectors = np.full((_MOST_ROWS, dim), dim**-0.5, np.float32)

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        rows = len(pb_utils.get_input_tensor_by_name(request, "input_ids").as_numpy())
        return pb_utils.InferenceResponse([pb_utils.Tensor("embedding", self._vectors[:rows])])
