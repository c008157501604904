"""A quick model for a real Triton. Its versions differ, and it fails when a test wants it to fail.

The name of the model is ``sbert``, and :func:`repository` makes its folder. The file ``fault`` in this folder
says how the model fails: ``nan``, ``oom``, ``oom N`` (more than N texts are too many), ``slow SECONDS``, or
``long`` (embeddings of another length).
"""

import math
import shutil
import time
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

try:
    import triton_python_backend_utils as pb_utils
except ImportError:  # a test imports this module, not the server
    pb_utils = None

DIM = 32

CONFIG = """
name: "sbert"
backend: "python"
max_batch_size: 64
input [ { name: "TEXT" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "EMBEDDING" data_type: TYPE_FP32 dims: [ %d ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
version_policy { specific { versions: %s } }
"""


def vectors(texts: Sequence[str], version: int) -> npt.NDArray[np.float32]:
    """The embeddings of a version: unit vectors, whose elements each version shifts by its number."""
    digests = [np.frombuffer(blake2b(text.encode(), digest_size=DIM).digest(), np.uint8) for text in texts]
    raw = np.array(digests, np.float32).reshape(-1, DIM) - np.float32(127.5)
    return np.roll(raw / np.linalg.norm(raw, axis=1, keepdims=True), version, axis=1)


def repository(folder: Path, *versions: int, dim: int = DIM) -> Path:
    """Make a model repository that serves ``versions``, or change the versions of a repository."""
    for version in versions:
        (folder / "sbert" / str(version)).mkdir(parents=True, exist_ok=True)
        shutil.copy(__file__, folder / "sbert" / str(version) / "model.py")
    (folder / "sbert" / "config.pbtxt").write_text(CONFIG % (dim, list(versions)))
    return folder


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._version = int(args["model_version"])
        self._fault = Path(args["model_repository"]).parent / "fault"

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        rows = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy().reshape(-1)
        texts = [row.decode() for row in rows]
        kind, _, how = self._fault.read_text().partition(" ") if self._fault.exists() else ("", "", "")
        if kind == "oom" and len(texts) > float(how or 0):
            return pb_utils.InferenceResponse(error=pb_utils.TritonError("CUDA error: out of memory"))
        if kind == "slow":
            time.sleep(float(how))
        made = vectors(texts, self._version)
        if kind == "long":
            made *= 2
        made[[kind == "nan" or text == "poison" for text in texts]] = math.nan
        return pb_utils.InferenceResponse([pb_utils.Tensor("EMBEDDING", made)])
