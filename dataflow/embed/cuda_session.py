"""Runs an ONNX graph on an NVIDIA GPU, with ONNX Runtime's CUDA execution provider.

The dataflow's in-process embedder and the sidecar run this one file:
:mod:`export.serve.tritonserver` copies it beside the ``model.py`` of the ``onnxruntime`` backend. It needs
numpy and onnxruntime-gpu only.
"""

import ctypes
from collections.abc import Mapping
from pathlib import Path
from threading import Lock, get_ident
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

#: Bytes that the CUDA arena of a session may take: 16,384 tokens of MPNet need a fifth of it.
MEMORY = 8 << 30
#: Most shapes with a CUDA graph. A shape holds its inputs, its output and a recorded sequence of kernels.
MAX_GRAPHS = 512
_NOT_RECORDED = "-1"
#: The kernel for attention that is the fastest for texts of up to 64 tokens; cuDNN's is from 128 tokens on.
_EFFICIENT_ATTENTION = "2"
_ERRORS = 3
#: The first run launches the kernels one by one and allocates memory; the second run records them.
_RUNS_TO_RECORD = 2
#: Holds for all sessions: while one stream of a process records, CUDA refuses calls that wait for another.
_ONE_AT_A_TIME = Lock()


class CudaError(Exception):
    """The graph does not run on the GPU. The message says why, and what to do."""


class Gpu(NamedTuple):
    """A GPU of this machine. ``memory``: bytes in all."""

    name: str
    memory: int


def gpus() -> list[Gpu]:
    """The NVIDIA GPUs that this process can use. Raises ``CudaError`` if there is no driver or no GPU."""
    driver = _driver()
    count = ctypes.c_int()
    _call(driver, "cuDeviceGetCount", ctypes.byref(count))
    return [_gpu(driver, number) for number in range(count.value)]


def _gpu(driver: Any, number: int) -> Gpu:
    name, memory = ctypes.create_string_buffer(256), ctypes.c_size_t()
    _call(driver, "cuDeviceGetName", name, len(name), number)
    _call(driver, "cuDeviceTotalMem_v2", ctypes.byref(memory), number)
    return Gpu(name.value.decode(), memory.value)


def _driver() -> Any:
    """The CUDA driver's library. NVIDIA's container runtime and the driver's package install it."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise CudaError("this machine has no NVIDIA driver (libcuda.so.1 is missing)") from None
    _call(driver, "cuInit", 0)
    return driver


def _call(driver: Any, function: str, *arguments: Any) -> None:
    if code := getattr(driver, function)(*arguments):
        name = ctypes.c_char_p()
        driver.cuGetErrorName(code, ctypes.byref(name))
        said = name.value.decode() if name.value else str(code)
        raise CudaError(f"the NVIDIA driver finds no GPU that it can use ({function}: {said})")


class _Recorded(NamedTuple):
    """What a CUDA graph of one shape reads and writes. A replay uses the same addresses in GPU memory."""

    rows: int
    inputs: Mapping[str, Any]
    output: Any
    binding: Any
    options: Any


class CudaSession:
    """An encoder's graph on a GPU. It is safe to share between threads; one call computes at a time.

    The first call with a shape records its kernels as a CUDA graph. Later calls replay the graph with one
    launch. For a single text of 16 tokens, this takes a quarter of the time (H100).

    ``memory``: bound of the CUDA arena in bytes. ``device``: number of the GPU. Raises ``CudaError`` if the
    graph cannot run there.
    """

    def __init__(self, graph: Path, *, device: int = 0, memory: int = MEMORY) -> None:
        found = gpus()
        if device >= len(found):
            raise CudaError(f"GPU {device} does not exist; this machine has {len(found)}")
        self.gpu = found[device]
        import onnxruntime  # noqa: PLC0415  a CPU process imports this module, too

        self._ort = onnxruntime
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise CudaError(
                "the package onnxruntime here is the one for CPUs; install the one for GPUs: pip uninstall "
                "onnxruntime, then pip install 'driftline[gpu]'"
            )
        # Version 1.31 warns that it misses a plug-in which it does not need.
        onnxruntime.set_default_logger_severity(_ERRORS)
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS
        provider = {
            "device_id": str(device),
            "gpu_mem_limit": str(min(memory, self.gpu.memory)),
            "arena_extend_strategy": "kSameAsRequested",
            "enable_cuda_graph": "1",
            # Without this, products in fp32 have the precision of TF32.
            "use_tf32": "0",
            "sdpa_kernel": _EFFICIENT_ATTENTION,
        }
        self._session: Any = self._open(graph, options, provider)
        output = self._session.get_outputs()[0]
        self._output, self.dim = output.name, int(output.shape[1])
        self._device = device
        self._recorded: dict[tuple[int, int, int], _Recorded] = {}

    def _open(self, graph: Path, options: Any, provider: Mapping[str, str]) -> Any:
        providers = [("CUDAExecutionProvider", dict(provider)), "CPUExecutionProvider"]
        try:
            session = self._ort.InferenceSession(str(graph), options, providers)
        except Exception as error:  # ONNX Runtime's errors have no common class that is public
            raise CudaError(f"{graph} does not load on {self.gpu.name}: {_line(error)}") from None
        # ONNX Runtime uses the CPU if a library of CUDA is missing, and says so in its log only.
        if "CUDAExecutionProvider" not in session.get_providers():
            raise CudaError(self._why_not())
        return session

    def _why_not(self) -> str:
        built_for = getattr(self._ort, "cuda_version", "") or "unknown"
        library = Path(self._ort.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"
        try:
            ctypes.CDLL(str(library))
            missing = "its CUDA provider did not start"
        except OSError as error:
            missing = _line(error)
        return (
            f"onnxruntime-gpu {self._ort.__version__} is built for CUDA {built_for} and does not run here: "
            f"{missing}; install its libraries with pip install 'onnxruntime-gpu[cuda,cudnn]', and an NVIDIA "
            "driver for that CUDA"
        )

    def run(self, feed: Mapping[str, npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
        """The output for ``feed``, arrays (b, length) int64 by the name of the input: (b, dim) float32.

        Raises ``CudaError`` if the GPU fails, or has too little memory.
        """
        rows, length = next(iter(feed.values())).shape
        with _ONE_AT_A_TIME:
            try:
                return self._run(feed, rows, self._recording(feed, padded_rows(rows), length))
            except Exception as error:
                raise CudaError(f"{self.gpu.name}: {_line(error)}") from None

    def _recording(
        self, feed: Mapping[str, npt.NDArray[np.int64]], rows: int, length: int
    ) -> _Recorded | None:
        """The recorded graph for the shape; None if there are too many of them."""
        # ONNX Runtime keeps the graphs of each thread apart.
        key = (get_ident(), rows, length)
        if key not in self._recorded and len(self._recorded) < MAX_GRAPHS:
            self._recorded[key] = self._record(feed, rows)
        return self._recorded.get(key)

    def _run(
        self, feed: Mapping[str, npt.NDArray[np.int64]], rows: int, recorded: _Recorded | None
    ) -> npt.NDArray[np.float32]:
        vectors: npt.NDArray[np.float32]
        if recorded is None:
            options = self._ort.RunOptions()
            options.add_run_config_entry("gpu_graph_id", _NOT_RECORDED)
            vectors = self._session.run([self._output], dict(feed), options)[0]
            return vectors
        for name, array in feed.items():
            recorded.inputs[name].update_inplace(_padded(array, recorded.rows))
        self._session.run_with_iobinding(recorded.binding, recorded.options)
        recorded.binding.synchronize_outputs()
        vectors = recorded.output.numpy()[:rows]
        return vectors

    def _record(self, feed: Mapping[str, npt.NDArray[np.int64]], rows: int) -> _Recorded:
        value, where = self._ort.OrtValue, ("cuda", self._device)
        inputs = {
            name: value.ortvalue_from_numpy(_padded(array, rows), *where) for name, array in feed.items()
        }
        output = value.ortvalue_from_shape_and_type((rows, self.dim), np.float32, *where)
        binding = self._session.io_binding()
        for name, each in inputs.items():
            binding.bind_ortvalue_input(name, each)
        binding.bind_ortvalue_output(self._output, output)
        options = self._ort.RunOptions()
        options.add_run_config_entry("gpu_graph_id", str(len(self._recorded) + 1))
        for _ in range(_RUNS_TO_RECORD):
            self._session.run_with_iobinding(binding, options)
            binding.synchronize_outputs()
        return _Recorded(rows, inputs, output, binding, options)


def padded_rows(rows: int) -> int:
    """The smallest number of rows with a CUDA graph that is at least ``rows``: four in each power of two.

    >>> [padded_rows(rows) for rows in (1, 3, 5, 8, 9, 100, 293, 1024)]
    [1, 3, 5, 8, 10, 112, 320, 1024]
    """
    step = max(1 << (rows - 1).bit_length() >> 3, 1)
    return -(-rows // step) * step


def _padded(array: npt.NDArray[np.int64], rows: int) -> npt.NDArray[np.int64]:
    """``array`` with its first row again and again below it, up to ``rows`` rows."""
    if len(array) == rows:
        return np.ascontiguousarray(array)
    return np.concatenate([array, np.broadcast_to(array[:1], (rows - len(array), array.shape[1]))])


def _line(error: Exception) -> str:
    """The message of ``error`` on one line."""
    return " ".join(str(error).split())[:300]
