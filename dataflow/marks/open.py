"""Opens the marks of a flow."""

from pathlib import Path

from dataflow.embed.base import Embedder
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError
from dataflow.items.likeness import UNMARKED, Likeness
from dataflow.marks.file import MarksFile
from dataflow.marks.likeness import Marks
from dataflow.marks.vectors import TextVectors
from dataflow.settings import Settings


def open_marks(settings: Settings, embedder: Embedder) -> Likeness:
    """What ``alert.marks`` names. Raises ``SettingsError`` for a URI that does not name a file. The file need
    not be there yet.
    """
    if settings.alert.marks is None:
        return UNMARKED
    file = MarksFile(path_of(settings.alert.marks))
    return Marks(file, TextVectors(embedder, settings.source.mask), settings.alert.radius)


def path_of(text: str) -> Path:
    """The path of the file that a URI names."""
    uri = parse_uri(text)
    path = Path(uri.path)
    if uri.scheme != "file" or uri.authority not in ("", "localhost") or path.suffix != ".jsonl":
        raise SettingsError(f"alert.marks={text}: write file:PATH.jsonl; nothing else can be read yet")
    uri.allow()
    if path.is_dir():
        raise SettingsError(f"alert.marks={text}: is a directory; name a file in it")
    return path
