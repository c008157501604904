"""Connects to a Triton (or any server that speaks KServe v2 as it does) and holds it to what was agreed."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc  # type: ignore[import-untyped]

from dataflow import settings
from dataflow.embed import repository
from dataflow.embed.base import Embedder
from dataflow.embed.follow import FollowingEmbedder
from dataflow.embed.triton.client import Connection, details, refuses
from dataflow.embed.triton.embedder import TritonEmbedder
from dataflow.endpoints.outage import Outage
from dataflow.errors import ContractError, OutageError
from dataflow.telemetry import metrics
from dataflow.telemetry.logs import Line
from dataflow.telemetry.tracer import NO_TRACER, Tracer

Log = Callable[[str], None]

_LOGGER = logging.getLogger(__name__)

_STARTUP_POLL_SECONDS = 0.2


def connect(
    options: settings.Embed,
    *,
    tracer: Tracer = NO_TRACER,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    log: Log = _LOGGER.warning,
) -> Embedder:
    """An embedder over a server that was seen to hold the model of ``options`` and to embed with it.

    Waits ``startup_timeout`` for it. Raises ``OutageError`` if it does not answer by then, and
    ``ContractError`` if it has no such model, or one with other inputs, outputs or dimensions.
    """
    connection = Connection(options, tracer)
    outage = _outage(options, sleep, clock, log)
    until = clock() + options.startup_timeout.total_seconds()
    waiting = False
    try:
        while True:
            try:
                first = _checked(connection, options, outage)
                break
            except grpc.RpcError as error:
                if refuses(error):
                    raise ContractError(
                        f"Triton at {options.url} has no usable model {options.model!r}: {details(error)}; "
                        "export and load it, or set DRIFTLINE_EMBED__MODEL"
                    ) from None
                if clock() >= until:
                    raise OutageError(
                        f"Triton at {options.url} does not answer ({details(error)}); "
                        "start it with `make sidecar` or set DRIFTLINE_EMBED__URL"
                    ) from None
                if not waiting:
                    sentence = f"waiting for Triton at {options.url}: {details(error)}"
                    log(Line("server_awaited", sentence, server=options.url, cause=details(error)))
                waiting = True
                sleep(_STARTUP_POLL_SECONDS)
    except BaseException:
        connection.close()
        raise
    if not options.follow:
        return first
    return FollowingEmbedder(
        first,
        partial(_another, connection, options.model_copy(update={"dim": first.dim}), outage),
        interval=options.follow_interval,
        wait=outage.wait,
        over=outage.over,
        clock=clock,
        log=log,
    )


def _outage(
    options: settings.Embed, sleep: Callable[[float], None], clock: Callable[[], float], log: Log
) -> Outage:
    """The outages of the server, logged and as a gauge."""
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


def _another(
    connection: Connection, options: settings.Embed, outage: Outage, current: str
) -> TritonEmbedder | None:
    """The newest version that is ready, if it is not ``current`` and answers."""
    try:
        found = _checked(connection, options, outage)
    except grpc.RpcError:
        return None
    return None if found.version == current else found


def _checked(connection: Connection, options: settings.Embed, outage: Outage) -> TritonEmbedder:
    number, sha256 = repository.pinned(options.version)
    metadata = connection.metadata(number)
    version, dim = number or _newest(metadata, options), _dimension(metadata, options)
    # A server of other people's need not say what it is.
    outputs = {tensor.name for tensor in metadata.outputs}
    identity = connection.identity(version) if "SPEC" in outputs else None
    where = f"{options.model} version {version} at {options.url}"
    held = repository.identity(options.repository, options.model, version)
    repository.require_same_model(identity, where, sha256=sha256, dim=dim, held=held)
    embedder = TritonEmbedder(
        connection,
        options,
        version=version,
        identity=identity,
        checks="CHECK" in outputs,
        dim=dim,
        rows=min(options.max_request_rows, connection.max_batch_size(version) or options.max_request_rows),
        outage=outage,
    )
    # That the model is ready does not say that the encoder it calls is; an answer does.
    embedder.check()
    return embedder


def _newest(metadata: Any, options: settings.Embed) -> str:
    versions: list[str] = [version for version in metadata.versions if version.isdigit()]
    if not versions:
        raise ContractError(f"model {options.model!r} at {options.url} has no version with a number")
    return max(versions, key=int)


def _dimension(metadata: Any, options: settings.Embed) -> int:
    """The embedding's dimension. Raises ``ContractError`` if inputs or outputs are not as agreed."""
    inputs = [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in metadata.inputs]
    outputs = [(tensor.name, tensor.datatype, len(tensor.shape)) for tensor in metadata.outputs]
    where = f"model {options.model!r} at {options.url}"
    if inputs != [("TEXT", "BYTES", [-1, 1])] or outputs[:1] != [("EMBEDDING", "FP32", 2)]:
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
