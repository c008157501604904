"""The embedder that runs the model in this process (``embed.kind = onnx``).

It reads the graph and the tokenizer from the model repository that Triton serves, and sorts and cuts texts as
the served model ``sbert`` does.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dataflow.embed import cuda_session, repository
from dataflow.embed.base import Embedded, Embedder, invalid_vectors
from dataflow.embed.follow import FollowingEmbedder
from dataflow.errors import ContractError, OutageError, SettingsError
from dataflow.items.arrays import Vectors
from dataflow.settings import Embed
from dataflow.telemetry import metrics
from dataflow.telemetry.logs import Line
from dataflow.telemetry.tracer import NO_TRACER, Tracer

if TYPE_CHECKING:
    from dataflow.embed.tokens import Batch

_LOGGER = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "cuda"]
_Run = Callable[[dict[str, npt.NDArray[np.int64]]], Vectors]


class Session:
    """An ONNX graph with its tokenizer. ``threads`` 0: as many threads as there are cores.

    ``device``: ``auto`` takes the first GPU if it runs the graph, else the CPU. ``memory``: bytes that the
    session may take on a GPU.

    Raises ``SettingsError`` if a package is missing, or if the device is ``cuda`` and no GPU runs the graph.
    """

    def __init__(
        self,
        graph: Path,
        tokenizer: Path,
        *,
        threads: int = 0,
        device: Device = "cpu",
        memory: int = cuda_session.MEMORY,
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
        #: Where the graph runs, for people.
        self.device = "the CPU"
        if gpu := _on_gpu(graph, device, memory):
            self._run: _Run = gpu.run
            self.dim, self.limits = gpu.dim, GPU
            self.device = f"{gpu.gpu.name} ({gpu.gpu.memory / 2**30:.0f} GiB)"
            return
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        session: Any = onnxruntime.InferenceSession(str(graph), options, ["CPUExecutionProvider"])
        self._run = lambda feed: session.run(["embedding"], feed)[0]
        #: How texts are cut into batches for the device.
        self.dim, self.limits = int(session.get_outputs()[0].shape[1]), CPU

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed ``texts``: (n, dim) float32, one row for each text, in order."""
        vectors = np.empty((len(texts), self.dim), np.float32)
        for batch in self._tokens.batches(texts, **self.limits._asdict()):
            vectors[batch.rows] = self.compute(batch)
            metrics.TOKENS_REAL.inc(int(batch.attention_mask.sum()))
            metrics.TOKENS_COMPUTED.inc(batch.attention_mask.size)
        return vectors

    def compute(self, batch: "Batch") -> Vectors:
        """Embed a batch of tokens: (b, dim) float32. Raises ``OutageError`` if the GPU fails."""
        try:
            return self._run({"input_ids": batch.input_ids, "attention_mask": batch.attention_mask})
        except cuda_session.CudaError as error:
            raise OutageError(
                f"{error}; lower embed.gpu_memory_bytes if another process needs the memory"
            ) from None


def _on_gpu(graph: Path, device: Device, memory: int) -> cuda_session.CudaSession | None:
    """The graph on a GPU; None if it is to run on the CPU."""
    if device == "cpu":
        return None
    try:
        if device == "auto":
            cuda_session.gpus()
    except cuda_session.CudaError:
        return None
    try:
        return cuda_session.CudaSession(graph, memory=memory)
    except cuda_session.CudaError as error:
        if device == "cuda":
            raise SettingsError(f"embed.device=cuda: {error}") from None
        sentence = f"{error}; the model runs on the CPU"
        _LOGGER.warning(Line("gpu_unused", sentence, cause=str(error)))
        return None


class OnnxEmbedder:
    """An ``Embedder`` over a :class:`Session`."""

    def __init__(self, session: Session, model: str, version: str) -> None:
        self._session = session
        self.device = session.device
        self.dim = session.dim
        self.model = model
        self.version = version

    def embed(self, texts: Sequence[str]) -> Embedded:
        vectors = self._session.encode(texts)
        return Embedded(vectors, self.version, invalid_vectors(vectors, unit=False))

    def close(self) -> None:
        pass


def connect(
    options: Embed,
    *,
    tracer: Tracer = NO_TRACER,
    clock: Callable[[], float] = time.monotonic,
    log: Callable[[str], None] = _LOGGER.warning,
) -> Embedder:
    """Open ``embed.model`` of ``embed.repository`` in ``embed.version`` (unset: the version that Triton
    serves).

    Raises ``SettingsError`` if the model or a dependency is missing, ``ContractError`` if the model has
    another dimension than ``embed.dim``.
    """
    first = _open(options, _newest(options))
    if not options.follow:
        return first
    versions = _Versions(options.model_copy(update={"dim": first.dim}))
    return FollowingEmbedder(first, versions, options.follow_interval, clock, log)


class _Versions:
    """The versions of a model in a model repository.

    A version that was opened is in memory and answers whatever happens to its files. So no version is ever
    gone, and nothing waits for one.
    """

    def __init__(self, options: Embed) -> None:
        self._options = options

    def newer(self, current: str) -> OnnxEmbedder | None:
        try:
            newest = _newest(self._options)
            if repository.label(newest, _identity(self._options, newest)) == current:
                return None
            return _open(self._options, newest)
        except SettingsError:  # the export is writing or removing the newest version
            return None

    def wait(self, cause: str, attempt: int) -> None:
        pass

    def over(self) -> None:
        pass


def _open(options: Embed, version: str) -> OnnxEmbedder:
    layout = repository.Layout(options.repository, version, options.model)
    graph = layout.graph
    for path in (graph, layout.tokenizer):
        if not path.is_file():
            raise SettingsError(f"{path}: no such file; make it with `python -m export build MODEL`")
    session = Session(graph, layout.tokenizer, device=options.device, memory=options.gpu_memory_bytes)
    if options.dim not in (None, session.dim):
        raise ContractError(f"{graph} gives {session.dim} dimensions, embed.dim asks for {options.dim}")
    _, sha256 = repository.pinned(options.version)
    identity = _identity(options, version)
    repository.require_same_model(identity, str(graph), sha256=sha256, dim=session.dim, held=None)
    return OnnxEmbedder(session, options.model, repository.label(version, identity))


def _newest(options: Embed) -> str:
    """The number of the pinned version, else of the version that Triton serves."""
    number, _ = repository.pinned(options.version)
    if found := number or repository.newest(options.repository, options.model):
        return found
    asked = repository.versions_asked_for(options.repository, options.model)
    raise SettingsError(
        f"{options.repository}: holds no whole version of {options.model}"
        + (f" among the versions {asked} that its config.pbtxt asks for" if asked else "")
        + "; make it with `python -m export build MODEL`"
    )


def _identity(options: Embed, version: str) -> repository.Identity | None:
    return repository.identity(options.repository, options.model, version)
