"""``file:PATH-or-GLOB``: one partition a file; JSON lines, CSV or plain text, also gzipped.

``offset`` is the byte offset of the record's start (in the unpacked stream, if gzipped), so that it
stays the same whatever is read in one go. A resume goes on there.
"""

import glob
import gzip
import os
import stat
import zlib
from pathlib import PurePath
from typing import BinaryIO, cast

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow.clock import Clock
from dataflow.endpoints.uri import Uri
from dataflow.errors import SourceError
from dataflow.items import schemas
from dataflow.settings import Settings
from dataflow.source import Check
from dataflow.source.framing import Backlog, Framer, raw_batch
from dataflow.source.lag import PARTITIONS, PartitionLag
from dataflow.source.on_demand import OnDemandFile, shrunk

#: Suffix of a file's name -> format; any other is text.
FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv"}
_BLOCK_BYTES = 1 << 18
#: What reading a file may raise, gzipped or not.
_UNREADABLE = (OSError, EOFError, zlib.error)


def open_source(settings: Settings, uri: Uri, clock: Clock, check: Check) -> "FileSource":
    """Raises ``SourceError`` if nothing is there, or something is that cannot be read."""
    uri.allow("format")
    if uri.authority not in ("", "localhost"):
        raise SourceError(f"{uri}: files are local; write file:PATH or file:///PATH")
    formats = {path: file_format(path, uri) for path in _paths(uri.path)}
    for path, format in formats.items():
        check(format, _header(path, settings)[0] if format == "csv" else None)
    return FileSource(settings, formats, clock)


def file_format(path: str, uri: Uri) -> str:
    """The format that ``?format=`` says, or else the suffix."""
    if "format" in uri.options:
        return uri.choice("format", "jsonl", "csv", "text")
    return FORMATS.get(PurePath(path.removesuffix(".gz")).suffix.lower(), "text")


def _paths(pattern: str) -> list[str]:
    pattern = os.path.normpath(pattern) if pattern else ""
    _utf8(pattern)
    if os.path.lexists(pattern):
        paths = [pattern]
    else:
        paths = [p for p in sorted(glob.glob(pattern, recursive=True)) if not os.path.isdir(p)]
    if not paths:
        what = "no file matches" if glob.has_magic(pattern) else "no such file"
        raise SourceError(f"{pattern or 'file:'}: {what}")
    for path in paths:
        _readable(path)
    return paths


def _utf8(path: str) -> None:
    # A name is part of an event's identity and of the recovery store, and both are UTF-8.
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise SourceError(f"{shown}: the name is not UTF-8; rename the file") from None


def _readable(path: str) -> None:
    _utf8(path)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise SourceError(f"{path}: is a directory; name its files, as in {path}/*.jsonl")
        if not stat.S_ISREG(mode):
            raise SourceError(f"{path}: not a regular file; read a pipe or a device through stdin:")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None


def _open(path: str) -> BinaryIO:
    try:
        return cast(BinaryIO, gzip.open(path, "rb")) if path.endswith(".gz") else open(path, "rb")
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None


def _unreadable(path: str, error: Exception) -> SourceError:
    return SourceError(f"{path}: cannot be read: {error}")


def _read(file: BinaryIO | gzip.GzipFile | OnDemandFile, path: str) -> bytes:
    try:
        return file.read(_BLOCK_BYTES) or b""
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None


def _holds_something(path: str) -> bool:
    if not path.endswith(".gz"):
        return bool(_size(path))
    with _open(path) as file:  # packed, nothing takes some bytes, too
        return bool(_read(file, path))


def _header(path: str, settings: Settings) -> tuple[bytes, int]:
    """The header record of a CSV file and the byte offset behind it; ``(b"", 0)`` if it is empty."""
    framer = Framer("csv", settings.source.max_record_bytes)
    with _open(path) as file:
        while block := _read(file, path):
            # Line by line: what follows the header must stay out of `position`.
            for line in block.splitlines(keepends=True):
                if records := framer.feed(line):
                    return records[0][1], framer.position
    records = framer.close()
    return (records[0][1], framer.position) if records else (b"", 0)


class FileSource(FixedPartitionedSource[pa.RecordBatch, int]):
    """A partition for each file; its state is the byte offset of the next record."""

    def __init__(self, settings: Settings, formats: dict[str, str], clock: Clock) -> None:
        self._settings, self._formats, self._clock = settings, formats, clock

    def list_parts(self) -> list[str]:
        return list(self._formats)

    def partitions_with_data(self) -> list[str]:
        """The files that are not empty."""
        return [path for path in self._formats if _holds_something(path)]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_FilePartition":
        return _FilePartition(
            for_part, self._formats[for_part], self._settings, self._clock, resume_state or 0
        )


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None


class _FilePartition(StatefulSourcePartition[pa.RecordBatch, int]):
    def __init__(self, path: str, format: str, settings: Settings, clock: Clock, position: int) -> None:
        self._path, self._clock = path, clock
        header = None
        if format == "csv":
            header, behind = _header(path, settings)
            position = max(position, behind)
        self._schema = schemas.raw_schema(format, header)
        self._bytes = OnDemandFile(path)
        self._unpacked = gzip.GzipFile(fileobj=self._bytes, mode="rb") if path.endswith(".gz") else None
        try:
            self._skip(position)
        except SourceError:
            self.close()
            raise
        self._framer = Framer(format, settings.source.max_record_bytes, position)
        self._backlog = Backlog[tuple[int, bytes]](settings.source, lambda record: len(record[1]))
        self._end = False
        self._lag = PARTITIONS.add(PartitionLag())

    def _skip(self, position: int) -> None:
        if self._unpacked:
            try:
                reached = self._unpacked.seek(position)  # reads up to there; less if the stream ends before
            except _UNREADABLE as error:
                raise _unreadable(self._path, error) from None
        else:
            reached = min(position, _size(self._path)) if position else 0
            self._bytes.seek(position)
        if reached < position:
            raise shrunk(self._path, position)

    def next_batch(self) -> list[pa.RecordBatch]:
        while not self._backlog.full and not self._end:
            block = _read(self._unpacked or self._bytes, self._path)
            self._backlog.extend(self._framer.feed(block) if block else self._framer.close())
            self._end = not block
        if self._end:
            self.close()
        records = self._backlog.take()
        if not records:
            raise StopIteration
        if not self._unpacked:
            self._lag.bytes = max(0, self._bytes.size - self.snapshot())
        return [raw_batch(records, self._path, self._clock(), self._schema)]

    def snapshot(self) -> int:
        first = self._backlog.first
        return first[0] if first else self._framer.position

    def close(self) -> None:
        if self._unpacked:
            self._unpacked.close()
        self._bytes.close()
