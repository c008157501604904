"""The servers and libraries of embeddings that are measured, each as its documentation starts it."""

import http.client
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.kit.candidates import CACHE, OUT, exported, near_lossless, served
from benchmarks.peers.environments import ROOT, python_of
from benchmarks.peers.processes import end_of, started
from benchmarks.peers.servers.encoders import Encoder, Library, Server, Vectors
from benchmarks.peers.servers.openai_client import OpenAIClient
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.settings import Embed
from export.convert import weights
from export.convert.precision import Precision
from export.serve.sidecar import Sidecar, free_port

#: Texts in a request and requests in flight, for all servers. So up to 1,024 texts are there at once, and
#: each server can sort them by length and fill its batches, as the libraries can.
ROWS, IN_FLIGHT = 128, 8
CACHE_ROWS = 100_000
#: Programs may reach no hub, and tell nobody about their use.
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
_READY_S = 180.0
SIDECAR = "Driftline's sidecar"

Opened = Callable[[], AbstractContextManager[Encoder]]


class Class(NamedTuple):
    """What is compared: encoders of one precision. ``cached``: the same with the cache that they bring."""

    encoders: Mapping[str, Opened]
    cached: Mapping[str, Opened]


def fp32(model: str) -> Class:
    """All encoders that compute in fp32."""
    infinity = partial(_infinity, model, "--engine", "torch")
    encoders: dict[str, Opened] = {
        SIDECAR: lambda: _sidecar(served(exported(model, "fp32")), cache_rows=0),
        "sentence-transformers": lambda: _sentence_transformer(model, "torch"),
        "sentence-transformers, ONNX": lambda: _sentence_transformer(model, "onnx"),
        "sentence-transformers, OpenVINO": lambda: _sentence_transformer(model, "openvino"),
        "fastembed": lambda: _library("fastembed", "fast_embed", str(_folder(model, "graph"))),
        "Infinity": infinity,
        "Infinity, ONNX": lambda: _infinity_onnx(model, "graph"),
        "LitServe": lambda: _lit_server(model),
    }
    cached: dict[str, Opened] = {
        SIDECAR: lambda: _sidecar(served(exported(model, "fp32")), cache_rows=CACHE_ROWS),
        "Infinity": lambda: infinity("--vector-disk-cache"),
    }
    return Class(encoders, cached)


def near(model: str, precision: Precision) -> Class:
    """All encoders that compute in less than fp32."""
    infinity = partial(_infinity, model, "--engine", "torch", "--dtype", "bfloat16")
    encoders: dict[str, Opened] = {
        SIDECAR: lambda: _sidecar(near_lossless(model, precision), cache_rows=0),
        "sentence-transformers, bf16": lambda: _sentence_transformer(model, "torch-bf16"),
        "sentence-transformers, ONNX int8": lambda: _sentence_transformer(model, "onnx-int8"),
        "sentence-transformers, OpenVINO bf16": lambda: _sentence_transformer(model, "openvino-bf16"),
        "Infinity, bf16": infinity,
        "Infinity, ONNX int8": lambda: _infinity_onnx(model, "graph-int8"),
    }
    cached: dict[str, Opened] = {
        SIDECAR: lambda: _sidecar(near_lossless(model, precision), cache_rows=CACHE_ROWS),
        "Infinity, bf16": lambda: infinity("--vector-disk-cache"),
    }
    return Class(encoders, cached)


@contextmanager
def _sidecar(server: Sidecar, cache_rows: int) -> Iterator[Encoder]:
    with server:
        embedder = open_embedder(
            Embed(
                url=server.url,
                repository=server.repository,
                cache_rows=cache_rows,
                max_request_rows=ROWS,
                max_in_flight=IN_FLIGHT,
                min_in_flight=IN_FLIGHT,
            )
        )
        assert server.pid
        send = partial(once, embedder) if cache_rows else lambda texts: embedder.embed(texts).vectors
        yield Server(server.pid, send)


def once(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """Equal texts of a call are embedded once, as in the embed stage of the dataflow."""
    rows: dict[str, int] = {}
    found = [rows.setdefault(text, len(rows)) for text in texts]
    return embedder.embed(list(rows)).vectors[found]


def _sentence_transformer(model: str, backend: str) -> AbstractContextManager[Encoder]:
    form = {"torch": "", "torch-bf16": "", "openvino-bf16": "openvino"}.get(backend, backend)
    return _library("sentence-transformers", "sentence_transformer", str(_folder(model, form)), backend)


@contextmanager
def _library(peer: str, program: str, *arguments: str) -> Iterator[Encoder]:
    command = [str(python_of(peer)), "-m", f"benchmarks.peers.servers.programs.{program}", *arguments]
    log = OUT / "servers" / f"{'-'.join((program, *arguments[1:]))}.log"
    with started(command, os.environ | _OFFLINE, log, pipes=True) as process:
        yield Library(process, log)


def _infinity(model: str, *arguments: str) -> AbstractContextManager[Encoder]:
    return _infinity_server(_folder(model), ROOT, *arguments)


def _infinity_onnx(model: str, form: str) -> AbstractContextManager[Encoder]:
    """Infinity finds the graph of a local folder only if the folder is the current one."""
    folder = _folder(model, form)
    return _infinity_server(Path(), folder, "--engine", "optimum", "--pooling-method", "mean")


@contextmanager
def _infinity_server(model: Path, cwd: Path, *arguments: str) -> Iterator[Encoder]:
    port = free_port()
    program = python_of("infinity").with_name("infinity_emb")
    where = ("--device", "cpu", "--host", "127.0.0.1", "--port", str(port), "--served-model-name", "peer")
    # Its own warm-up takes half a minute; the first round warms it up like the others.
    command = [str(program), "v2", "--model-id", str(model), "--no-model-warmup", *where, *arguments]
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | _OFFLINE | {"INFINITY_HOME": home, "HF_HOME": home}
        with _server(command, env, port, "/embeddings", "".join(("infinity", *arguments)), cwd) as encoder:
            yield encoder


@contextmanager
def _lit_server(model: str) -> Iterator[Encoder]:
    port = free_port()
    python = str(python_of("litserve"))
    command = [python, "-m", "benchmarks.peers.servers.programs.lit_server", str(_folder(model)), str(port)]
    with _server(command, os.environ | _OFFLINE, port, "/v1/embeddings", "litserve", ROOT) as encoder:
        yield encoder


@contextmanager
def _server(
    command: list[str], env: dict[str, str], port: int, path: str, name: str, cwd: Path
) -> Iterator[Encoder]:
    log = OUT / "servers" / f"{name}.log"
    with started(command, env, log, cwd=cwd) as process, OpenAIClient(port, path, ROWS, IN_FLIGHT) as client:
        _wait_until_ready(process, port, log)
        yield Server(process.pid, client.embed)


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + _READY_S
    while not _healthy(port):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{process.args!r} does not serve:\n{end_of(log)}")
        time.sleep(0.5)


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _folder(model: str, form: str = "") -> Path:
    """The folder of ``model`` as it is, or in a form of the program ``model_folders``."""
    folder = weights.locate(weights.named(model), CACHE, print)
    if not form:
        return folder
    made = OUT / "forms" / model
    if not (made / ".made").exists():
        program = "benchmarks.peers.servers.programs.model_folders"
        command = [str(python_of("sentence-transformers")), "-m", program, str(folder), str(made)]
        subprocess.run(command, check=True, cwd=ROOT, env=os.environ | _OFFLINE, stdout=subprocess.DEVNULL)
        (made / ".made").touch()
    return made / form
