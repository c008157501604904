"""The rewritten graph computes what the traced graph computes, in fewer operators."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.transformers import float16

from export.convert import cuda, quantise
from export.convert.architecture import Architecture

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 99,
}


def traced(kind: str, path: Path, *, fuse: bool = True) -> Path:
    # torch takes seconds to import, and each process of pytest-xdist would import it to collect the tests.
    import torch  # noqa: PLC0415
    from transformers import BertConfig, BertModel, MPNetConfig, MPNetModel  # noqa: PLC0415

    from export.convert import graph  # noqa: PLC0415

    torch.manual_seed(0)
    model: Any = BertModel(BertConfig(**SIZES)) if kind == "bert" else MPNetModel(MPNetConfig(**SIZES))
    for each in model.parameters():  # the initial biases are zero
        each.data += 0.1 * torch.randn_like(each)
    reference: Any = [type("Transformer", (), {"auto_model": model.eval()})()]
    graph.export(reference, Architecture("mean", normalize=True), path, fuse=fuse)
    return path


def embedded(path: Path) -> Any:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    draw = np.random.default_rng(0)
    lengths = draw.integers(2, 17, 12)
    mask = (np.arange(16) < lengths[:, None]).astype(np.int64)
    return session.run(None, {"input_ids": draw.integers(3, 99, mask.shape), "attention_mask": mask})[0]


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.mark.parametrize("kind", ["bert", "mpnet"])
def test_the_rewritten_graph_computes_the_same_in_fewer_operators(kind: str, tmp_path: Path) -> None:
    path = traced(kind, tmp_path / "model.onnx")
    before, expected = operators(path), embedded(path)
    assert cuda.rewrite(path)
    found = operators(path)
    np.testing.assert_allclose(embedded(path), expected, atol=1e-6)
    assert found["Attention"] == 2
    assert found["MultiHeadAttention"] == 0
    assert found["MatMul"] == before["MatMul"] - 2 * 3
    assert found["SkipLayerNormalization"] >= 4


@pytest.mark.parametrize("kind", ["bert", "mpnet"])
def test_the_rewritten_graph_converts_to_fp16(kind: str, tmp_path: Path) -> None:
    path = traced(kind, tmp_path / "model.onnx")
    expected = embedded(path)
    cuda.rewrite(path)
    quantise.to_fp16(path, half := tmp_path / "half.onnx")
    np.testing.assert_allclose(embedded(half), expected, atol=5e-3)
    large = [each.data_type for each in onnx.load(half).graph.initializer if np.prod(each.dims) >= 32 * 32]
    assert len(large) >= 2 * 4
    assert set(large) == {onnx.TensorProto.FLOAT16}


def test_a_graph_with_another_attention_stays_as_it_is(tmp_path: Path) -> None:
    path = traced("bert", tmp_path / "model.onnx", fuse=False)
    before = path.read_bytes()
    assert not cuda.rewrite(path)
    assert path.read_bytes() == before


def test_casts_that_the_converter_repeats_are_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 1.32, ONNX Runtime's converter makes the same cast for each node that reads a value."""
    convert = float16.convert_float_to_float16

    def twice(*arguments: Any, **options: Any) -> Any:
        model = convert(*arguments, **options)
        casts = [node for node in model.graph.node if node.op_type == "Cast"]
        model.graph.node.extend(casts)
        return model

    monkeypatch.setattr(float16, "convert_float_to_float16", twice)
    path = traced("bert", tmp_path / "model.onnx")
    quantise.to_fp16(path, half := tmp_path / "half.onnx")
    np.testing.assert_allclose(embedded(half), embedded(path), atol=5e-3)
