"""Does the model answer as agreed, and is it the model that the repository here describes?"""

import json
import re
import time
from datetime import timedelta
from pathlib import Path

from dataflow.doctor import Case, Finding, found
from dataflow.embed import Embedder
from dataflow.errors import OutageError, SettingsError
from dataflow.flow import open_embedder
from dataflow.settings import Embed

_TEXT = "Is anybody there?"
#: In what gRPC says of a server that is there, but not to be talked to.
_TLS = re.compile("certificate|handshake|SSL_ERROR", re.IGNORECASE)


def look(case: Case) -> list[Finding]:
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
    folder = options.repository / f"{options.model}_encoder"
    specs = [path for path in folder.glob("*/spec.json") if path.parent.name.isdigit()]
    if not opened:
        return Finding("model", "skipped", "no answer from the server to compare with")
    if not specs:
        return Finding("model", "skipped", f"{folder}: no spec.json here to compare the server with")
    (embedder,) = opened
    versions = sorted((path.parent.name for path in specs), key=int)
    if embedder.version not in versions:
        return Finding(
            "model",
            "warning",
            f"the server has version {embedder.version}, {folder} {', '.join(versions)}: is it "
            "another repository? see `python -m export list`, or set DRIFTLINE_EMBED__REPOSITORY",
        )
    name, dim = _spec(folder / embedder.version / "spec.json")
    what = f"version {embedder.version} is {name}"
    if dim != embedder.dim:
        raise SettingsError(
            f"{what} with {dim} dimensions in {folder}, the server gives {embedder.dim}, another model; "
            "load this one (`python -m export load`), or set DRIFTLINE_EMBED__REPOSITORY"
        )
    if not options.version and versions[-1] != embedder.version:
        return Finding(
            "model",
            "warning",
            f"{what}, but {versions[-1]} is there too and not served; `python -m export load` loads it",
        )
    return Finding("model", "ok", f"{what}, {dim} dimensions, as {folder} describes it")


def _spec(path: Path) -> tuple[str, int]:
    try:
        spec = json.loads(path.read_text(encoding="utf-8"))
        return str(spec["name"]), int(spec["dim"])
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(f"{path}: cannot be read; make it anew with `python -m export build`") from None
