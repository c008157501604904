"""Checks whether the model answers as agreed, and whether it is the model in the repository here."""

import re
import time
from contextlib import closing
from datetime import timedelta
from functools import partial

from dataflow.doctor import Case, Finding, device, failed, found
from dataflow.embed import open_embedder, repository
from dataflow.embed.base import Embedder
from dataflow.embed.onnx import OnnxEmbedder
from dataflow.errors import OutageError, SettingsError
from dataflow.settings import Embed

_TEXT = "Is anybody there?"
#: Words in gRPC's message about a server that answers, but with which TLS fails.
_TLS = re.compile("certificate|handshake|SSL_ERROR", re.IGNORECASE)
_LONGEST_WAIT = timedelta(seconds=3)


def findings(case: Case) -> list[Finding]:
    """What the doctor finds about the embedder and its model."""
    options = case.settings.embed
    triton = options.kind == "triton"
    try:
        embedder = _open(options)
    except Exception as error:
        skipped = Finding("model", "skipped", "no answer from the server to compare with")
        return [failed("embedder", error), *[skipped] * triton]
    with closing(embedder):
        finding = found("embedder", partial(_embedder, options, embedder))
        if not triton:
            return [finding]
        return [
            finding,
            found("device", partial(device.findings, options, embedder.version)),
            found("model", partial(_model, options, embedder.version)),
        ]


def _open(options: Embed) -> Embedder:
    wait = min(options.startup_timeout, _LONGEST_WAIT)
    quick = {"startup_timeout": wait, "follow": False, "cache_rows": 0, "store": "fp32"}
    try:
        return open_embedder(options.model_copy(update=quick))
    except OutageError as error:
        if _TLS.search(str(error)):
            raise SettingsError(
                f"{error}; it is TLS that fails: see DRIFTLINE_EMBED__TLS_CA, __TLS_CERTIFICATE"
            ) from None
        raise


def _embedder(options: Embed, embedder: Embedder) -> Finding:
    start = time.monotonic()
    embedder.embed([_TEXT])
    took_ms = (time.monotonic() - start) * 1e3
    where = f" at {options.url}" if options.kind == "triton" else ""
    if isinstance(embedder, OnnxEmbedder):
        where = f" on {embedder.device}"
    what = f"{embedder.model} version {embedder.version}, {embedder.dim} dimensions"
    return Finding("embedder", "ok", f"{options.kind}{where}: {what}; one text took {took_ms:.0f} ms")


def _model(options: Embed, served: str) -> Finding:
    """Compare the ``served`` version with the repository. The embedder refuses a version with another sum."""
    number, sha256 = repository.pinned(served)
    newest = repository.newest(options.repository, options.model)
    if not newest:
        return Finding("model", "skipped", f"{options.repository}: no model here to compare the server with")
    held = repository.identity(options.repository, options.model, number)
    if not held or not sha256:
        return Finding(
            "model",
            "warning",
            f"version {number} of the server cannot be compared with {options.repository}: one of them does "
            "not say what it is; see `python -m export list`, or set DRIFTLINE_EMBED__REPOSITORY",
        )
    if not options.version and newest != number:
        return Finding(
            "model",
            "warning",
            f"version {number} is {held}, but {newest} is to be served; `python -m export load` loads it",
        )
    return Finding("model", "ok", f"version {number} is {held}, as in {options.repository}")
