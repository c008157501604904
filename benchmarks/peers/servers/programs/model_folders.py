"""The model in the forms that the peers load, made as the documentation of sentence-transformers says.

Arguments: the folder of the model, and the folder that gets ``onnx``, ``openvino``, ``onnx-int8`` for
sentence-transformers, and ``graph`` and ``graph-int8`` for programs that look for one ``model.onnx`` beside
the tokenizer.
"""

import shutil
import sys
from pathlib import Path

from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model

INT8 = "onnx/model_qint8_avx512_vnni.onnx"


def main(model: str, to: Path) -> None:
    onnx = SentenceTransformer(model, device="cpu", backend="onnx")
    onnx.save_pretrained(str(to / "onnx"))
    onnx.save_pretrained(str(to / "onnx-int8"))
    export_dynamic_quantized_onnx_model(onnx, "avx512_vnni", str(to / "onnx-int8"))
    SentenceTransformer(model, device="cpu", backend="openvino").save_pretrained(str(to / "openvino"))
    for name, graph in (("graph", to / "onnx/onnx/model.onnx"), ("graph-int8", to / "onnx-int8" / INT8)):
        shutil.copytree(to / "onnx", to / name, ignore=shutil.ignore_patterns("onnx"), dirs_exist_ok=True)
        shutil.copy(graph, to / name / "model.onnx")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
