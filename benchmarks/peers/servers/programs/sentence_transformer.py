"""sentence-transformers as its documentation uses it. Arguments: the folder of the model, and a backend.

``torch``, ``onnx`` and ``openvino`` compute in fp32, ``torch-bf16`` and ``openvino-bf16`` in bf16, and
``onnx-int8`` with the graph that the documentation makes for CPUs.
"""

import sys
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from benchmarks.peers.servers.programs.library import BATCH, answer

#: backend -> the arguments of the model. On a CPU with bf16, OpenVINO computes in bf16 unless told not to.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "torch": {},
    "torch-bf16": {"model_kwargs": {"torch_dtype": torch.bfloat16}},
    "onnx": {"backend": "onnx"},
    "onnx-int8": {"backend": "onnx", "model_kwargs": {"file_name": "model_qint8_avx512_vnni.onnx"}},
    "openvino": {
        "backend": "openvino",
        "model_kwargs": {"ov_config": {"INFERENCE_PRECISION_HINT": "f32"}},
    },
    "openvino-bf16": {
        "backend": "openvino",
        "model_kwargs": {"ov_config": {"INFERENCE_PRECISION_HINT": "bf16"}},
    },
}


def main(folder: str, backend: str) -> None:
    model = SentenceTransformer(folder, device="cpu", **ARGUMENTS[backend])

    def embed(texts: list[str]) -> np.ndarray:
        found = model.encode(texts, batch_size=BATCH, show_progress_bar=False, convert_to_tensor=True)
        return found.float().numpy()  # numpy knows no bfloat16

    answer(embed)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
