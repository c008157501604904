"""``TritonEmbedder``: texts to vectors over gRPC, from a server that speaks KServe v2 as Triton does.

What may go wrong, and what the embedder does:

- The server is unreachable, full or too slow: the embedder sends the request again until the server
  answers, and raises ``OutageError`` after ``embed.max_outage``.
- A request fails although the server answers other requests: the embedder halves the request until it has
  found the text at fault, and reports that text alone as failed.
- Some vectors of an answer are invalid (not finite, or not of unit length where all are): the embedder asks
  again for each of these texts alone, then reports it as failed. If texts that are known to be good get
  invalid vectors too, the embedder raises ``ContractError``.
- The answer, or the model under the agreed version, is not as agreed at the start: ``ContractError``.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import grpc  # type: ignore[import-untyped]
import numpy as np

from dataflow.embed.base import Embedded, invalid_vectors
from dataflow.embed.repository import label
from dataflow.embed.triton.call import Call
from dataflow.embed.triton.client import PERMANENT, TRANSIENT, Connection, cause, is_refusal
from dataflow.embed.triton.requests import by_length
from dataflow.embed.triton.served import ServedVersion
from dataflow.endpoints.outage import Outage
from dataflow.errors import ContractError, VersionGoneError
from dataflow.items.arrays import Int64s, Vectors
from dataflow.settings import Embed
from dataflow.telemetry import metrics

#: Texts that every model embeds. Two texts show whether the model makes vectors of length 1.
_GOOD_TEXTS = ("Is anybody there?", "yes")


class _Request(NamedTuple):
    texts: Sequence[str]
    call: Call
    #: The number of outages that had ended when the request was sent.
    outages: int


class _Answer(NamedTuple):
    """The answer to a request. ``problem`` is empty if all vectors are valid."""

    vectors: Vectors
    #: Row -> reason, for the invalid vectors. Empty if the request failed as a whole.
    invalid: dict[int, str]
    problem: str
    #: Whether the problem passes by itself.
    transient: bool


class TritonEmbedder:
    """An ``Embedder`` of one version; :func:`dataflow.embed.triton.connect.connect` makes it."""

    def __init__(
        self, connection: Connection, options: Embed, version: ServedVersion, outage: Outage
    ) -> None:
        self.model = options.model
        self.version = label(version.number, version.identity)
        self.dim = version.dim
        self._served = version
        self._label = f"{self.model} version {self.version}"
        self._connection = connection
        self._chars = options.max_request_chars
        self._outage = outage
        self._unit = False

    def embed(self, texts: Sequence[str]) -> Embedded:
        return self._embed(texts, self._served.rows)

    def close(self) -> None:
        self._connection.close()

    def check(self) -> None:
        """Embed good texts. Raises ``grpc.RpcError``, or ``ContractError`` if a vector is invalid."""
        response = self._connection.infer(_GOOD_TEXTS, self._served).result()
        vectors = self._served.vectors(response, _GOOD_TEXTS, self._label)
        if invalid := invalid_vectors(vectors, unit=self._unit):
            (row, reason), *_ = invalid.items()
            text = _GOOD_TEXTS[row]
            raise ContractError(f"{self._label} is broken: {reason} for {text!r}")
        self._unit = not invalid_vectors(vectors, unit=True)

    def _embed(self, texts: Sequence[str], most_rows: int) -> Embedded:
        """Embed ``texts`` in requests of at most ``most_rows`` texts, several requests at a time."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        failed: dict[int, str] = {}
        pending: deque[tuple[Int64s, _Request]] = deque()

        def finish() -> None:
            rows, request = pending.popleft()
            answer = self._finish(request)
            vectors[rows] = answer.vectors
            failed.update({int(rows[row]): reason for row, reason in answer.failed.items()})

        try:
            for rows in by_length(texts, max_rows=most_rows, max_chars=self._chars):
                limit = self._connection.concurrency.limit
                while len(pending) >= limit:
                    finish()
                full = limit if len(pending) + 1 == limit else 0
                pending.append((rows, self._send([texts[row] for row in rows], full)))
            while pending:
                finish()
        finally:
            for _, request in pending:
                request.call.cancel()
        return Embedded(vectors, self.version, failed)

    def _send(self, texts: Sequence[str], limit: int = 0) -> _Request:
        """Send a request. ``limit``: how many are open with it, if no more may be; else 0."""
        metrics.REQUEST_TEXTS.observe(len(texts))
        call = self._connection.infer(texts, self._served, limit=limit)
        return _Request(texts, call, self._outage.count)

    def _send_again(self, request: _Request) -> _Request:
        metrics.RETRIES.inc()
        return self._send(request.texts)

    def _finish(self, request: _Request) -> Embedded:
        """Wait for the answer to ``request``, through outages; find the texts at fault if it fails."""
        answer = self._through_outages(request)
        if answer.problem and len(request.texts) == 1:
            # The server must refuse a text twice, and embed other texts in between: a server in trouble may
            # refuse any text once.
            answer = self._through_outages(self._send_again(request))
        if not answer.problem:
            return Embedded(answer.vectors, self.version)
        if len(request.texts) > 1:
            return self._in_parts(request.texts, answer)
        zeros = np.zeros((1, self.dim), np.float32)
        return Embedded(zeros, self.version, {0: f"{self.model} refused it: {answer.problem}"})

    def _through_outages(self, request: _Request) -> _Answer:
        """The answer to ``request`` without a problem, or with a problem that is the fault of its texts.

        Sends the request again while the server itself is in trouble.
        """
        waits = 0
        while True:
            answer = self._answer(request)
            if not answer.problem:
                return answer
            if request.outages == self._outage.count:  # else it failed in an outage that has ended
                if not answer.transient and self._embeds_good_texts():
                    return answer
                self._check_version(answer.problem)
                self._outage.wait(answer.problem, waits)
                waits += 1
            request = self._send_again(request)

    def _answer(self, request: _Request) -> _Answer:
        try:
            vectors = self._served.vectors(request.call.result(), request.texts, self._label)
        except grpc.RpcError as error:
            metrics.REQUEST_FAILURES.labels(error.code().name.lower()).inc()
            if error.code() in PERMANENT:
                raise self._refusal(error) from None
            no_vectors = np.empty((0, self.dim), np.float32)
            return _Answer(no_vectors, {}, cause(error), error.code() in TRANSIENT)
        self._outage.over()
        invalid = invalid_vectors(vectors, unit=self._unit)
        if invalid:
            metrics.REQUEST_FAILURES.labels("unsound").inc()
        return _Answer(vectors, invalid, next(iter(invalid.values()), ""), False)

    def _in_parts(self, texts: Sequence[str], answer: _Answer) -> Embedded:
        """Embed ``texts``, some of which are at fault: texts with invalid vectors alone, unknown texts by
        halves.
        """
        if not answer.invalid:
            return self._embed(texts, (len(texts) + 1) // 2)
        rows, vectors = list(answer.invalid), answer.vectors.copy()
        alone = self._embed([texts[row] for row in rows], 1)
        vectors[rows] = alone.vectors
        return Embedded(vectors, self.version, {rows[row]: why for row, why in alone.failed.items()})

    def _embeds_good_texts(self) -> bool:
        """Whether the server embeds texts that are known to be good."""
        try:
            self.check()
        except grpc.RpcError as error:
            if is_refusal(error):
                raise self._refusal(error) from None
            return False
        self._outage.over()
        return True

    def _check_version(self, problem: str) -> None:
        """Raise ``VersionGoneError`` if other versions are ready at the server, and this version is not.

        Triton reports a version as unavailable while it unloads the version and after that, as if the version
        would come back.
        """
        try:
            ready = list(self._connection.metadata().versions)
        except grpc.RpcError:
            return
        if self._served.number not in ready:
            raise VersionGoneError(f"{self._label} is no longer served, {' and '.join(ready)} is ({problem})")

    def _refusal(self, error: grpc.RpcError) -> ContractError:
        kind = VersionGoneError if error.code() is grpc.StatusCode.NOT_FOUND else ContractError
        return kind(f"{self._label} refused a request: {cause(error)}")
