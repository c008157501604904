"""The embedder that runs the model in this process (``embed.kind = onnx``).

It reads the graph and the tokenizer from the model repository that Triton serves, and sorts and cuts texts as
the served model ``sbert`` does.
"""

import logging
import time
from collections.abc import Callable, Sequence

from dataflow.embed import repository
from dataflow.embed.base import Embedded, Embedder, invalid_vectors
from dataflow.embed.follow import FollowingEmbedder
from dataflow.embed.session import Session
from dataflow.errors import ContractError, SettingsError
from dataflow.settings import Embed
from dataflow.telemetry.tracer import NO_TRACER, Tracer

_LOGGER = logging.getLogger(__name__)


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
        self._session.close()


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
