"""``TritonEmbedder``: texts to vectors over gRPC, from any server that speaks KServe v2 as Triton does.

What may go wrong, and what is done about it:

- the server is away, full or too slow: held back and retried until ``max_outage``, then ``OutageError``;
- a request fails though another passes: halved until the row that is the cause is found, and that row
  alone is reported as failed;
- the answer is not what was agreed at the start: ``ContractError``.
"""

import logging
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import grpc  # type: ignore[import-untyped]
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from dataflow import settings
from dataflow.embed import Embedded, Vectors, finite, join
from dataflow.errors import ContractError, OutageError
from dataflow.outage import Outage

Log = Callable[[str], None]

_LOGGER = logging.getLogger(__name__)

#: Causes that pass without anything being done about them.
_PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
}
#: Causes that stay until somebody changes the settings or the server.
_CONTRACT = {
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}
_PROBE = ("Is anybody there?",)
_STARTUP_POLL_SECONDS = 0.2
_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # Pings while a call is out, so that a connection that died silently is noticed. Not more often: the
    # server takes frequent pings for an attack.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # By default a channel waits up to two minutes before it tries a returned server again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


class Connection:
    """One gRPC channel to one server, for one model. Its methods raise ``grpc.RpcError``."""

    def __init__(self, options: settings.Embed) -> None:
        self._model = options.model
        self._timeout = options.request_timeout.total_seconds()
        self._startup_timeout = min(self._timeout, options.startup_timeout.total_seconds())
        self._channel = grpc.insecure_channel(options.url, _CHANNEL)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def metadata(self, version: str) -> Any:
        """The model's ``ModelMetadataResponse``; ``version`` empty: of the newest."""
        request = service_pb2.ModelMetadataRequest(name=self._model, version=version)
        return self._stub.ModelMetadata(request, timeout=self._startup_timeout)

    def max_batch_size(self, version: str) -> int:
        """Rows that the server takes in one request."""
        request = service_pb2.ModelConfigRequest(name=self._model, version=version)
        return int(self._stub.ModelConfig(request, timeout=self._startup_timeout).config.max_batch_size)

    def infer(self, texts: Sequence[str], version: str) -> Any:
        """Begin a request; a future of its ``ModelInferResponse``."""
        request = service_pb2.ModelInferRequest(
            model_name=self._model,
            model_version=version,
            inputs=[
                service_pb2.ModelInferRequest.InferInputTensor(
                    name="TEXT", datatype="BYTES", shape=[len(texts), 1]
                )
            ],
            raw_input_contents=[_bytes_tensor(texts)],
        )
        return self._stub.ModelInfer.future(request, timeout=self._timeout)

    def close(self) -> None:
        self._channel.close()


class TritonEmbedder:
    """An ``Embedder`` over a checked :class:`Connection`; make it with :func:`connect`."""

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
        self._in_flight = options.max_in_flight
        self._outage = outage

    def embed(self, texts: Sequence[str]) -> Embedded:
        pending: deque[_Request] = deque()
        done: list[Embedded] = []
        try:
            for first in range(0, len(texts), self._rows):
                if len(pending) == self._in_flight:
                    done.append(self._finish(pending.popleft()))
                pending.append(self._begin(texts[first : first + self._rows]))
            while pending:
                done.append(self._finish(pending.popleft()))
        finally:
            for request in pending:
                request.future.cancel()
        return join(done, self.dim)

    def close(self) -> None:
        self._connection.close()

    def check(self) -> None:
        """Embed one text. Raises ``grpc.RpcError``, or ``ContractError`` for a wrong answer."""
        self._vectors(self._connection.infer(_PROBE, self.version).result(), len(_PROBE))

    def _begin(self, texts: Sequence[str]) -> "_Request":
        return _Request(texts, self._connection.infer(texts, self.version), self._outage.ended)

    def _finish(self, request: "_Request") -> Embedded:
        """The answer to one request, however long it takes to get it."""
        texts, waits, refused = request.texts, 0, False
        while True:
            try:
                vectors = self._vectors(request.future.result(), len(texts))
            except grpc.RpcError as error:
                if error.code() in _CONTRACT:
                    raise ContractError(self._refusal(error)) from None
                if request.outages < self._outage.ended:
                    pass  # it failed in an outage that is over
                elif error.code() in _PASSING or not self._answers_others():
                    self._outage.wait(_details(error), waits)
                    waits += 1
                elif len(texts) > 1:
                    half = len(texts) // 2
                    return join([self.embed(texts[:half]), self.embed(texts[half:])], self.dim)
                elif refused:  # twice, and others passed in between
                    why = f"{self.model} refused it: {_details(error)}"
                    return Embedded(np.zeros((1, self.dim), np.float32), {0: why})
                else:
                    refused = True
            else:
                self._outage.over()
                return finite(vectors)
            request = self._begin(texts)

    def _answers_others(self) -> bool:
        """Whether the server embeds a text that is known to be good."""
        try:
            self.check()
        except grpc.RpcError as error:
            if error.code() in _CONTRACT or error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                raise ContractError(self._refusal(error)) from None
            return False
        self._outage.over()
        return True

    def _vectors(self, answer: Any, rows: int) -> Vectors:
        given = [f"{tensor.datatype} {list(tensor.shape)}" for tensor in answer.outputs]
        agreed = f"FP32 {[rows, self.dim]}"
        if given != [agreed] or len(answer.raw_output_contents) != 1:
            raise ContractError(
                f"{self.model} version {self.version} answered {' and '.join(given) or 'nothing'} for {rows} "
                f"texts, agreed was {agreed}; was another model loaded?"
            )
        vectors: Vectors = np.frombuffer(answer.raw_output_contents[0], "<f4").reshape(rows, self.dim)
        return vectors

    def _refusal(self, error: grpc.RpcError) -> str:
        return f"{self.model} version {self.version} refused a request: {_details(error)}"


class _Request(NamedTuple):
    texts: Sequence[str]
    future: Any
    #: How many outages had ended when it began.
    outages: int


def connect(
    options: settings.Embed,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    log: Log = _LOGGER.warning,
) -> TritonEmbedder:
    """An embedder over a server that was seen to hold the model of ``options`` and to embed with it.

    Waits ``startup_timeout`` for it. Raises ``OutageError`` if it does not answer by then, and
    ``ContractError`` if it has no such model, or one with other inputs, outputs or dimensions.
    """
    connection = Connection(options)
    until = clock() + options.startup_timeout.total_seconds()
    waiting = False
    try:
        while True:
            try:
                return _checked(connection, options, sleep, clock, log)
            except grpc.RpcError as error:
                if error.code() in _CONTRACT or error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                    raise ContractError(
                        f"Triton at {options.url} has no usable model {options.model!r}: {_details(error)}; "
                        "export and load it, or set DRIFTLINE_EMBED__MODEL"
                    ) from None
                if clock() >= until:
                    raise OutageError(
                        f"Triton at {options.url} does not answer ({_details(error)}); "
                        "start it with `make sidecar` or set DRIFTLINE_EMBED__URL"
                    ) from None
                if not waiting:
                    log(f"waiting for Triton at {options.url}: {_details(error)}")
                waiting = True
                sleep(_STARTUP_POLL_SECONDS)
    except BaseException:
        connection.close()
        raise


def _checked(
    connection: Connection,
    options: settings.Embed,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    log: Log,
) -> TritonEmbedder:
    metadata = connection.metadata(options.version or "")
    version = options.version or max(metadata.versions, key=int)
    dim = _dimension(metadata, options)
    embedder = TritonEmbedder(
        connection,
        options,
        version=version,
        dim=dim,
        rows=min(options.max_request_rows, connection.max_batch_size(version) or options.max_request_rows),
        outage=Outage(f"Triton at {options.url}", options.max_outage, sleep=sleep, clock=clock, log=log),
    )
    # That the model is ready does not say that the encoder it calls is; an answer does.
    embedder.check()
    return embedder


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


def _bytes_tensor(texts: Sequence[str]) -> bytes:
    """KServe's BYTES tensor: each element after its length, uint32 little endian."""
    parts: list[bytes] = []
    for text in texts:
        encoded = text.encode()
        parts += (struct.pack("<I", len(encoded)), encoded)
    return b"".join(parts)


def _details(error: grpc.RpcError) -> str:
    """The cause, on one line."""
    text = " ".join(str(error.details()).split())
    if "Connection refused" in text:
        return "connection refused"
    name = str(error.code().name).lower().replace("_", " ")
    return f"{name}: {text[:300]}"
