"""``TritonEmbedder``: texts to vectors over gRPC, from any server that speaks KServe v2 as Triton does.

What may go wrong, and what is done about it:

- the server is away, full or too slow: held back and retried until ``max_outage``, then ``OutageError``;
- a request fails though another passes: halved until the row that is the cause is found, and that row
  alone is reported as failed;
- rows of an answer are no embeddings (not finite, or not of unit length where all are): asked again alone,
  then reported as failed, unless a text that is known to be good fares no better: ``ContractError``;
- the answer, or the model under the agreed version, is not what was agreed at the start: ``ContractError``.
"""

import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import grpc  # type: ignore[import-untyped]
import numpy as np

from dataflow import settings
from dataflow.embed.base import Embedded, unsound
from dataflow.embed.repository import Identity, label
from dataflow.embed.triton.client import CONTRACT, PASSING, Connection, details, refuses, sums
from dataflow.embed.triton.requests import by_length
from dataflow.endpoints.outage import Outage
from dataflow.errors import ContractError, VersionGoneError
from dataflow.items.arrays import Int64s, Vectors
from dataflow.telemetry import metrics

#: Texts that every model embeds. Two, to tell whether its embeddings all have length 1.
_PROBE = ("Is anybody there?", "yes")


class TritonEmbedder:
    """An ``Embedder`` of one version over a :class:`Connection`; make it with
    :func:`dataflow.embed.triton.connect.connect`.
    """

    def __init__(
        self,
        connection: Connection,
        options: settings.Embed,
        *,
        version: str,
        identity: Identity | None,
        checks: bool,
        dim: int,
        rows: int,
        outage: Outage,
    ) -> None:
        self.model = options.model
        self.version = label(version, identity)
        self.dim = dim
        self._number = version
        # Sent along with each request, so that a model exported anew under the same number is never taken
        # for the old one, whenever the server changes to it.
        self._sha256 = identity.sha256 if identity else ""
        self._checks = checks
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
        vectors = self._vectors(self._infer(_PROBE).result(), _PROBE)
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
            for places in by_length(texts, max_rows=rows, max_chars=self._chars):
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
        metrics.REQUEST_TEXTS.observe(len(texts))
        began = time.perf_counter()
        future = self._infer(texts)
        # When it is done, not when somebody comes to see: several are out at a time.
        future.add_done_callback(lambda _: metrics.REQUEST_SECONDS.observe(time.perf_counter() - began))
        return _Request(texts, future, self._outage.count)

    def _infer(self, texts: Sequence[str]) -> Any:
        return self._connection.infer(texts, self._number, self._sha256, check=self._checks)

    def _finish(self, request: "_Request") -> Embedded:
        """The answer to one request, however long it takes to get it."""
        texts, waits, refused = request.texts, 0, False
        while True:
            answer = self._answer(request)
            if not answer.why:
                return Embedded(answer.vectors, self.version)
            if request.outages < self._outage.count:
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
            metrics.RETRIES.inc()
            request = self._begin(texts)

    def _answer(self, request: "_Request") -> "_Answer":
        try:
            vectors = self._vectors(request.future.result(), request.texts)
        except grpc.RpcError as error:
            metrics.REQUEST_FAILURES.labels(error.code().name.lower()).inc()
            if error.code() in CONTRACT:
                raise self._refusal(error) from None
            return _Answer(np.empty((0, self.dim), np.float32), {}, details(error), error.code() in PASSING)
        self._outage.over()
        bad = unsound(vectors, unit=self._unit)
        if bad:
            metrics.REQUEST_FAILURES.labels("unsound").inc()
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
            if refuses(error):
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
        if self._number not in ready:
            raise VersionGoneError(
                f"{self.model} version {self.version} is no longer served, {' and '.join(ready)} is ({why})"
            )

    def _vectors(self, answer: Any, texts: Sequence[str]) -> Vectors:
        rows = len(texts)
        given = [f"{tensor.datatype} {list(tensor.shape)}" for tensor in answer.outputs]
        agreed = [f"FP32 {[rows, self.dim]}", f"UINT32 {[rows, 1]}"][: 1 + self._checks]
        raw = answer.raw_output_contents
        if given != agreed or len(raw) != len(agreed) or len(raw[0]) != 4 * rows * self.dim:
            raise ContractError(
                f"{self.model} version {self.version} answered {' and '.join(given) or 'nothing'} for {rows} "
                f"texts, agreed was {' and '.join(agreed)}; was another model loaded?"
            )
        # Triton takes a Python model that gets no CPU for a second for dead, and gives its late answer to the
        # request that comes next; so it goes on from there, with embeddings that look well.
        if self._checks and raw[1] != sums(texts):
            raise ContractError(
                f"{self.model} version {self.version} answered for other texts than it was asked; start the "
                "server again"
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
