"""A KServe v2 server inside the test, which fails on demand, an embedder over it, and a clock for both."""

import json
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.grpc.model_config_pb2 import ModelInstanceGroup

from dataflow.embed.base import Embedder
from dataflow.embed.null import NullEmbedder
from dataflow.embed.triton.connect import connect
from dataflow.settings import Embed

Code = grpc.StatusCode
Fault = Callable[[list[str]], tuple[grpc.StatusCode, str] | None]


def fine(_: list[str]) -> None:
    return None


@dataclass
class Server(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """KServe v2 with the null embedder. ``fault`` decides which requests fail, and with which error."""

    dim: int = 4
    datatype: str = "FP32"
    versions: tuple[str, ...] = ("1", "10", "9")
    fault: Fault = fine
    nan: str | None = None
    sha256: str = ""
    #: So many of the next answers about the identity have no outputs.
    empty: int = 0
    #: Whether the model has an output of float16.
    half: bool = False
    #: Model -> the kinds of its instances.
    kinds: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"sbert": ("KIND_CPU",)})
    #: Each request gets the answer to the request before it.
    late: bool = False
    answers: list[Any] = field(default_factory=list)
    requests: list[list[str]] = field(default_factory=list)
    asked_versions: set[str] = field(default_factory=set)
    url: str = ""

    def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.name != "sbert":
            context.abort(Code.NOT_FOUND, f"Request for unknown model: '{request.name}' is not found")
        tensor = service_pb2.ModelMetadataResponse.TensorMetadata
        outputs = [tensor(name="EMBEDDING", datatype=self.datatype, shape=[-1, self.dim])]
        if self.half:
            outputs.append(tensor(name="EMBEDDING_FP16", datatype="FP16", shape=[-1, self.dim]))
        if self.sha256:
            outputs.append(tensor(name="SPEC", datatype="BYTES", shape=[-1, 1]))
            outputs.append(tensor(name="CHECK", datatype="UINT32", shape=[-1, 1]))
        return service_pb2.ModelMetadataResponse(
            name="sbert",
            versions=self.versions,
            inputs=[tensor(name="TEXT", datatype="BYTES", shape=[-1, 1])],
            outputs=outputs,
        )

    def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.name not in self.kinds:
            context.abort(Code.NOT_FOUND, f"Request for unknown model: '{request.name}' is not found")
        response = service_pb2.ModelConfigResponse()
        for kind in self.kinds[request.name]:
            response.config.instance_group.add(kind=ModelInstanceGroup.Kind.Value(kind))
        response.config.max_batch_size = 16
        return response

    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        texts = decode(request.raw_input_contents[0])
        if [output.name for output in request.outputs] == ["SPEC"]:
            if self.empty:
                self.empty -= 1
                return service_pb2.ModelInferResponse()
            spec = {"name": "small", "precision": "fp32", "dim": self.dim, "sha256": self.sha256}
            return service_pb2.ModelInferResponse(raw_output_contents=[encode(json.dumps(spec))])
        if request.parameters["sha256"].string_param not in ("", self.sha256):
            context.abort(Code.NOT_FOUND, "it is now another")
        self.requests.append(texts)
        self.asked_versions.add(request.model_version)
        if trouble := self.fault(texts):
            context.abort(*trouble)
        vectors = NullEmbedder(self.dim).embed(texts).vectors
        if self.nan in texts:
            vectors[texts.index(self.nan)] = np.nan
        names = [output.name for output in request.outputs]
        is_half = names[0] == "EMBEDDING_FP16"
        output = service_pb2.ModelInferResponse.InferOutputTensor(
            name=names[0], datatype="FP16" if is_half else "FP32", shape=vectors.shape
        )
        made = vectors.astype(np.float16 if is_half else np.float32).tobytes()
        answer = service_pb2.ModelInferResponse(outputs=[output], raw_output_contents=[made])
        if names[1:] == ["CHECK"]:
            check = service_pb2.ModelInferResponse.InferOutputTensor(
                name="CHECK", datatype="UINT32", shape=[len(texts), 1]
            )
            answer.outputs.append(check)
            answer.raw_output_contents.append(
                b"".join(struct.pack("<I", zlib.crc32(t.encode())) for t in texts)
            )
        if self.late:
            self.answers.append(answer)
            return self.answers[-2] if self.answers[1:] else answer
        return answer


def encode(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode()


def embedded(texts: Sequence[str]) -> Any:
    request = service_pb2.ModelInferRequest(raw_input_contents=[b"".join(map(encode, texts))])
    for name in ("EMBEDDING", "CHECK"):
        request.outputs.add(name=name)
    return request


def decode(raw: bytes) -> list[str]:
    texts = []
    while raw:
        end = 4 + int.from_bytes(raw[:4], "little")
        texts.append(raw[4:end].decode())
        raw = raw[end:]
    return texts


class Time:
    """A clock that moves only when :meth:`sleep` is called."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


TEXTS = [f"text {i}" for i in range(100)]


def expected(texts: Sequence[str]) -> list[list[float]]:
    """The vectors that a ``Server`` gives for ``texts``."""
    vectors: list[list[float]] = NullEmbedder(4).embed(texts).vectors.tolist()
    return vectors


@contextmanager
def running() -> Iterator[Server]:
    """A server on a free port."""
    servicer = Server()
    server = grpc.server(ThreadPoolExecutor(4))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    servicer.url = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(None).wait()


@dataclass
class Connected:
    """An embedder over a server, its clock, and what it logged."""

    embedder: Embedder
    time: Time
    logged: list[str]


Connect = Callable[..., Connected]


@contextmanager
def connecting(server: Server) -> Iterator[Connect]:
    """A function from ``embed`` options to an embedder over ``server``; closes the embedders at the end."""
    opened: list[Embedder] = []

    def make(**options: Any) -> Connected:
        time, logged = Time(), list[str]()
        embed = Embed(**({"url": server.url} | options))
        embedder = connect(embed, sleep=time.sleep, clock=time.clock, log=logged.append)
        opened.append(embedder)
        server.requests.clear()
        return Connected(embedder, time, logged)

    yield make
    for embedder in opened:
        embedder.close()
