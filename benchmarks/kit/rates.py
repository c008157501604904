"""What this machine can do at most: products of matrices, and bytes to and from memory."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

#: Rows and columns of the matrices. A product takes 17 GFLOP, so that its start costs nothing.
SIDE = 2048
#: Bytes of each of the three arrays of a triad. A cache that many machines share may hold an array of this
#: size; then the rate is that of the cache.
TRIAD_BYTES = 1 << 28
#: Numbers of a block of the triad. What is in between stays in the nearest cache.
_BLOCK = 1 << 14
#: A product runs again and again for so long, at least.
_LEAST_S = 0.3

#: Does one product of matrices.
Product = Callable[[], object]
Clock = Callable[[], float]


def cpu_flags() -> frozenset[str]:
    """The features of the processor, as Linux names them, such as ``avx512f`` and ``amx_bf16``."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def products(threads: int, side: int = SIDE) -> dict[str, Product]:
    """A product of two float32 matrices of ``side`` x ``side`` in each library, by name.

    On a processor that computes with bfloat16, also a product of such matrices.
    """
    import torch  # noqa: PLC0415  the import takes seconds

    draw = np.random.default_rng(0)
    a, b = (draw.standard_normal((side, side), np.float32) for _ in range(2))
    out = np.empty_like(a)

    def numpy_product() -> None:
        with threadpool_limits(threads):
            np.matmul(a, b, out=out)

    def in_torch(dtype: Any) -> Product:
        left, right = (torch.from_numpy(each).to(dtype) for each in (a, b))

        def run() -> None:
            torch.set_num_threads(threads)
            torch.matmul(left, right)

        return run

    found: dict[str, Product] = {
        "numpy, fp32": numpy_product,
        "ONNX Runtime, fp32": chain([b], a, threads),
        "torch, fp32": in_torch(torch.float32),
    }
    if cpu_flags() & {"amx_bf16", "avx512_bf16"}:
        found["torch, bf16"] = in_torch(torch.bfloat16)
    return found


def chain(weights: Sequence[npt.NDArray[np.float32]], rows: npt.NDArray[np.float32], threads: int) -> Product:
    """``rows`` times each of ``weights``, one after the other, in ONNX Runtime."""
    run = chained(weights, threads)
    return lambda: run(rows)


def chained(
    weights: Sequence[npt.NDArray[np.floating[Any]]], threads: int
) -> Callable[[npt.NDArray[np.float32]], object]:
    """A function that multiplies its rows by each of ``weights``, one after the other, in ONNX Runtime.

    The numbers are scaled so that they stay of one magnitude.
    """
    import onnxruntime  # noqa: PLC0415  optional dependencies
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    names = ["rows", *(f"product_{number}" for number in range(len(weights)))]
    nodes = [
        helper.make_node("MatMul", [names[number], f"weight_{number}"], [names[number + 1]])
        for number in range(len(weights))
    ]
    scaled = [
        numpy_helper.from_array((each / np.sqrt(len(each))).astype(np.float32), f"weight_{number}")
        for number, each in enumerate(weights)
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
        for name, width in ((names[0], weights[0].shape[0]), (names[-1], weights[-1].shape[1]))
    ]
    graph = helper.make_graph(nodes, "products", ends[:1], ends[1:], scaled)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session: Any = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return lambda rows: session.run(None, {"rows": rows})


def flop_rate(product: Product, side: int = SIDE, clock: Clock = time.perf_counter) -> float:
    """FLOP a second of ``product``, a multiplication and an addition being two.

    ``clock``: for one thread, ``time.process_time`` leaves out other work on the machine.
    """
    product()
    begun, done = clock(), 0
    while (taken := clock() - begun) < _LEAST_S:
        product()
        done += 1
    return 2.0 * side**3 * done / taken


class Triad:
    """The triad of STREAM, ``a = b + 3 c`` over long arrays of float64, in ``threads`` threads.

    Each thread goes through its part in blocks, so that each number crosses the way to memory once.
    """

    def __init__(self, threads: int, array_bytes: int = TRIAD_BYTES) -> None:
        length = array_bytes // 8
        self._arrays = np.zeros(length), np.ones(length), np.ones(length)
        edges = np.linspace(0, length, threads + 1).astype(int).tolist()
        self._edges = list(itertools.pairwise(edges))
        self._bytes = 3 * 8 * length
        self._pool = ThreadPoolExecutor(threads)

    def rate(self, clock: Clock = time.perf_counter) -> float:
        """Bytes a second, read and written, without the reads that a cache does before a write."""
        begun = clock()
        list(self._pool.map(self._work, self._edges))
        return self._bytes / (clock() - begun)

    def _work(self, edges: tuple[int, int]) -> None:
        a, b, c = self._arrays
        scratch = np.empty(_BLOCK)
        for part in _blocks(*edges):
            between = scratch[: part.stop - part.start]
            np.multiply(c[part], 3.0, out=between)
            np.add(b[part], between, out=a[part])

    @property
    def result(self) -> npt.NDArray[np.float64]:
        """``a``, after a pass."""
        return self._arrays[0]

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


def _blocks(first: int, last: int) -> Iterator[slice]:
    for start in range(first, last, _BLOCK):
        yield slice(start, min(start + _BLOCK, last))
