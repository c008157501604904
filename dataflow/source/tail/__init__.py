"""``tail:PATH``, ``tail:GLOB`` or ``tail:FOLDER``: files that follow each other, read as one stream.

The only partition is the path as given. It holds the files one after the other, as ``cat`` would give them,
and the offset of a record counts the bytes of all that was read before; compressed files count unpacked.

``tail:PATH`` follows a log as ``tail -F`` does, from its start. A log may be rotated by a rename or by a copy
and a truncation, and rotated files may be compressed. ``tail:GLOB`` and ``tail:FOLDER`` read all files that
are there, and then those that come.

Options: ``follow=true|false`` (wait for more at the end, or stop there), ``order=name|time`` (of the files:
by name, or by the time of the last change), ``format=jsonl|csv|text|parquet``. The offsets of Parquet files
count rows.

The state is plain data: the offset, the file that is being read with the position in it, and the files that
were read and are still there. The content of a file is recognised by its first and last bytes, so a restart
finds a file that was renamed, copied or compressed.
"""

import glob
import os
from contextlib import suppress

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource

from dataflow.clock import Clock
from dataflow.endpoints.uri import Uri
from dataflow.errors import SourceError
from dataflow.settings import Settings
from dataflow.settings import Source as SourceOptions
from dataflow.source import CheckFormat
from dataflow.source.files import check_name, check_readable, file_format
from dataflow.source.tail.cursor import Cursor, Sequence, State
from dataflow.source.tail.marks import MovedError
from dataflow.source.tail.partition import TailPartition
from dataflow.source.tail.places import Entry, Kind, Place, stem
from dataflow.source.tail.readers import LineReader, Reader, RowReader


def open_source(settings: Settings, uri: Uri, clock: Clock, check_format: CheckFormat) -> "TailSource":
    """Find the files. Raises ``SourceError`` if they cannot be read, and for a folder that is not there."""
    uri.allow("follow", "order", "format")
    if uri.authority not in ("", "localhost"):
        raise SourceError(f"{uri}: files are local; write tail:PATH or tail:///PATH")
    follow = uri.choice("follow", "true", "false") == "true"
    by_time = uri.choice("order", "name", "time") == "time"
    path, kind = _found(uri)
    place = Place(path, kind, by_time)
    entries = place.entries()
    if not follow and not entries:
        raise SourceError(f"{uri}: no file is there")

    opener = _Opener(uri, place, settings.source)
    _check_formats(entries, place, opener, check_format)
    return TailSource(settings, clock, check_format, Sequence(place, opener, follow))


class _Opener:
    """Opens files. The offsets of a sequence count bytes or rows, so Parquet is alone or not there."""

    def __init__(self, uri: Uri, place: Place, options: SourceOptions) -> None:
        self._uri, self._place, self._options = uri, place, options
        self._rows: bool | None = None

    def format_of(self, path: str) -> str:
        """The format of a file. A rotated log has the format of the log."""
        return file_format(stem(self._place.path if self._place.kind == "file" else path), self._uri)

    def __call__(self, path: str, at: int) -> Reader:
        format = self.format_of(path)
        rows = format == "parquet"
        if self._rows not in (None, rows):
            raise SourceError(
                f"{path}: Parquet files follow no others; name one kind of files in {self._uri}"
            )
        self._rows = rows
        if rows:
            return RowReader(path, at, self._options.batch_rows)
        return LineReader(path, at, format, self._options.max_record_bytes)


def _found(uri: Uri) -> tuple[str, Kind]:
    """The normalised path, and what it names. Raises ``SourceError`` if nothing can ever be there."""
    path = os.path.normpath(uri.path) if uri.path else ""
    check_name(path)
    if not path:
        raise SourceError(f"{uri}: names no file; write tail:PATH")
    kind: Kind = "file"
    folder = os.path.dirname(path)
    if os.path.isdir(path) or uri.path.endswith("/"):
        folder, kind = path, "folder"
    elif os.path.exists(path):
        check_readable(path)
    elif glob.has_magic(path):
        kind = "glob"
        while glob.has_magic(folder):
            folder = os.path.dirname(folder)
    if not os.path.isdir(folder or "."):
        raise SourceError(f"{uri}: no such folder: {folder}")
    return path, kind


def _check_formats(entries: list[Entry], place: Place, opener: _Opener, check_format: CheckFormat) -> None:
    """Check the format of the files that are there, and the newest header of CSV."""
    paths = [entry.path for entry in entries if entry.size] or ([place.path] if place.kind == "file" else [])
    for format, path in {opener.format_of(path): path for path in paths}.items():
        if format != "csv":
            check_format("jsonl" if format == "parquet" else format, None)
        with suppress(MovedError):
            reader = opener(path, 0)
            header = reader.read_header() if isinstance(reader, LineReader) and format == "csv" else None
            reader.file.close()
            if header is not None:
                check_format(format, header)


class TailSource(FixedPartitionedSource[pa.RecordBatch, State]):
    """One partition: the sequence of the files."""

    def __init__(
        self, settings: Settings, clock: Clock, check_format: CheckFormat, sequence: Sequence
    ) -> None:
        self._options, self._clock = settings.source, clock
        self._check_format, self._sequence = check_format, sequence

    def list_parts(self) -> list[str]:
        return [self._sequence.place.path]

    def partitions_with_data(self) -> list[str]:
        """See :func:`dataflow.source.partitions_with_data`."""
        return self.list_parts() if any(entry.size for entry in self._sequence.place.entries()) else []

    def build_part(self, step_id: str, for_part: str, resume_state: State | None) -> TailPartition:
        cursor = Cursor(self._sequence)
        if resume_state is None:
            cursor.begin()
        else:
            cursor.resume(resume_state)
        return TailPartition(for_part, cursor, self._options, self._clock, self._check_format)
