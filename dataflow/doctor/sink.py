"""Can every sink be written to? Nothing is written to find out."""

import tempfile
from pathlib import Path
from typing import get_args

from dataflow import sink
from dataflow.doctor import Case, Finding, found
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SourceError
from dataflow.settings import Settings
from dataflow.sink import files


def look(case: Case) -> list[Finding]:
    """Check each sink of each stream."""
    return [
        found(f"sink.{stream}", lambda stream=stream, text=text: _sink(case.settings, stream, text))  # type: ignore[misc]
        for stream in get_args(sink.Stream)
        for text in getattr(case.settings.sink, stream)
    ]


def _sink(settings: Settings, stream: sink.Stream, text: str) -> Finding:
    where = parse_uri(text)
    if where.scheme == "file":  # to open it would make it
        _writable(Path(files.output_path(settings, where, stream)))
    else:
        sink.open_sink(text, settings, stream=stream)
    return Finding(f"sink.{stream}", "ok", f"{text} can be written")


def _writable(path: Path) -> None:
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if there == path and path.is_dir() != path.name.endswith(".parquet"):
        raise SourceError(f"{path}: is {'a' if path.is_dir() else 'no'} folder; name another")
    if there != path and not there.is_dir():
        raise SourceError(f"{path}: {there} is no folder; name another")
    try:
        with tempfile.TemporaryFile(dir=there) if there.is_dir() else there.open("ab"):
            pass  # has no name in the folder, or is as it was
    except OSError as error:
        why = error.strerror
        raise SourceError(f"{path}: {there} cannot be written: {why}; change that, or name another") from None
