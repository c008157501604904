"""Asks whether a Triton server on loopback is ready, and finds the errors in its log."""

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

#: The address that the sidecar listens on.
HOST = "127.0.0.1"

_ANSWER_SECONDS = 5


def is_ready(grpc_port: int, other_ports: Iterable[int], credentials: Any = None) -> bool:
    """Whether the server answers on all its ports and all its models are ready.

    ``credentials``: gRPC's, for a server that uses TLS.
    """
    import grpc  # type: ignore[import-untyped]  # noqa: PLC0415  slow to import, and `--help` needs none
    from tritonclient.grpc import service_pb2, service_pb2_grpc  # noqa: PLC0415

    # Triton opens the other ports after the one for gRPC.
    if not all(map(listens, other_ports)):
        return False
    url, options = f"{HOST}:{grpc_port}", [("grpc.enable_http_proxy", 0)]
    with (
        grpc.secure_channel(url, credentials, options) if credentials else grpc.insecure_channel(url, options)
    ) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        try:
            return bool(stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=_ANSWER_SECONDS).ready)
        except grpc.RpcError:
            return False


def listens(port: int) -> bool:
    """Whether a process listens on ``port`` of the loopback address."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def errors_in(log: Path, lines: int = 12) -> str:
    """The last errors in the server's log, or the end of the log if it holds no error."""
    written = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    # Without a GPU the server always logs an error about CUDA.
    errors = [line for line in written if line.startswith(("E", "error")) and "Cuda" not in line]
    return "\n".join((errors or written)[-lines:])
