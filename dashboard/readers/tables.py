"""Reads Parquet files: those of a folder that grows, or of a Delta table."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from dashboard import rows as scored
from dashboard.readers.block import Block, block_of
from dashboard.streams import Stream, stream_of
from dataflow.endpoints import delta
from dataflow.endpoints.delta import Location
from dataflow.errors import SourceError

_ROWS = 8192


class File(NamedTuple):
    """A Parquet file. ``signature``: what changes when its content does."""

    name: str
    signature: object
    open: Callable[[], pq.ParquetFile]


class TableReader:
    """The rows of Parquet files. ``find``: the files that are there now, in their order; it may raise errors.

    A file that changes is read again: its rows take the place of those with the same identities.
    """

    def __init__(self, name: str, find: Callable[[], list[File]], stream: Stream | None = None) -> None:
        self._name, self._find, self.stream = name, find, stream
        self._known: dict[str, object] = {}
        self._waiting: list[File] = []
        self._parts: Iterator[pa.RecordBatch] | None = None

    def read(self) -> Block | None:
        """See :meth:`Reader.read <dashboard.readers.block.Reader.read>`."""
        if self._parts is None and not self._waiting:
            self._waiting = [each for each in self._find() if self._known.get(each.name) != each.signature]
        if self._parts is None:
            if not self._waiting:
                return None
            file = self._waiting.pop(0)
            self._known[file.name] = file.signature
            self._parts = self._batches(file)
        part = next(self._parts, None)
        if part is None:
            self._parts = None
            return Block(self.stream, behind=bool(self._waiting)) if self.stream else None
        return self._block(part)

    def close(self) -> None:
        """No file stays open."""
        self._parts = None

    def _batches(self, file: File) -> Iterator[pa.RecordBatch]:
        try:
            with file.open() as parquet:
                yield from parquet.iter_batches(_ROWS, use_threads=False)
        except pa.ArrowException:
            del self._known[file.name]
            raise SourceError(
                f"{self._name}: {file.name} is not a whole Parquet file; write it again"
            ) from None

    def _block(self, part: pa.RecordBatch) -> Block:
        self.stream = self.stream or stream_of(part.schema.names)
        if self.stream is None:
            raise SourceError(
                f"{self._name}: the columns are of no stream of Driftline; name the output of a sink"
            )
        if self.stream != "scores":
            return block_of(self.stream, part.to_pylist(), behind=True)
        try:
            return Block("scores", scored.of_arrow(part), behind=True)
        except scored.RowError as error:
            return Block("scores", broken=len(part), why=str(error), behind=True)


def parquet_files(path: Path) -> list[File]:
    """The Parquet file at ``path``, or those of the folder, in the order of their names."""
    found = []
    for each in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        # A flow that resumes removes files, and writes them again.
        with suppress(FileNotFoundError):
            about = os.stat(each)
            signature = (about.st_ino, about.st_size, about.st_mtime_ns)
            found.append(File(each.name, signature, partial(pq.ParquetFile, each)))
    return found


class DeltaFiles:
    """The files of a Delta table, as :class:`TableReader` finds them. Rows that a later version removes stay.

    An object store that answers late holds the interpreter's lock, so requests wait, too.
    """

    def __init__(self, where: Location) -> None:
        self._where = where
        self._table: Any = None
        self._files: pafs.FileSystem | None = None

    def __call__(self) -> list[File]:
        if self._table is None:
            self._table, self._files = delta.open_table(self._where), self._where.file_system()
        else:
            with delta.explained(self._where):
                self._table.update_incremental()
        with delta.explained(self._where):
            actions = pa.table(self._table.get_add_actions()).select(["modification_time", "path"])
        ordered = sorted(zip(*(column.to_pylist() for column in actions.columns), strict=True))
        return [File(path, path, partial(self._open, delta.file_path(path))) for _, path in ordered]

    def _open(self, path: str) -> pq.ParquetFile:
        assert self._files is not None
        with delta.explained(self._where):
            return pq.ParquetFile(self._files.open_input_file(path), pre_buffer=False)
