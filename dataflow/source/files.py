"""``file:PATH`` or ``file:GLOB``: each file is a partition. Option: ``format=jsonl|csv|text|parquet``.

Files hold JSON lines, CSV or plain text, and may be compressed. The offset of a record is the byte where the
record starts (in the unpacked stream, if the file is compressed), so that the offset does not depend on how
much is read at a time. A resume continues at such an offset. In a Parquet file the offset is the number of
the row, and a row is read as a JSON line.
"""

import glob
import io
import os
import stat
from contextlib import closing
from pathlib import PurePath
from typing import NamedTuple, cast

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow.clock import Clock
from dataflow.endpoints.uri import Uri
from dataflow.errors import SourceError
from dataflow.items.schemas import raw_schema
from dataflow.settings import Settings
from dataflow.source import CheckFormat
from dataflow.source.batching import Backlog, raw_batch
from dataflow.source.compressed import Unpacked, is_compressed, read_unpacked, skip, unpack, without_suffix
from dataflow.source.framing import Framer, Record
from dataflow.source.lag import LAGS, PartitionLag
from dataflow.source.on_demand import OnDemandFile, shrunk
from dataflow.source.parquet import ParquetPartition, has_rows

#: Suffix of a file name -> format of the records. Other files are plain text.
FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".parquet": "parquet"}


def open_source(settings: Settings, uri: Uri, clock: Clock, check_format: CheckFormat) -> "FileSource":
    """Open the files that ``uri`` names. Raises ``SourceError`` if there are none or one cannot be read."""
    uri.allow("format")
    if uri.authority not in ("", "localhost"):
        raise SourceError(f"{uri}: files are local; write file:PATH or file:///PATH")
    formats = {path: file_format(path, uri) for path in _paths(uri.path)}
    for path, format in formats.items():
        header = _header(path, settings).raw if format == "csv" else None
        check_format("jsonl" if format == "parquet" else format, header)
    return FileSource(settings, formats, clock)


def file_format(path: str, uri: Uri) -> str:
    """The format of the file ``path``: the option ``format`` of the URI, else what the suffix says."""
    if "format" in uri.options:
        return uri.choice("format", "jsonl", "csv", "text", "parquet")
    return FORMATS.get(PurePath(without_suffix(path)).suffix.lower(), "text")


def _paths(pattern: str) -> list[str]:
    pattern = os.path.normpath(pattern) if pattern else ""
    check_name(pattern)
    if os.path.lexists(pattern):
        paths = [pattern]
    else:
        paths = [p for p in sorted(glob.glob(pattern, recursive=True)) if not os.path.isdir(p)]
    if not paths:
        what = "no file matches" if glob.has_magic(pattern) else "no such file"
        raise SourceError(f"{pattern or 'file:'}: {what}")
    for path in paths:
        check_readable(path)
    return paths


def check_name(path: str) -> None:
    """Raise ``SourceError`` for a name that is not UTF-8: events and the recovery store hold the name."""
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise SourceError(f"{shown}: the name is not UTF-8; rename the file") from None


def check_readable(path: str) -> None:
    """Raise ``SourceError`` if ``path`` is not a regular file that can be read."""
    check_name(path)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise SourceError(f"{path}: is a directory; name its files, for example {path}/*.jsonl")
        if not stat.S_ISREG(mode):
            raise SourceError(f"{path}: not a regular file; read a pipe or a device through stdin:")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None


def _open(path: str) -> Unpacked:
    try:
        file = io.FileIO(path)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    return unpack(path, file) if is_compressed(path) else cast(Unpacked, file)


def _has_data(path: str, format: str) -> bool:
    if format == "parquet":
        return has_rows(path)
    if not is_compressed(path):
        return bool(_size(path))
    with closing(_open(path)) as file:  # a compressed file has some bytes even if it holds no data
        return bool(read_unpacked(file, path))


class _Header(NamedTuple):
    """The header record of a CSV file, and the byte offset of the line after it; empty in an empty file."""

    raw: bytes
    end: int


def _header(path: str, settings: Settings) -> _Header:
    framer = Framer("csv", settings.source.max_record_bytes)
    with closing(_open(path)) as file:
        while block := read_unpacked(file, path):
            # One line at a time: `framer.position` must not count the lines after the header.
            for line in block.splitlines(keepends=True):
                if records := framer.feed(line):
                    return _Header(records[0].raw, framer.position)
    records = framer.close()
    return _Header(records[0].raw, framer.position) if records else _Header(b"", 0)


class FileSource(FixedPartitionedSource[pa.RecordBatch, int]):
    """A partition for each file. The state of a partition is the offset of the next record."""

    def __init__(self, settings: Settings, formats: dict[str, str], clock: Clock) -> None:
        self._settings, self._formats, self._clock = settings, formats, clock

    def list_parts(self) -> list[str]:
        return list(self._formats)

    def partitions_with_data(self) -> list[str]:
        """See :func:`dataflow.source.partitions_with_data`."""
        return [path for path, format in self._formats.items() if _has_data(path, format)]

    def build_part(
        self, step_id: str, for_part: str, resume_state: int | None
    ) -> "_FilePartition | ParquetPartition":
        format, position = self._formats[for_part], resume_state or 0
        if format == "parquet":
            return ParquetPartition(for_part, self._settings.source, self._clock, position)
        return _FilePartition(for_part, format, self._settings, self._clock, position)


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
            header, end = _header(path, settings)
            position = max(position, end)
        self._schema = raw_schema(format, header)
        self._bytes = OnDemandFile(path)
        self._unpacked = unpack(path, self._bytes) if is_compressed(path) else None
        try:
            self._skip(position)
        except SourceError:
            self.close()
            raise
        self._framer = Framer(format, settings.source.max_record_bytes, position)
        self._backlog = Backlog[Record](settings.source, lambda record: len(record.raw))
        self._end = False
        self._lag = LAGS.add(PartitionLag())

    def _skip(self, position: int) -> None:
        if self._unpacked:
            reached = skip(self._unpacked, self._path, position)
        else:
            reached = min(position, _size(self._path)) if position else 0
            self._bytes.seek(position)
        if reached < position:
            raise shrunk(self._path, position)

    def next_batch(self) -> list[pa.RecordBatch]:
        while not self._backlog.full and not self._end:
            block = read_unpacked(self._unpacked or cast(Unpacked, self._bytes), self._path)
            self._backlog.extend(self._framer.feed(block) if block else self._framer.close())
            self._end = not block
        if self._end:
            self.close()
        records = self._backlog.take()
        if not records:
            raise StopIteration
        if not self._unpacked:
            self._lag.bytes = max(0, self._bytes.size - self.snapshot())
        raws, offsets = [record.raw for record in records], [record.offset for record in records]
        return [raw_batch(raws, offsets, self._path, self._clock(), self._schema)]

    def snapshot(self) -> int:
        first = self._backlog.first
        return first.offset if first else self._framer.position

    def close(self) -> None:
        if self._unpacked:
            self._unpacked.close()
        self._bytes.close()
