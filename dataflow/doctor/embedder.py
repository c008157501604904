"""Does the model answer as agreed, and is it the model that the repository here describes?"""

import re
import time
from datetime import timedelta

from dataflow.doctor import Case, Finding, found
from dataflow.embed import open_embedder, repository
from dataflow.embed.base import Embedder
from dataflow.errors import OutageError, SettingsError
from dataflow.settings import Embed

_TEXT = "Is anybody there?"
#: In what gRPC says of a server that is there, but not to be talked to.
_TLS = re.compile("certificate|handshake|SSL_ERROR", re.IGNORECASE)


def look(case: Case) -> list[Finding]:
    """Check the model server, or the model in this process."""
    options = case.settings.embed
    opened: list[Embedder] = []
    try:
        finding = found("embedder", lambda: _embedder(options, opened))
        if options.kind != "triton":
            return [finding]
        return [finding, found("model", lambda: _model(options, opened))]
    finally:
        for embedder in opened:
            embedder.close()


def _embedder(options: Embed, opened: list[Embedder]) -> Finding:
    quick = {
        "startup_timeout": min(options.startup_timeout, timedelta(seconds=3)),
        "follow": False,
        "cache_rows": 0,
    }
    try:
        embedder = open_embedder(options.model_copy(update=quick))
    except OutageError as error:
        if _TLS.search(str(error)):
            raise SettingsError(
                f"{error}; it is TLS that fails: see DRIFTLINE_EMBED__TLS_CA, __TLS_CERTIFICATE"
            ) from None
        raise
    opened.append(embedder)
    began = time.monotonic()
    embedder.embed([_TEXT])
    took_ms = (time.monotonic() - began) * 1e3
    where = f" at {options.url}" if options.kind == "triton" else ""
    what = f"{embedder.model} version {embedder.version}, {embedder.dim} dimensions"
    return Finding("embedder", "ok", f"{options.kind}{where}: {what}; one text took {took_ms:.0f} ms")


def _model(options: Embed, opened: list[Embedder]) -> Finding:
    if not opened:
        return Finding("model", "skipped", "no answer from the server to compare with")
    number, said = repository.pinned(opened[0].version)
    newest = repository.newest(options.repository, options.model)
    if not newest:
        return Finding("model", "skipped", f"{options.repository}: no model here to compare the server with")
    # One with another sum is refused by the embedder.
    held = repository.identity(options.repository, options.model, number)
    if not held or not said:
        return Finding(
            "model",
            "warning",
            f"version {number} at the server cannot be told to be that of {options.repository}: one of them "
            "does not say what it is; see `python -m export list`, or set DRIFTLINE_EMBED__REPOSITORY",
        )
    if not options.version and newest != number:
        return Finding(
            "model",
            "warning",
            f"version {number} is {held}, but {newest} is to be served; `python -m export load` loads it",
        )
    return Finding("model", "ok", f"version {number} is {held}, as in {options.repository}")
