"""The settings of the embedder."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dataflow.settings.group import Group
from dataflow.settings.values import Positive


class Embed(Group):
    """The embedder, which turns texts into vectors."""

    kind: Literal["triton", "onnx", "null"] = "triton"
    """Which embedder: ``triton`` calls a model server, ``onnx`` runs the same model in this process, ``null``
    hashes the texts and needs no model (for tests and benchmarks).
    """

    url: str = "127.0.0.1:8001"
    """Address of the gRPC endpoint of Triton, ``HOST:PORT``."""

    model: str = "sbert"
    """Name of the model in the model repository."""

    version: Annotated[str, Field(pattern=r"^[0-9]+(\+[0-9a-f]{4,64})?$")] | None = None
    """Version of the model: its number (``3``), or its number and the first 4 to 64 digits of the model's
    SHA-256 (``3+d3f9``). Unset: the newest version at the start.
    """

    follow: bool = False
    """Whether to change to a newer version of the model while the flow runs. A window never mixes versions,
    with or without this setting. Excludes ``version``.
    """

    follow_interval: Positive = timedelta(seconds=10)
    """How often ``follow`` looks for a newer version; longer than zero."""

    dim: Annotated[int, Field(ge=1)] | None = None
    """Number of dimensions that the embeddings must have, at least 1. Unset: as many as the model has (384
    with ``null``).
    """

    repository: Path = Path("model_repo")
    """Folder of the model repository. ``onnx`` reads the model there. ``triton`` refuses a server whose model
    differs from the same version in this folder.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where ``onnx`` runs the model: ``cuda`` on the first NVIDIA GPU, ``cpu`` on the CPU, ``auto`` on the
    first NVIDIA GPU if it runs the model, else on the CPU. With ``triton``, the configs of the server decide.
    """

    gpu_memory_bytes: Annotated[int, Field(ge=1 << 28)] = 8 << 30
    """Most bytes of GPU memory that ``onnx`` takes for weights and tensors, at least 256 MiB. The CUDA
    context of the process takes about 500 MB more.
    """

    store: Literal["fp32", "fp16"] = "fp32"
    """How the cache and the state of windows keep embeddings: ``fp16`` takes half of the memory and of the
    bytes of a snapshot, and rounds each number to 11 bits. Scorers compute with fp32 either way. A recovery
    store made with the other value is refused.
    """

    cache_rows: Annotated[int, Field(ge=0)] = 100_000
    """Most embeddings in the cache for texts that come again. An embedding takes 4 bytes for each dimension,
    or 2 with ``store=fp16``: 100,000 rows of 384 dimensions take 154 or 77 MB. 0: no cache.
    """

    max_request_rows: Annotated[int, Field(ge=1)] = 256
    """Most texts in a request to the model server, at least 1. The ``max_batch_size`` of the model may lower
    this bound.
    """

    max_request_chars: Annotated[int, Field(ge=1)] = 65_536
    """Most characters in a request to the model server, at least 1. A longer text makes a request of its own.
    """

    max_in_flight: Annotated[int, Field(ge=1)] = 16
    """Most requests that a worker has open at a time, at least 1. The number begins with ``min_in_flight``.
    It rises while that makes the model server answer more, and falls while answers take too long.
    """

    min_in_flight: Annotated[int, Field(ge=1)] = 2
    """Fewest requests to which that number falls, at least 1. With ``max_in_flight`` or more, the number is
    always ``max_in_flight``. 2: while the model server computes one request, the next one is on its way.
    """

    channels: Annotated[int, Field(ge=1)] = 2
    """Connections to the model server, which the requests of the process share, at least 1."""

    transport: Literal["auto", "grpc", "shm"] = "grpc"
    """How embeddings come from the model server: over ``grpc``, or through the shared memory of this host,
    ``shm``. ``auto``: through shared memory if ``url`` is a loopback address and the server can do it, else
    over gRPC. Texts go over gRPC. Needs ``max_in_flight * max_request_rows`` embeddings of room in
    ``/dev/shm``, which the process and the server must share.
    """

    key_file: Path | None = None
    """Path of the file with the key that the model server asks for before it uses shared memory. The sidecar
    writes ``out/triton.key``. Unset: the server asks for no key.
    """

    tls_ca: Path | None = None
    """Path of the certificates (PEM) of the authorities that the model server is checked against. Unset: the
    connection is not encrypted.
    """

    tls_certificate: Path | None = None
    """Path of the certificate (PEM) that this process shows to the model server, for mutual TLS. Needs
    ``tls_ca`` and ``tls_key``. Unset: this process shows none.
    """

    tls_key: Path | None = None
    """Path of the private key (PEM) of ``tls_certificate``. Unset: there is no key."""

    request_timeout: Positive = timedelta(seconds=60)
    """How long to wait for the answer to one request; longer than zero. Then the request is sent again."""

    startup_timeout: Positive = timedelta(seconds=30)
    """How long to wait at the start for the model server to answer; longer than zero. Then the process ends
    with exit code 2.
    """

    max_outage: Positive = timedelta(minutes=10)
    """How long the model server may be unreachable while the flow runs; longer than zero. Then the process
    ends with exit code 1; a restart with the same recovery store resumes.
    """

    @model_validator(mode="after")
    def _fits_together(self) -> "Embed":
        if self.follow and self.version:
            raise ValueError("embed.follow and embed.version exclude each other: follow takes the newest")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("embed.tls_certificate and embed.tls_key belong together: set both or neither")
        if self.tls_certificate and not self.tls_ca:
            raise ValueError("embed.tls_certificate needs embed.tls_ca, which turns TLS on")
        return self
