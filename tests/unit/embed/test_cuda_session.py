"""The session on a GPU, over a fake of ONNX Runtime. No test has a GPU."""

import ctypes
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.embed import cuda_session
from dataflow.embed.cuda_session import CudaError, CudaSession, Gpu, padded_rows

DIM = 4


class Value:
    """An ``OrtValue``: an array in the memory of the GPU."""

    def __init__(self, array: Any) -> None:
        self.array = np.array(array)

    def update_inplace(self, array: Any) -> None:
        assert array.shape == self.array.shape, "a CUDA graph reads the same memory each time"
        assert array.flags.c_contiguous
        self.array[:] = array

    def numpy(self) -> Any:
        return self.array.copy()


class Session:
    """A session that embeds a row as the sum of its tokens, and counts what is launched and replayed."""

    def __init__(self, path: str, options: Any, providers: Any) -> None:
        self.providers = [providers[0][0], providers[1]]
        self.options = providers[0][1]
        self.launched: list[tuple[str, tuple[int, ...]]] = []

    def get_providers(self) -> list[str]:
        return self.providers

    def get_outputs(self) -> Any:
        return [SimpleNamespace(name="embedding", shape=["batch", DIM])]

    def io_binding(self) -> Any:
        return Binding()

    def run(self, outputs: list[str], feed: Mapping[str, Any], options: Any) -> list[Any]:
        self.launched.append((options.entries["gpu_graph_id"], feed["input_ids"].shape))
        return [embedded(feed["input_ids"], feed["attention_mask"])]

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        ids = binding.values["input_ids"].array
        self.launched.append((options.entries["gpu_graph_id"], ids.shape))
        binding.values["embedding"].array[:] = embedded(ids, binding.values["attention_mask"].array)


class Binding:
    def __init__(self) -> None:
        self.values: dict[str, Value] = {}

    def bind_ortvalue_input(self, name: str, value: Value) -> None:
        self.values[name] = value

    bind_ortvalue_output = bind_ortvalue_input

    def synchronize_outputs(self) -> None:
        pass


class Options:
    def __init__(self) -> None:
        self.entries: dict[str, str] = {}
        self.log_severity_level = 0

    def add_run_config_entry(self, name: str, value: str) -> None:
        self.entries[name] = value


def embedded(ids: Any, mask: Any) -> Any:
    sums = (ids * mask).sum(1, keepdims=True)
    return (sums * np.arange(1, DIM + 1)).astype(np.float32)


def fake(**changes: Any) -> Any:
    values = {
        "OrtValue": SimpleNamespace(
            ortvalue_from_numpy=lambda array, *_: Value(array),
            ortvalue_from_shape_and_type=lambda shape, *_: Value(np.full(shape, np.nan, np.float32)),
        ),
        "RunOptions": Options,
        "SessionOptions": Options,
        "InferenceSession": Session,
        "get_available_providers": lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
        "set_default_logger_severity": lambda level: None,
        "__version__": "1.31.1",
        "__file__": "/nowhere/onnxruntime/__init__.py",
        "cuda_version": "13.0",
    }
    return SimpleNamespace(**values | changes)


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(cuda_session, "gpus", lambda: [Gpu("H100", 80 << 30)])
    monkeypatch.setitem(sys.modules, "onnxruntime", fake())
    return monkeypatch


def feed(rows: int, length: int, seed: int = 0) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    mask = np.arange(length) < draw.integers(1, length + 1, rows)[:, None]
    return {"input_ids": draw.integers(1, 999, (rows, length)), "attention_mask": mask.astype(np.int64)}


@given(rows=st.integers(1, 5000))
def test_rows_are_padded_by_less_than_a_quarter(rows: int) -> None:
    padded = padded_rows(rows)
    assert rows <= padded <= max(rows * 1.25, 1)
    assert padded_rows(padded) == padded


def test_there_are_four_numbers_of_rows_in_each_power_of_two() -> None:
    assert len({padded_rows(rows) for rows in range(1, 1025)}) == 8 + 4 * 7


@pytest.mark.usefixtures("one_gpu")
def test_each_row_is_answered_whatever_the_padding() -> None:
    session = CudaSession(Path("model.onnx"))
    for seed, (rows, length) in enumerate([(1, 8), (9, 8), (10, 8), (9, 16), (100, 8), (9, 8)]):
        given = feed(rows, length, seed)
        found = session.run(given)
        assert found.shape == (rows, DIM)
        np.testing.assert_array_equal(
            found, embedded(**{"ids": given["input_ids"], "mask": given["attention_mask"]})
        )


@pytest.mark.usefixtures("one_gpu")
def test_a_shape_is_recorded_once_and_then_replayed() -> None:
    session = CudaSession(Path("model.onnx"))
    for _ in range(5):
        session.run(feed(9, 8))
    launched = session._session.launched
    # Two runs record, and each call replays.
    assert launched == [("1", (10, 8))] * 7
    session.run(feed(10, 8))
    assert launched[7:] == [("1", (10, 8))]
    session.run(feed(11, 8))
    assert launched[8:] == [("2", (12, 8))] * 3


def test_no_more_shapes_are_recorded_than_the_memory_is_made_for(one_gpu: pytest.MonkeyPatch) -> None:
    one_gpu.setattr(cuda_session, "MAX_GRAPHS", 2)
    session = CudaSession(Path("model.onnx"))
    for length in (8, 16, 24):
        given = feed(3, length)
        np.testing.assert_array_equal(
            session.run(given), embedded(given["input_ids"], given["attention_mask"])
        )
    assert session._session.launched[-1] == ("-1", (3, 24))


def test_the_memory_is_bounded_by_what_the_gpu_has(one_gpu: pytest.MonkeyPatch) -> None:
    one_gpu.setattr(cuda_session, "gpus", lambda: [Gpu("T4", 16 << 30)])
    bounds = [
        CudaSession(Path("model.onnx"), memory=memory)._session.options["gpu_mem_limit"]
        for memory in (4 << 30, 64 << 30)
    ]
    assert bounds == [str(4 << 30), str(16 << 30)]


def test_the_package_for_cpus_is_named(one_gpu: pytest.MonkeyPatch) -> None:
    one_gpu.setitem(
        sys.modules, "onnxruntime", fake(get_available_providers=lambda: ["CPUExecutionProvider"])
    )
    with pytest.raises(CudaError, match=r"the one for CPUs; install .*driftline\[gpu\]"):
        CudaSession(Path("model.onnx"))


def test_a_session_that_fell_back_to_the_cpu_is_refused(one_gpu: pytest.MonkeyPatch) -> None:
    class FellBack(Session):
        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    one_gpu.setitem(sys.modules, "onnxruntime", fake(InferenceSession=FellBack))
    with pytest.raises(CudaError, match=r"is built for CUDA 13\.0 .*libonnxruntime_providers_cuda\.so"):
        CudaSession(Path("model.onnx"))


def test_a_gpu_that_does_not_exist_is_refused(one_gpu: pytest.MonkeyPatch) -> None:
    with pytest.raises(CudaError, match="GPU 1 does not exist; this machine has 1"):
        CudaSession(Path("model.onnx"), device=1)


def test_what_fails_on_the_gpu_is_one_line(one_gpu: pytest.MonkeyPatch) -> None:
    class Full(Session):
        def run_with_iobinding(self, binding: Any, options: Any) -> None:
            raise RuntimeError("CUDA failure 2:\n  out of memory")

    one_gpu.setitem(sys.modules, "onnxruntime", fake(InferenceSession=Full))
    with pytest.raises(CudaError, match=r"^H100: CUDA failure 2: out of memory$"):
        CudaSession(Path("model.onnx")).run(feed(1, 8))


def test_a_machine_without_a_driver_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(CudaError, match="no NVIDIA driver"):
        cuda_session.gpus()


def test_a_driver_without_a_gpu_says_what_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def name(code: int, pointer: Any) -> int:
        pointer._obj.value = b"CUDA_ERROR_NO_DEVICE"
        return 0

    driver = SimpleNamespace(cuInit=lambda flags: 100, cuGetErrorName=name)
    monkeypatch.setattr(ctypes, "CDLL", lambda path: driver)
    with pytest.raises(CudaError, match=r"cuInit: CUDA_ERROR_NO_DEVICE"):
        cuda_session.gpus()
