"""Finds the outputs behind a URI of the command line."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from errno import ENOENT
from pathlib import Path
from typing import cast

from dashboard.readers.block import Reader
from dashboard.readers.lines import LinesReader
from dashboard.readers.packed import SUFFIXES as PACKED
from dashboard.readers.packed import PackedReader
from dashboard.readers.tables import DeltaFiles, File, TableReader, parquet_files
from dashboard.readers.topics import TopicReader
from dashboard.streams import STREAMS, Stream, named
from dataflow.endpoints import delta, kafka
from dataflow.endpoints.uri import Uri, parse_uri
from dataflow.errors import SettingsError
from dataflow.settings import Settings, load

_NAMED = re.compile(rf"({'|'.join(STREAMS)})=(.+)", re.DOTALL)
_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")


@dataclass(frozen=True)
class Output:
    """One output. ``uri``: how the page names it. ``stream``: what it holds; ``None``: its rows say it.

    ``asked``: the user named it; others are in a folder, and maybe of another program.
    """

    uri: str
    stream: Stream | None
    open: Callable[[], Reader]
    asked: bool = True


@dataclass(frozen=True)
class Named:
    """A URI of the command line. ``stream``: as ``scores=URI`` says it. ``settings``: of the process."""

    uri: Uri
    stream: Stream | None
    settings: Settings


def named_uri(text: str) -> Named:
    """What an argument of the command line names. Raises ``SettingsError``.

    >>> named_uri("scores=out/demo/s.jsonl").stream
    'scores'
    >>> named_uri("s3://bucket/x")
    Traceback (most recent call last):
    dataflow.errors.SettingsError: s3://bucket/x: write a path, delta:PATH, or kafka://host:port/topic
    """
    match = _NAMED.fullmatch(text)
    stream, rest = (cast(Stream, match[1]), match[2]) if match else (None, text)
    uri = parse_uri(rest)
    settings = load() if uri.scheme in ("kafka", "delta") else Settings()
    if uri.scheme == "kafka":
        uri.allow("compression")
        kafka.library()
        kafka.wanted_topics(uri)
    elif uri.scheme == "delta":
        uri.allow()
        delta.library()
        delta.location(settings, uri)
    elif uri.scheme == "file" and uri.authority in ("", "localhost") and uri.path:
        uri.allow()
    else:
        raise SettingsError(f"{rest}: write a path, delta:PATH, or kafka://host:port/topic")
    return Named(uri, stream, settings)


def outputs(where: Named, most: int) -> list[Output]:
    """The outputs that are there now. A folder may have more of them later. ``most``: the rows that the page
    keeps.
    """
    uri, stream, text = where.uri, where.stream, str(where.uri)
    if uri.scheme == "kafka":
        return [Output(text, stream, lambda: TopicReader(where.settings, uri, most, stream))]
    if uri.scheme == "delta":
        place = delta.location(where.settings, uri)
        return [Output(text, stream, lambda: TableReader(text, DeltaFiles(place), stream))]
    path = Path(uri.path)
    if not path.is_dir() or _is_table(path):
        return [_of_path(path, text, stream)]
    return [
        replace(_of_path(each, str(each), stream or named(each.name.partition(".")[0])), asked=False)
        for each in sorted(path.iterdir())
        if _is_output(each)
    ]


def _is_table(path: Path) -> bool:
    """Whether the folder is one output: a Delta table, or a folder of Parquet files."""
    if path.suffix == ".parquet" or (path / "_delta_log").is_dir():
        return True
    return any(path.glob("part-*.parquet"))


def _is_output(path: Path) -> bool:
    if path.is_dir():
        return _is_table(path)
    # People write marks; a flow does not.
    return path.name.endswith(_SUFFIXES) and not path.name.startswith("marks.")


def _of_path(path: Path, uri: str, stream: Stream | None) -> Output:
    if (path / "_delta_log").is_dir():
        place = delta.location(Settings(), parse_uri(f"delta:{path}"))
        return Output(uri, stream, lambda: TableReader(uri, DeltaFiles(place), stream))
    if path.suffix == ".parquet" or path.is_dir():
        return Output(uri, stream, lambda: TableReader(uri, lambda: _parquet(path), stream))
    packed = path.suffix in PACKED
    return Output(uri, stream, lambda: (PackedReader if packed else LinesReader)(path, stream))


def _parquet(path: Path) -> list[File]:
    if not path.exists():
        raise FileNotFoundError(ENOENT, "No such file or directory")
    return parquet_files(path)
