"""The in-process embedder (``embed.kind = onnx``): the served graph and tokenizer, without a server.

It reads the same ``model_repo/`` as Triton does, sorted and cut as ``sbert`` does it.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataflow import settings
from dataflow.embed import repository
from dataflow.embed.base import Embedded, Embedder, unsound
from dataflow.embed.follow import FollowingEmbedder
from dataflow.errors import ContractError, SettingsError
from dataflow.items.arrays import Vectors
from dataflow.telemetry import metrics
from dataflow.telemetry.tracer import NO_TRACER, Tracer

_LOGGER = logging.getLogger(__name__)


class Session:
    """An ONNX graph with its tokenizer. ``threads`` 0: as many as there are cores."""

    def __init__(self, graph: Path, tokenizer: Path, *, threads: int = 0) -> None:
        try:
            import onnxruntime  # noqa: PLC0415  an optional dependency

            from dataflow.embed.tokens import Tokens  # noqa: PLC0415  needs tokenizers, optional too
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
        """(n, dim) float32, one row a text, in order."""
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
        return Embedded(vectors, self.version, unsound(vectors, unit=False))

    def close(self) -> None:
        pass


def connect(
    options: settings.Embed,
    *,
    tracer: Tracer = NO_TRACER,
    clock: Callable[[], float] = time.monotonic,
    log: Callable[[str], None] = _LOGGER.warning,
) -> Embedder:
    """The embedder of ``embed.repository``, ``embed.model`` and ``embed.version`` (unset: the one that Triton
    would answer with).

    Raises ``SettingsError`` if the model is not there or a dependency is missing, ``ContractError`` if
    it has another dimension than ``embed.dim``.
    """
    first = _open(options, _newest(options))
    if not options.follow:
        return first
    agreed = options.model_copy(update={"dim": first.dim})

    def look(current: str) -> OnnxEmbedder | None:
        try:
            newest = _newest(options)
            if repository.label(newest, _identity(options, newest)) == current:
                return None
            return _open(agreed, newest)
        except SettingsError:  # it is being put there, or taken away
            return None

    # What is in memory answers whatever happens to the files: it is never gone, and nobody waits.
    return FollowingEmbedder(
        first,
        look,
        interval=options.follow_interval,
        wait=lambda _cause, _attempt: None,
        over=lambda: None,
        clock=clock,
        log=log,
    )


def _open(options: settings.Embed, version: str) -> OnnxEmbedder:
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


def _newest(options: settings.Embed) -> str:
    """The version that is pinned, else the one that Triton would answer with."""
    number, _ = repository.pinned(options.version)
    if found := number or repository.newest(options.repository, options.model):
        return found
    asked = repository.versions_asked_for(options.repository, options.model)
    raise SettingsError(
        f"{options.repository}: holds no whole version of {options.model}"
        + (f" of those that its config.pbtxt asks for, {asked}" if asked else "")
        + "; make it with `python -m export build MODEL`"
    )


def _identity(options: settings.Embed, version: str) -> repository.Identity | None:
    return repository.identity(options.repository, options.model, version)
