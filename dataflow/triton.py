"""``TritonEmbedder``: texts to vectors over gRPC, from any server that speaks KServe v2 as Triton does.

What may go wrong, and what is done about it:

- the server is away, full or too slow: held back and retried until ``max_outage``, then ``OutageError``;
- a request fails though another passes: halved until the row that is the cause is found, and that row
  alone is reported as failed;
- rows of an answer are no embeddings (not finite, or not of unit length where all are): asked again alone,
  then reported as failed, unless a text that is known to be good fares no better: ``ContractError``;
- the answer is not what was agreed at the start: ``ContractError``.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import grpc  # type: ignore[import-untyped]
import numpy as np

from dataflow import settings
from dataflow.embed import Embedded, Embedder, Vectors, unsound
from dataflow.errors import ContractError, OutageError, VersionGoneError
from dataflow.feed import Int64s, requests
from dataflow.follow import FollowingEmbedder
from dataflow.kserve import CONTRACT, PASSING, Connection, details
from dataflow.outage import Outage

Log = Callable[[str], None]

_LOGGER = logging.getLogger(__name__)

#: Texts that every model embeds. Two, to tell whether its embeddings all have length 1.
_PROBE = ("Is anybody there?", "yes")
_STARTUP_POLL_SECONDS = 0.2


class TritonEmbedder:
    """An ``Embedder`` of one version over a :class:`Connection`; make it with :func:`connect`."""

    def __init__(
        self,
        connection: Connection,
        options: settings.Embed,
        *,
        version: str,
        dim: int,
        rows: int,
        outage: Outage,
    ) -> None:
        self.model = options.model
        self.version = version
        self.dim = dim
        self._connection = connection
        self._rows = rows
        self._chars = options.max_request_chars
        self._in_flight = options.max_in_flight
        self._outage = outage
        self._unit = False

    def embed(self, texts: Sequence[str]) -> Embedded:
        return self._embed(texts, self._rows)

    def close(self) -> None:
        self._connection.close()

    def check(self) -> None:
        """Embed texts that are known to be good. Raises ``grpc.RpcError``, ``ContractError`` for nonsense."""
        vectors = self._vectors(self._connection.infer(_PROBE, self.version).result(), len(_PROBE))
        if bad := unsound(vectors, unit=self._unit):
            (row, why), *_ = bad.items()
            raise ContractError(f"{self.model} version {self.version} is broken: {why} for {_PROBE[row]!r}")
        self._unit = not unsound(vectors, unit=True)

    def _embed(self, texts: Sequence[str], rows: int) -> Embedded:
        """As :meth:`embed`, with at most ``rows`` texts in a request."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        failed: dict[int, str] = {}
        pending: deque[tuple[Int64s, _Request]] = deque()

        def finish() -> None:
            places, request = pending.popleft()
            answer = self._finish(request)
            vectors[places] = answer.vectors
            failed.update({int(places[row]): why for row, why in answer.failed.items()})

        try:
            for places in requests(texts, max_rows=rows, max_chars=self._chars):
                if len(pending) == self._in_flight:
                    finish()
                pending.append((places, self._begin([texts[place] for place in places])))
            while pending:
                finish()
        finally:
            for _, request in pending:
                request.future.cancel()
        return Embedded(vectors, self.version, failed)

    def _begin(self, texts: Sequence[str]) -> "_Request":
        return _Request(texts, self._connection.infer(texts, self.version), self._outage.ended)

    def _finish(self, request: "_Request") -> Embedded:
        """The answer to one request, however long it takes to get it."""
        texts, waits, refused = request.texts, 0, False
        while True:
            answer = self._answer(request)
            if not answer.why:
                return Embedded(answer.vectors, self.version)
            if request.outages < self._outage.ended:
                pass  # it failed in an outage that is over
            elif answer.passing or not self._answers_others():
                self._check_version(answer.why)
                self._outage.wait(answer.why, waits)
                waits += 1
            elif len(texts) > 1:
                return self._in_parts(texts, answer)
            elif refused:  # twice, and others passed in between
                zeros = np.zeros((1, self.dim), np.float32)
                return Embedded(zeros, self.version, {0: f"{self.model} refused it: {answer.why}"})
            else:
                refused = True
            request = self._begin(texts)

    def _answer(self, request: "_Request") -> "_Answer":
        try:
            vectors = self._vectors(request.future.result(), len(request.texts))
        except grpc.RpcError as error:
            if error.code() in CONTRACT:
                raise self._refusal(error) from None
            return _Answer(np.empty((0, self.dim), np.float32), {}, details(error), error.code() in PASSING)
        self._outage.over()
        bad = unsound(vectors, unit=self._unit)
        return _Answer(vectors, bad, next(iter(bad.values()), ""), False)

    def _in_parts(self, texts: Sequence[str], answer: "_Answer") -> Embedded:
        """The answer to texts of which some are at fault: those are asked alone, unknown ones by halves."""
        if not answer.bad:
            return self._embed(texts, (len(texts) + 1) // 2)
        rows, vectors = list(answer.bad), answer.vectors.copy()
        alone = self._embed([texts[row] for row in rows], 1)
        vectors[rows] = alone.vectors
        return Embedded(vectors, self.version, {rows[row]: why for row, why in alone.failed.items()})

    def _answers_others(self) -> bool:
        """Whether the server embeds texts that are known to be good."""
        try:
            self.check()
        except grpc.RpcError as error:
            if _refuses(error):
                raise self._refusal(error) from None
            return False
        self._outage.over()
        return True

    def _check_version(self, why: str) -> None:
        """Raise ``VersionGoneError`` if the server has other versions ready, and not this one.

        While it unloads one, and after that, Triton calls it unavailable, as if it were to come back.
        """
        try:
            ready = list(self._connection.metadata().versions)
        except grpc.RpcError:
            return
        if self.version not in ready:
            raise VersionGoneError(
                f"{self.model} version {self.version} is no longer served, {' and '.join(ready)} is ({why})"
            )

    def _vectors(self, answer: Any, rows: int) -> Vectors:
        given = [f"{tensor.datatype} {list(tensor.shape)}" for tensor in answer.outputs]
        agreed = f"FP32 {[rows, self.dim]}"
        raw = answer.raw_output_contents
        if given != [agreed] or [len(content) for content in raw] != [4 * rows * self.dim]:
            raise ContractError(
                f"{self.model} version {self.version} answered {' and '.join(given) or 'nothing'} for {rows} "
                f"texts, agreed was {agreed}; was another model loaded?"
            )
        vectors: Vectors = np.frombuffer(raw[0], "<f4").reshape(rows, self.dim)
        return vectors

    def _refusal(self, error: grpc.RpcError) -> ContractError:
        kind = VersionGoneError if error.code() is grpc.StatusCode.NOT_FOUND else ContractError
        return kind(f"{self.model} version {self.version} refused a request: {details(error)}")


class _Request(NamedTuple):
    texts: Sequence[str]
    future: Any
    #: How many outages had ended when it began.
    outages: int


class _Answer(NamedTuple):
    """``why`` empty: all is well. ``bad``: row -> why, if an answer came."""

    vectors: Vectors
    bad: dict[int, str]
    why: str
    #: Whether the cause passes by itself.
    passing: bool


def connect(
    options: settings.Embed,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    log: Log = _LOGGER.warning,
) -> Embedder:
    """An embedder over a server that was seen to hold the model of ``options`` and to embed with it.

    Waits ``startup_timeout`` for it. Raises ``OutageError`` if it does not answer by then, and
    ``ContractError`` if it has no such model, or one with other inputs, outputs or dimensions.
    """
    connection = Connection(options)
    outage = Outage(f"Triton at {options.url}", options.max_outage, sleep=sleep, clock=clock, log=log)
    until = clock() + options.startup_timeout.total_seconds()
    waiting = False
    try:
        while True:
            try:
                first = _checked(connection, options, outage)
                break
            except grpc.RpcError as error:
                if _refuses(error):
                    raise ContractError(
                        f"Triton at {options.url} has no usable model {options.model!r}: {details(error)}; "
                        "export and load it, or set DRIFTLINE_EMBED__MODEL"
                    ) from None
                if clock() >= until:
                    raise OutageError(
                        f"Triton at {options.url} does not answer ({details(error)}); "
                        "start it with `make sidecar` or set DRIFTLINE_EMBED__URL"
                    ) from None
                if not waiting:
                    log(f"waiting for Triton at {options.url}: {details(error)}")
                waiting = True
                sleep(_STARTUP_POLL_SECONDS)
    except BaseException:
        connection.close()
        raise
    if not options.follow:
        return first
    return FollowingEmbedder(
        first,
        partial(_another, connection, options.model_copy(update={"dim": first.dim}), outage),
        interval=options.follow_interval,
        wait=outage.wait,
        over=outage.over,
        clock=clock,
        log=log,
    )


def _another(
    connection: Connection, options: settings.Embed, outage: Outage, current: str
) -> TritonEmbedder | None:
    """The newest version that is ready, if it is not ``current`` and answers."""
    try:
        if _newest(connection.metadata(), options) == current:
            return None
        return _checked(connection, options, outage)
    except grpc.RpcError:
        return None


def _checked(connection: Connection, options: settings.Embed, outage: Outage) -> TritonEmbedder:
    metadata = connection.metadata(options.version or "")
    version = options.version or _newest(metadata, options)
    embedder = TritonEmbedder(
        connection,
        options,
        version=version,
        dim=_dimension(metadata, options),
        rows=min(options.max_request_rows, connection.max_batch_size(version) or options.max_request_rows),
        outage=outage,
    )
    # That the model is ready does not say that the encoder it calls is; an answer does.
    embedder.check()
    return embedder


def _newest(metadata: Any, options: settings.Embed) -> str:
    versions: list[str] = [version for version in metadata.versions if version.isdigit()]
    if not versions:
        raise ContractError(f"model {options.model!r} at {options.url} has no version with a number")
    return max(versions, key=int)


def _dimension(metadata: Any, options: settings.Embed) -> int:
    """The embedding's dimension. Raises ``ContractError`` if inputs or outputs are not as agreed."""
    inputs = [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in metadata.inputs]
    outputs = [(tensor.name, tensor.datatype, len(tensor.shape)) for tensor in metadata.outputs]
    where = f"model {options.model!r} at {options.url}"
    if inputs != [("TEXT", "BYTES", [-1, 1])] or outputs != [("EMBEDDING", "FP32", 2)]:
        raise ContractError(
            f"{where} takes {inputs} and gives {outputs}; needed are TEXT (BYTES, [-1, 1]) and EMBEDDING "
            "(FP32, [-1, dim]), as `python -m export build` makes it"
        )
    dim = int(metadata.outputs[0].shape[1])
    if options.dim not in (None, dim):
        raise ContractError(
            f"{where} gives {dim} dimensions, DRIFTLINE_EMBED__DIM asks for {options.dim}; "
            "change it, or load the model that it was set for"
        )
    return dim


def _refuses(error: grpc.RpcError) -> bool:
    """Whether it will say the same again, to any text."""
    return error.code() in CONTRACT or error.code() is grpc.StatusCode.INVALID_ARGUMENT
