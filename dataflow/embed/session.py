"""An ONNX graph with its tokenizer, on a CPU or on an NVIDIA GPU. Texts go in, vectors come out."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
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

#: Sessions on a GPU: one computes while the rows of the other are copied.
_ON_GPU = 2
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
        self._free: SimpleQueue[_Run] = SimpleQueue()
        self._pool: ThreadPoolExecutor | None = None
        if found := _on_gpu(graph, device, memory):
            for each in found:
                self._free.put(each.run)
            self._pool = ThreadPoolExecutor(len(found), "gpu")
            gpu = found[0].gpu
            #: Where the graph runs, for people.
            self.device = f"{gpu.name} ({gpu.memory / 2**30:.0f} GiB)"
            #: How texts are cut into batches.
            self.limits, self.dim = GPU, found[0].dim
            return
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        session: Any = onnxruntime.InferenceSession(str(graph), options, ["CPUExecutionProvider"])
        self._free.put(lambda feed: session.run(["embedding"], feed)[0])
        self.device, self.limits, self.dim = "the CPU", CPU, int(session.get_outputs()[0].shape[1])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed ``texts``: (n, dim) float32, one row for each text, in order. Raises ``OutageError``."""
        vectors = np.empty((len(texts), self.dim), np.float32)

        def fill(first: int, batch: "Batch") -> None:
            vectors[first + batch.rows] = self.compute(batch)

        computing = []
        for first in range(0, len(texts), _AT_ONCE):
            for batch in self._tokens.batches(texts[first : first + _AT_ONCE], **self.limits._asdict()):
                if self._pool:
                    computing.append(self._pool.submit(fill, first, batch))
                else:
                    fill(first, batch)
        for each in computing:
            each.result()
        return vectors

    def compute(self, batch: "Batch") -> Vectors:
        """Embed a batch of tokens: (b, dim) float32. Raises ``OutageError`` if the GPU fails."""
        run = self._free.get()
        try:
            vectors = run({"input_ids": batch.input_ids, "attention_mask": batch.attention_mask})
        except CudaError as error:
            remedy = "lower embed.gpu_memory_bytes if another process needs the memory"
            raise OutageError(f"{error}; {remedy}") from None
        finally:
            self._free.put(run)
        metrics.TOKENS_REAL.inc(int(batch.attention_mask.sum()))
        metrics.TOKENS_COMPUTED.inc(batch.attention_mask.size)
        return vectors

    def close(self) -> None:
        """End the threads that wait for a GPU."""
        if self._pool:
            self._pool.shutdown()


def _on_gpu(graph: Path, device: Device, memory: int) -> list[CudaSession]:
    """The graph on a GPU, in several sessions; none if it is to run on the CPU."""
    if device == "cpu":
        return []
    try:
        if device == "auto":
            gpus()
    except CudaError:
        return []
    try:
        return [CudaSession(graph, memory=memory // _ON_GPU) for _ in range(_ON_GPU)]
    except CudaError as error:
        if device == "cuda":
            raise SettingsError(f"embed.device=cuda: {error}") from None
        sentence = f"{error}; the model runs on the CPU"
        _LOGGER.warning(Line("gpu_unused", sentence, cause=str(error)))
        return []
