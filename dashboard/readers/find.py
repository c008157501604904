"""Finds the outputs behind a URI of the command line."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from dashboard.readers.block import Reader
from dashboard.readers.lines import LinesReader
from dashboard.streams import STREAMS, Stream, named
from dataflow.endpoints.uri import Uri, parse_uri
from dataflow.errors import SettingsError

_NAMED = re.compile(rf"({'|'.join(STREAMS)})=(.+)", re.DOTALL)


@dataclass(frozen=True)
class Output:
    """One output. ``uri``: how the page names it. ``stream``: what it holds; ``None``: its rows say it."""

    uri: str
    stream: Stream | None
    open: Callable[[], Reader]


@dataclass(frozen=True)
class Named:
    """A URI of the command line. ``stream``: as ``scores=URI`` says it."""

    uri: Uri
    stream: Stream | None


def named_uri(text: str) -> Named:
    """What an argument of the command line names. Raises ``SettingsError``.

    >>> named_uri("scores=out/demo/s.jsonl").stream
    'scores'
    >>> named_uri("s3://bucket/x")
    Traceback (most recent call last):
    dataflow.errors.SettingsError: s3://bucket/x: write the path of a file or a folder
    """
    match = _NAMED.fullmatch(text)
    stream, rest = (cast(Stream, match[1]), match[2]) if match else (None, text)
    uri = parse_uri(rest)
    if uri.scheme != "file" or uri.authority not in ("", "localhost") or not uri.path:
        raise SettingsError(f"{rest}: write the path of a file or a folder")
    uri.allow()
    return Named(uri, stream)


def outputs(where: Named) -> list[Output]:
    """The outputs that are there now. A folder may have more of them later."""
    path = Path(where.uri.path)
    if not path.is_dir():
        return [_of_file(path, str(where.uri), where.stream)]
    files = sorted(each for each in path.iterdir() if each.is_file() and _is_output(each))
    return [_of_file(each, str(each), where.stream or named(each.name.partition(".")[0])) for each in files]


def _is_output(path: Path) -> bool:
    return path.suffix == ".jsonl"


def _of_file(path: Path, uri: str, stream: Stream | None) -> Output:
    return Output(uri, stream, lambda: LinesReader(path, stream))
