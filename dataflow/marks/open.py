"""Opens the marks of a flow."""

from pathlib import Path

from dataflow.embed.base import Embedder
from dataflow.endpoints import delta
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError
from dataflow.items.likeness import UNMARKED, Likeness
from dataflow.marks.file import MarksFile
from dataflow.marks.likeness import Marks, Store
from dataflow.marks.table import MarksTable
from dataflow.marks.vectors import TextVectors
from dataflow.settings import Settings


def open_marks(settings: Settings, embedder: Embedder) -> Likeness:
    """What ``alert.marks`` names, as :func:`open_store` opens it."""
    if settings.alert.marks is None:
        return UNMARKED
    vectors = TextVectors(embedder, settings.source.mask)
    return Marks(open_store(settings.alert.marks, settings), vectors, settings.alert.radius)


def open_store(text: str, settings: Settings) -> Store:
    """The marks at a URI: a file of JSON lines or a Delta table. Neither need be there yet.

    Raises ``SettingsError`` for a URI that names neither. Raises ``SourceError`` if there is a table that
    cannot be read, and ``UnreachableError`` if its store does not answer.
    """
    if (path := path_of(text)) is not None:
        return MarksFile(path)
    table = MarksTable(location_of(text, settings), settings.delta.poll_interval.total_seconds())
    table.open()
    return table


def path_of(text: str) -> Path | None:
    """The path of the file that a URI names; ``None``: the URI names a Delta table."""
    uri = parse_uri(text)
    if uri.scheme == "delta":
        return None
    path = Path(uri.path)
    if uri.scheme != "file" or uri.authority not in ("", "localhost") or path.suffix != ".jsonl":
        raise SettingsError(f"alert.marks={text}: write file:PATH.jsonl or delta:PATH")
    uri.allow()
    if path.is_dir():
        raise SettingsError(f"alert.marks={text}: is a directory; name a file in it")
    return path


def location_of(text: str, settings: Settings) -> delta.Location:
    """Where the Delta table is that a URI names."""
    uri = parse_uri(text)
    uri.allow()
    delta.library()
    return delta.location(settings, uri)
