"""Checks whether every sink can be written, without writing to a sink."""

import tempfile
from functools import partial
from pathlib import Path
from typing import get_args

from dataflow import sink
from dataflow.doctor import Case, Finding, found
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SourceError
from dataflow.settings import Settings
from dataflow.sink import files, webhook
from dataflow.sink.paths import table_path


def findings(case: Case) -> list[Finding]:
    """What the doctor finds about each sink."""
    return [
        found(f"sink.{stream}", partial(_sink, case.settings, stream, text))
        for stream in get_args(sink.Stream)
        for text in getattr(case.settings.sink, stream)
    ]


def _sink(settings: Settings, stream: sink.Stream, text: str) -> Finding:
    uri = parse_uri(text)
    if uri.scheme == "file":  # opening the sink would make the file
        _check_writable(Path(files.output_path(settings, uri, stream)))
    elif uri.scheme in ("http", "https"):  # opening the sink would make the folder of the spool
        webhook.receiver_of(settings, uri, stream).reach()
        _check_writable(Path(settings.webhook.spool) / "a spool")
        return Finding(f"sink.{stream}", "ok", f"{text} accepts connections; nothing was posted")
    else:
        sink.open_sink(text, settings, stream=stream)
    if uri.scheme == "delta" and "://" not in (path := table_path(uri)):
        _check_writable(Path(path))
    return Finding(f"sink.{stream}", "ok", f"{text} can be written")


def _check_writable(path: Path) -> None:
    """Raise ``SourceError`` if the flow could not write ``path``."""
    nearest = next(part for part in (path, *path.absolute().parents) if part.exists())
    if nearest != path and not nearest.is_dir():
        raise SourceError(f"{path}: {nearest} is not a folder; name another")
    try:
        # A temporary file has no name in the folder, and opening a file to append changes nothing.
        with tempfile.TemporaryFile(dir=nearest) if nearest.is_dir() else nearest.open("ab"):
            pass
    except OSError as error:
        problem = f"{nearest} cannot be written: {error.strerror}"
        raise SourceError(f"{path}: {problem}; change that, or name another") from None
