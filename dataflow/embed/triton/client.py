"""A client for one model of one server, over gRPC with the KServe v2 protocol: channels, messages, errors.

Only the modules of this package import gRPC.
"""

import atexit
import itertools
import struct
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from tritonclient.grpc import service_pb2, service_pb2_grpc

from dataflow.embed import repository
from dataflow.embed.triton.call import Call
from dataflow.embed.triton.concurrency import Concurrency
from dataflow.embed.triton.served import ServedVersion
from dataflow.embed.triton.shared import Shared, wanted
from dataflow.errors import ContractError, SettingsError
from dataflow.settings import Embed
from dataflow.telemetry import metrics
from dataflow.telemetry.tracer import NO_TRACER, Tracer

#: Status codes of errors that pass by themselves.
TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
}
#: Status codes of errors that stay until somebody changes the settings or the server.
PERMANENT = {
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}
_LENGTH = struct.Struct("<I")
_OVERLOADED = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}
_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # gRPC pings the server while a call is open, to notice a connection that died silently. More frequent
    # pings would look like an attack to the server.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # By default a channel waits up to two minutes before it connects again to a server that was unreachable.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A name may have several addresses: requests go to all of them in turn.
    ("grpc.lb_policy_name", "round_robin"),
    # By default all channels to one address share one connection.
    ("grpc.use_local_subchannel_pool", 1),
]


class NoOutputsError(grpc.RpcError):  # type: ignore[misc]
    """Triton answered without any output, and without an error. Seen once, while a version was loaded beside
    another one; it passes, so it counts as an outage.
    """

    def code(self) -> grpc.StatusCode:
        """A code that passes."""
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        """What happened, for people."""
        return "Triton answered without any output"


class Connection:
    """Channels to one server, for one model. Safe to share between threads. Raises ``grpc.RpcError``.

    ``concurrency``: how many requests the threads may have open, each of them.
    """

    def __init__(self, options: Embed, tracer: Tracer = NO_TRACER) -> None:
        self._tracer = tracer
        self._model = options.model
        self._timeout = options.request_timeout.total_seconds()
        self._startup_timeout = min(self._timeout, options.startup_timeout.total_seconds())
        self._channels = [_channel(options) for _ in range(options.channels)]
        stubs = [service_pb2_grpc.GRPCInferenceServiceStub(channel) for channel in self._channels]
        self._stub = stubs[0]
        self._stubs = itertools.cycle(stubs)
        self._shared: Shared | None = None
        self._options: Embed | None = options
        most = options.max_in_flight
        self.concurrency = Concurrency(most, min(options.min_in_flight, most))

    def metadata(self, version: str = "") -> Any:
        """The model's ``ModelMetadataResponse``; ``version`` empty: it names all versions that are ready."""
        request = service_pb2.ModelMetadataRequest(name=self._model, version=version)
        return self._stub.ModelMetadata(request, timeout=self._startup_timeout)

    def config(self, version: str, model: str = "") -> Any:
        """The ``ModelConfig`` of a version of the model, or of another ``model``."""
        request = service_pb2.ModelConfigRequest(name=model or self._model, version=version)
        return self._stub.ModelConfig(request, timeout=self._startup_timeout).config

    def identity(self, version: str) -> repository.Identity | None:
        """The identity that the version reports. Only a model with the output ``SPEC`` reports one."""
        request = self._request([""], version, "SPEC")
        answer = self._stub.ModelInfer(request, timeout=self._startup_timeout)
        if not answer.raw_output_contents:
            raise NoOutputsError
        text = answer.raw_output_contents[0][4:]  # the first four bytes are the length
        return repository.parsed(text.decode(errors="replace"))

    def infer(self, texts: Sequence[str], version: ServedVersion, *, limit: int = 0) -> Call:
        """Send a request, on each channel in turn.

        A server with another model than that of ``version`` answers NOT_FOUND. ``limit``: how many requests
        are open with this one, if ``concurrency`` allows no more; else 0.
        """
        request = self._request(texts, version.number, *version.outputs)
        if version.identity:
            request.parameters["sha256"].string_param = version.identity.sha256
        send = partial(self._send, limit=limit, chars=sum(map(len, texts)))
        if self._shared is None or (slot := self._shared.take()) is None:
            return Call(request, send)
        return Call(request, send, slot, version.row_bytes * len(texts), self._shared.replace)

    def _send(self, request: Any, *, limit: int, chars: int) -> Any:
        """A future of the ``ModelInferResponse``."""
        span = self._tracer.request(
            "inference.GRPCInferenceService",
            "ModelInfer",
            model=self._model,
            model_version=request.model_version,
            rows=request.inputs[0].shape[0],
        )
        stub, sent = next(self._stubs), time.perf_counter()
        answer = stub.ModelInfer.future(request, timeout=self._timeout, metadata=span.metadata)
        span.until(answer)
        # Measured when the answer comes: with several requests open, the answer may be read much later.
        answer.add_done_callback(lambda done: self._measure(done, limit, chars, time.perf_counter() - sent))
        return answer

    def share(self, dim: int, prove: Callable[[], None]) -> None:
        """Let embeddings of ``dim`` numbers come through shared memory from now on, as ``embed.transport``
        says. ``prove`` embeds a text and raises if the answer is wrong.

        The first call decides. Raises ``SettingsError`` if ``transport = shm`` is not possible.
        """
        options, self._options = self._options, None
        if options is None or not wanted(options):
            return
        slot_bytes = options.max_request_rows * dim * 4
        shared = Shared(self._stub, options.url, options.max_in_flight, slot_bytes, options.key_file)
        if not (why := shared.open()):
            self._shared = shared
            try:
                prove()
            except (grpc.RpcError, ContractError) as error:
                why = str(error) if isinstance(error, ContractError) else cause(error)
        if not why:
            # The dataflow does not close its embedder when it ends.
            atexit.register(shared.close)
        else:
            shared.close()
            self._shared = None
            if options.transport == "shm":
                raise SettingsError(f"embed.transport=shm is not possible: {why}")
            shared.say(why)

    def _measure(self, answer: Any, limit: int, chars: int, seconds: float) -> None:
        metrics.REQUEST_SECONDS.observe(seconds)
        if answer.code() is grpc.StatusCode.OK:
            self.concurrency.answered(limit, chars, seconds)
        elif answer.code() in _OVERLOADED:
            self.concurrency.overloaded(limit)
        metrics.REQUESTS_IN_FLIGHT_LIMIT.set(self.concurrency.limit)

    def _request(self, texts: Sequence[str], version: str, *outputs: str) -> Any:
        message = service_pb2.ModelInferRequest
        text = message.InferInputTensor(name="TEXT", datatype="BYTES", shape=[len(texts), 1])
        return message(
            model_name=self._model,
            model_version=version,
            inputs=[text],
            outputs=[message.InferRequestedOutputTensor(name=name) for name in outputs],
            raw_input_contents=[_bytes_tensor(texts)],
        )

    def close(self) -> None:
        """Close the connections, and give up the shared memory."""
        if self._shared:
            self._shared.close()
            atexit.unregister(self._shared.close)
        for channel in self._channels:
            channel.close()


def _channel(options: Embed) -> Any:
    if options.tls_ca is None:
        return grpc.insecure_channel(options.url, _CHANNEL)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_pem(options.tls_ca, "tls_ca"),
        private_key=_pem(options.tls_key, "tls_key"),
        certificate_chain=_pem(options.tls_certificate, "tls_certificate"),
    )
    return grpc.secure_channel(options.url, credentials, _CHANNEL)


def _pem(path: Path | None, name: str) -> bytes | None:
    """The content of a PEM file. gRPC itself only logs a wrong file, and then fails to connect for ever."""
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"embed.{name}={path}: {error.strerror}") from None
    if b"-----BEGIN " not in content:
        raise SettingsError(f"embed.{name}={path}: not a PEM file")
    return content


def _bytes_tensor(texts: Sequence[str]) -> bytes:
    """A BYTES tensor of KServe: the length of each element (uint32, little endian), then the element."""
    encoded = list(map(str.encode, texts))
    lengths = map(_LENGTH.pack, map(len, encoded))
    return b"".join(chain.from_iterable(zip(lengths, encoded, strict=True)))


def cause(error: grpc.RpcError) -> str:
    """The cause of ``error``, on one line."""
    text = " ".join(str(error.details()).split())
    if "Connection refused" in text:
        return "connection refused"
    name = str(error.code().name).lower().replace("_", " ")
    return f"{name}: {text[:300]}"


def is_refusal(error: grpc.RpcError) -> bool:
    """Whether the server would give this answer to any text, again and again."""
    return error.code() in PERMANENT or error.code() is grpc.StatusCode.INVALID_ARGUMENT
