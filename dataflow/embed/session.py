"""An ONNX graph with its tokenizer, on a CPU or on an NVIDIA GPU. Texts go in, vectors come out."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dataflow.embed.cuda_session import MEMORY, CudaError, CudaSession, gpus
from dataflow.errors import OutageError, SettingsError
from dataflow.items.arrays import Vectors
from dataflow.telemetry import metrics
from dataflow.telemetry.logs import Line

if TYPE_CHECKING:
    from dataflow.embed.tokens import Batch

_LOGGER = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "cuda"]
_Run = Callable[[dict[str, npt.NDArray[np.int64]]], Vectors]

#: Texts that are tokenised together; meanwhile a GPU computes those before them.
_AT_ONCE = 8192


class Session:
    """An ONNX graph with its tokenizer. ``threads`` 0: as many threads as there are cores.

    ``device``: ``auto`` takes the first GPU if it runs the graph, else the CPU. ``memory``: bytes that the
    session may take on a GPU.

    Raises ``SettingsError`` if a package is missing, or if the device is ``cuda`` and no GPU runs the graph.
    """

    def __init__(
        self, graph: Path, tokenizer: Path, *, threads: int = 0, device: Device = "cpu", memory: int = MEMORY
    ) -> None:
        try:
            import onnxruntime  # noqa: PLC0415  an optional dependency

            from dataflow.embed.tokens import CPU, GPU, Tokens  # noqa: PLC0415  needs tokenizers, optional
        except ImportError as error:
            raise SettingsError(
                f"embed.kind=onnx needs {error.name}; install it with: pip install 'driftline[onnx]', or "
                "'driftline[gpu]' for a GPU"
            ) from None
        self._tokens = Tokens(tokenizer)
        self._ahead: ThreadPoolExecutor | None = None
        if gpu := _on_gpu(graph, device, memory):
            self._ahead = ThreadPoolExecutor(1, "tokens")
            self._run: _Run = gpu.run
            #: Where the graph runs, for people.
            self.device = f"{gpu.gpu.name} ({gpu.gpu.memory / 2**30:.0f} GiB)"
            #: How texts are cut into batches.
            self.limits, self.dim = GPU, gpu.dim
            return
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        session: Any = onnxruntime.InferenceSession(str(graph), options, ["CPUExecutionProvider"])
        self._run = lambda feed: session.run(["embedding"], feed)[0]
        self.device, self.limits, self.dim = "the CPU", CPU, int(session.get_outputs()[0].shape[1])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed ``texts``: (n, dim) float32, one row for each text, in order. Raises ``OutageError``."""
        vectors = np.empty((len(texts), self.dim), np.float32)
        for first, batch in self._batches(texts):
            vectors[first + batch.rows] = self.compute(batch)
        return vectors

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[int, "Batch"]]:
        """Batches of tokens, each with the number of the text that its row 0 is. On a GPU, a thread makes the
        next batches while the GPU computes.
        """
        limits = self.limits._asdict()
        if self._ahead is None or len(texts) <= _AT_ONCE:
            yield from ((0, batch) for batch in self._tokens.batches(texts, **limits))
            return

        def cut(first: int) -> "list[Batch]":
            return list(self._tokens.batches(texts[first : first + _AT_ONCE], **limits))

        coming = deque(self._ahead.submit(cut, first) for first in range(0, len(texts), _AT_ONCE))
        for first in range(0, len(texts), _AT_ONCE):
            yield from ((first, batch) for batch in coming.popleft().result())

    def compute(self, batch: "Batch") -> Vectors:
        """Embed a batch of tokens: (b, dim) float32. Raises ``OutageError`` if the GPU fails."""
        try:
            vectors = self._run({"input_ids": batch.input_ids, "attention_mask": batch.attention_mask})
        except CudaError as error:
            remedy = "lower embed.gpu_memory_bytes if another process needs the memory"
            raise OutageError(f"{error}; {remedy}") from None
        metrics.TOKENS_REAL.inc(int(batch.attention_mask.sum()))
        metrics.TOKENS_COMPUTED.inc(batch.attention_mask.size)
        return vectors

    def close(self) -> None:
        """End the thread that makes batches."""
        if self._ahead:
            self._ahead.shutdown()


def _on_gpu(graph: Path, device: Device, memory: int) -> CudaSession | None:
    """The graph on a GPU; None if it is to run on the CPU."""
    if device == "cpu":
        return None
    try:
        if device == "auto":
            gpus()
    except CudaError:
        return None
    try:
        return CudaSession(graph, memory=memory)
    except CudaError as error:
        if device == "cuda":
            raise SettingsError(f"embed.device=cuda: {error}") from None
        sentence = f"{error}; the model runs on the CPU"
        _LOGGER.warning(Line("gpu_unused", sentence, cause=str(error)))
        return None
