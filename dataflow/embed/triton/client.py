"""One model of one server over gRPC, as the KServe v2 protocol has it: channels, messages, causes of failure.

Only the modules of this package import gRPC.
"""

import itertools
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from tritonclient.grpc import service_pb2, service_pb2_grpc

from dataflow import settings
from dataflow.embed import repository
from dataflow.errors import SettingsError
from dataflow.telemetry.tracer import NO_TRACER, Tracer

#: Causes that pass without anything being done about them.
PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
}
#: Causes that stay until somebody changes the settings or the server.
CONTRACT = {
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}
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
    # By default channels to one address share one connection.
    ("grpc.use_local_subchannel_pool", 1),
]


class Connection:
    """Channels to one server, for one model; safe to share between threads. Raises ``grpc.RpcError``."""

    def __init__(self, options: settings.Embed, tracer: Tracer = NO_TRACER) -> None:
        self._tracer = tracer
        self._model = options.model
        self._timeout = options.request_timeout.total_seconds()
        self._startup_timeout = min(self._timeout, options.startup_timeout.total_seconds())
        self._channels = [_channel(options) for _ in range(options.channels)]
        stubs = [service_pb2_grpc.GRPCInferenceServiceStub(channel) for channel in self._channels]
        self._stub = stubs[0]
        self._stubs = itertools.cycle(stubs)

    def metadata(self, version: str = "") -> Any:
        """The model's ``ModelMetadataResponse``; ``version`` empty: with all that are ready."""
        request = service_pb2.ModelMetadataRequest(name=self._model, version=version)
        return self._stub.ModelMetadata(request, timeout=self._startup_timeout)

    def max_batch_size(self, version: str) -> int:
        """Rows that the server takes in one request."""
        request = service_pb2.ModelConfigRequest(name=self._model, version=version)
        return int(self._stub.ModelConfig(request, timeout=self._startup_timeout).config.max_batch_size)

    def identity(self, version: str) -> repository.Identity | None:
        """What the version says it is. Only of a model with an output ``SPEC``."""
        request = self._request([""], version, "SPEC")
        answer = self._stub.ModelInfer(request, timeout=self._startup_timeout)
        spec = answer.raw_output_contents[0][4:]  # after its length
        return repository.parsed(spec.decode(errors="replace"))

    def infer(self, texts: Sequence[str], version: str, sha256: str = "", *, check: bool = False) -> Any:
        """Begin a request, on each channel in turn; a future of its ``ModelInferResponse``.

        ``sha256``: of the model that the version must be, else it answers NOT_FOUND; ``check``: with the
        output ``CHECK``, which must be :func:`sums` of the texts.
        """
        request = self._request(texts, version, *["EMBEDDING", "CHECK"][: 1 + check])
        if sha256:
            request.parameters["sha256"].string_param = sha256
        span = self._tracer.request(
            "inference.GRPCInferenceService",
            "ModelInfer",
            model=self._model,
            model_version=version,
            rows=len(texts),
        )
        stub = next(self._stubs)
        answer = stub.ModelInfer.future(request, timeout=self._timeout, metadata=span.metadata)
        span.until(answer)
        return answer

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
        """Close the connections."""
        for channel in self._channels:
            channel.close()


def sums(texts: Sequence[str]) -> bytes:
    """A UINT32 tensor: the CRC-32 of each text."""
    return b"".join([struct.pack("<I", zlib.crc32(text.encode())) for text in texts])


def _channel(options: settings.Embed) -> Any:
    if options.tls_ca is None:
        return grpc.insecure_channel(options.url, _CHANNEL)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_pem(options.tls_ca, "tls_ca"),
        private_key=_pem(options.tls_key, "tls_key"),
        certificate_chain=_pem(options.tls_certificate, "tls_certificate"),
    )
    return grpc.secure_channel(options.url, credentials, _CHANNEL)


def _pem(path: Path | None, name: str) -> bytes | None:
    """The file's content. gRPC itself only logs a file that is none, and then fails to connect for ever."""
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
    """KServe's BYTES tensor: each element after its length, uint32 little endian."""
    parts: list[bytes] = []
    for text in texts:
        encoded = text.encode()
        parts += (struct.pack("<I", len(encoded)), encoded)
    return b"".join(parts)


def details(error: grpc.RpcError) -> str:
    """The cause, on one line."""
    text = " ".join(str(error.details()).split())
    if "Connection refused" in text:
        return "connection refused"
    name = str(error.code().name).lower().replace("_", " ")
    return f"{name}: {text[:300]}"


def refuses(error: grpc.RpcError) -> bool:
    """Whether it will say the same again, to any text."""
    return error.code() in CONTRACT or error.code() is grpc.StatusCode.INVALID_ARGUMENT
