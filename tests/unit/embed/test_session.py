"""A graph on the CPU, and on a GPU that is a fake."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from dataflow.embed import session
from dataflow.embed.cuda_session import CudaError, Gpu
from dataflow.embed.session import Device, Session
from dataflow.embed.tokens import CPU, GPU
from dataflow.errors import OutageError, SettingsError
from tests.support.tokenizers import saved, small_tokenizer

TEXTS = [" ".join(["disk", "node", "error"][: n % 3 + 1] * (n % 7 + 1)) for n in range(50)]


class OnGpu:
    """As ``CudaSession``: embeds a text as the sum of its tokens."""

    dim, gpu = 1, Gpu("H100", 80 << 30)

    def __init__(self, graph: Path, *, memory: int) -> None:
        self.memory = memory

    def run(self, feed: Any) -> Any:
        return (feed["input_ids"] * feed["attention_mask"]).sum(1, keepdims=True).astype(np.float32)


class Broken(OnGpu):
    def run(self, feed: Any) -> Any:
        raise CudaError("H100: out of memory")


class Unfit:
    def __init__(self, graph: Path, *, memory: int) -> None:
        raise CudaError("the driver is too old")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A graph that embeds a text as the sum of its tokens, and a tokenizer."""
    ints, floats = TensorProto.INT64, TensorProto.FLOAT
    nodes = [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["real"]),
        helper.make_node("Cast", ["real"], ["numbers"], to=floats),
        helper.make_node("ReduceSum", ["numbers", "axis"], ["embedding"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, ints, ["batch", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("embedding", floats, ["batch", 1])
    axis = helper.make_tensor("axis", ints, [1], [1])
    graph = helper.make_graph(nodes, "sums", inputs, [output], [axis])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "model.onnx")
    return tmp_path / "model.onnx", saved(small_tokenizer("bert"), tmp_path, pad_id=0)


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(session, "gpus", lambda: [OnGpu.gpu])
    monkeypatch.setattr(session, "CudaSession", OnGpu)
    return monkeypatch


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_without_a_gpu_the_cpu_runs_the_graph(
    device: Device, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "gpus", no_driver)
    found = Session(*files, device=device)
    assert (found.device, found.limits) == ("the CPU", CPU)
    assert len(found.encode(TEXTS)) == len(TEXTS)


def no_driver() -> Any:
    raise CudaError("this machine has no NVIDIA driver")


def test_a_gpu_that_is_asked_for_must_be_there(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataflow.embed.cuda_session.gpus", no_driver)
    with pytest.raises(SettingsError, match=r"^embed\.device=cuda: this machine has no NVIDIA driver$"):
        Session(*files, device="cuda")


@pytest.mark.parametrize("at_once", [1, 7, 50, 8192])
def test_the_gpu_embeds_each_text_as_the_cpu_does(
    at_once: int, files: tuple[Path, Path], one_gpu: pytest.MonkeyPatch
) -> None:
    one_gpu.setattr(session, "_AT_ONCE", at_once)
    gpu, cpu = Session(*files, device="auto"), Session(*files)
    assert (gpu.device, gpu.limits) == ("H100 (80 GiB)", GPU)
    np.testing.assert_array_equal(gpu.encode(TEXTS), cpu.encode(TEXTS))
    assert gpu.encode([]).shape == (0, 1)
    gpu.close()


def test_a_gpu_that_does_not_run_the_graph_is_left_with_a_warning(
    files: tuple[Path, Path], one_gpu: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one_gpu.setattr(session, "CudaSession", Unfit)
    with caplog.at_level(logging.WARNING):
        assert Session(*files, device="auto").device == "the CPU"
    assert "the driver is too old; the model runs on the CPU" in caplog.text
    with pytest.raises(SettingsError, match=r"embed\.device=cuda: the driver is too old"):
        Session(*files, device="cuda")


def test_a_gpu_that_fails_is_an_outage(files: tuple[Path, Path], one_gpu: pytest.MonkeyPatch) -> None:
    one_gpu.setattr(session, "CudaSession", Broken)
    with pytest.raises(OutageError, match=r"H100: out of memory; lower embed\.gpu_memory_bytes"):
        Session(*files, device="cuda").encode(TEXTS)
