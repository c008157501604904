"""The embedder that runs the model in this process (``embed.kind = onnx``).

It reads the graph and the tokenizer from the model repository that Triton serves, and sorts and cuts texts as
the served model ``sbert`` does.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataflow.embed import repository
from dataflow.embed.base import Embedded, Embedder, invalid_vectors
from dataflow.embed.follow import FollowingEmbedder
from dataflow.errors import ContractError, SettingsError
from dataflow.items.arrays import Vectors
from dataflow.settings import Embed
from dataflow.telemetry import metrics
from dataflow.telemetry.tracer import NO_TRACER, Tracer

_LOGGER = logging.getLogger(__name__)


class Session:
    """An ONNX graph with its tokenizer. ``threads`` 0: as many threads as there are cores."""

    def __init__(self, graph: Path, tokenizer: Path, *, threads: int = 0) -> None:
        try:
            import onnxruntime  # noqa: PLC0415  an optional dependency

            from dataflow.embed.tokens import Tokens  # noqa: PLC0415  needs tokenizers, an optional dependency
        except ImportError as error:
            raise SettingsError(
                f"embed.kind=onnx needs {error.name}; install it with: pip install 'driftline[onnx]'"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(str(graph), options, ["CPUExecutionProvider"])
        self._tokens = Tokens(tokenizer)
        self.dim = int(self._session.get_outputs()[0].shape[1])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed ``texts``: (n, dim) float32, one row for each text, in order."""
        vectors = np.empty((len(texts), self.dim), np.float32)
        for batch in self._tokens.batches(texts):
            feed = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
            vectors[batch.rows] = self._session.run(["embedding"], feed)[0]
            metrics.TOKENS_REAL.inc(int(batch.attention_mask.sum()))
            metrics.TOKENS_COMPUTED.inc(batch.attention_mask.size)
        return vectors


class OnnxEmbedder:
    """An ``Embedder`` over a :class:`Session`."""

    def __init__(self, session: Session, model: str, version: str) -> None:
        self._session = session
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
    session = Session(graph, layout.tokenizer)
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
