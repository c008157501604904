"""Connects to Triton, or to another server that speaks KServe v2 as Triton does, and checks the model."""

import logging
import time
from collections.abc import Callable
from typing import Any

import grpc  # type: ignore[import-untyped]

from dataflow.embed import repository
from dataflow.embed.base import Embedder
from dataflow.embed.follow import FollowingEmbedder
from dataflow.embed.triton.client import Connection, cause, is_refusal
from dataflow.embed.triton.embedder import TritonEmbedder
from dataflow.embed.triton.served import HALF, ServedVersion
from dataflow.endpoints.outage import Outage
from dataflow.errors import ContractError, OutageError
from dataflow.settings import Embed
from dataflow.telemetry import metrics
from dataflow.telemetry.logs import Line
from dataflow.telemetry.tracer import NO_TRACER, Tracer

Log = Callable[[str], None]

_LOGGER = logging.getLogger(__name__)

_STARTUP_POLL_SECONDS = 0.2


def connect(
    options: Embed,
    *,
    tracer: Tracer = NO_TRACER,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    log: Log = _LOGGER.warning,
) -> Embedder:
    """Connect to the server of ``options`` and check that its model embeds texts.

    Waits up to ``embed.startup_timeout`` for the server. Raises ``OutageError`` if the server does not answer
    by then, ``ContractError`` if it has no such model, or one with other inputs, outputs or dimensions.
    """
    connection = Connection(options, tracer)
    outage = _outage(options, sleep, clock, log)
    until = clock() + options.startup_timeout.total_seconds()
    try:
        first = _await(_Server(connection, options, outage), until, sleep, clock, log)
    except BaseException:
        connection.close()
        raise
    if not options.follow:
        return first
    agreed = options.model_copy(update={"dim": first.dim})
    return FollowingEmbedder(first, _Server(connection, agreed, outage), options.follow_interval, clock, log)


def _outage(options: Embed, sleep: Callable[[float], None], clock: Callable[[], float], log: Log) -> Outage:
    """The outages of the server, which go to the log and to a gauge."""
    server = f"Triton at {options.url}"

    def began(cause: str) -> None:
        metrics.OUTAGE.set(1)
        sentence = f"{server}: {cause}; the flow waits until the server answers"
        log(Line("server_away", sentence, server=server, cause=cause))

    def ended(seconds: float, retries: int) -> None:
        metrics.OUTAGE.set(0)
        sentence = f"{server} answers again after {seconds} s and {retries} retries"
        log(Line("server_back", sentence, server=server, seconds=seconds, retries=retries))

    remedy = "start the flow again when the server is back, or raise DRIFTLINE_EMBED__MAX_OUTAGE"
    return Outage(server, options.max_outage, remedy, sleep=sleep, clock=clock, began=began, ended=ended)


class _Server:
    """The versions of the model of ``options`` at its server."""

    def __init__(self, connection: Connection, options: Embed, outage: Outage) -> None:
        self.url, self.model = options.url, options.model
        self._connection, self._options = connection, options
        self._outage = outage
        self.wait, self.over = outage.wait, outage.over

    def newer(self, current: str) -> TritonEmbedder | None:
        try:
            found = self.open()
        except grpc.RpcError:
            return None
        return None if found.version == current else found

    def open(self) -> TritonEmbedder:
        """An embedder of the pinned version, else of the newest version that is ready.

        Raises ``grpc.RpcError``, or ``ContractError`` if the version is not as ``options`` ask for.
        """
        options, connection = self._options, self._connection
        pinned, sha256 = repository.pinned(options.version)
        metadata = connection.metadata(pinned)
        number, dim = pinned or self._newest(metadata), self._dimension(metadata)
        outputs = {tensor.name: tensor.datatype for tensor in metadata.outputs}
        # A model that was not made by our export need not report what it is.
        identity = connection.identity(number) if "SPEC" in outputs else None
        where = f"{options.model} version {number} at {options.url}"
        held = repository.identity(options.repository, options.model, number)
        repository.require_same_model(identity, where, sha256=sha256, dim=dim, held=held)
        most_rows = int(connection.config(number).max_batch_size) or options.max_request_rows
        version = ServedVersion(
            number,
            identity,
            dim,
            min(options.max_request_rows, most_rows),
            checks="CHECK" in outputs,
            # The server rounds as this process would, so the state gets the same bits either way.
            half=options.store == "fp16" and outputs.get(HALF) == "FP16",
        )
        embedder = TritonEmbedder(connection, options, version, self._outage)
        # A model can be ready although the encoder that it calls is not. Only an answer shows that both are.
        embedder.check()
        connection.share(dim, embedder.check)
        return embedder

    def _newest(self, metadata: Any) -> str:
        numbers: list[str] = [version for version in metadata.versions if version.isdigit()]
        if not numbers:
            raise ContractError(f"model {self.model!r} at {self.url} has no version with a number")
        return max(numbers, key=int)

    def _dimension(self, metadata: Any) -> int:
        """The dimension of the embeddings. Raises ``ContractError`` for other inputs or outputs."""
        inputs = [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in metadata.inputs]
        outputs = [(tensor.name, tensor.datatype, len(tensor.shape)) for tensor in metadata.outputs]
        where = f"model {self.model!r} at {self.url}"
        if inputs != [("TEXT", "BYTES", [-1, 1])] or outputs[:1] != [("EMBEDDING", "FP32", 2)]:
            raise ContractError(
                f"{where} takes {inputs} and gives {outputs}; needed are TEXT (BYTES, [-1, 1]) and EMBEDDING "
                "(FP32, [-1, dim]), as `python -m export build` makes it"
            )
        dim = int(metadata.outputs[0].shape[1])
        if self._options.dim not in (None, dim):
            raise ContractError(
                f"{where} gives {dim} dimensions, DRIFTLINE_EMBED__DIM asks for {self._options.dim}; "
                "change it, or load the model that it was set for"
            )
        return dim


def _await(
    server: _Server, until: float, sleep: Callable[[float], None], clock: Callable[[], float], log: Log
) -> TritonEmbedder:
    """Open the server's model as soon as it answers, at the latest at the time ``until`` of ``clock``."""
    waiting = False
    while True:
        try:
            return server.open()
        except grpc.RpcError as error:
            if is_refusal(error):
                raise ContractError(
                    f"Triton at {server.url} has no usable model {server.model!r}: {cause(error)}; "
                    "export and load it, or set DRIFTLINE_EMBED__MODEL"
                ) from None
            if clock() >= until:
                raise OutageError(
                    f"Triton at {server.url} does not answer ({cause(error)}); "
                    "start it with `make sidecar` or set DRIFTLINE_EMBED__URL"
                ) from None
            if not waiting:
                sentence = f"waiting for Triton at {server.url}: {cause(error)}"
                log(Line("server_awaited", sentence, server=server.url, cause=cause(error)))
            waiting = True
            sleep(_STARTUP_POLL_SECONDS)
