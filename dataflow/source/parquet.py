"""The rows of a Parquet file as JSON records. The offset of a record is the number of its row, from 0."""

from collections.abc import Iterator
from io import FileIO, RawIOBase
from itertools import accumulate

import pyarrow as pa
import pyarrow.parquet as pq
from bytewax.inputs import StatefulSourcePartition

from dataflow.clock import Clock
from dataflow.errors import SourceError
from dataflow.items.schemas import raw_schema
from dataflow.settings import Source as SourceOptions
from dataflow.source.batching import Backlog, raw_batch
from dataflow.source.framing import Record
from dataflow.source.on_demand import shrunk
from dataflow.source.rows import json_records


class Rows:
    """The rows of an open Parquet file from the row ``at`` on. ``count``: the number of all rows.

    Row groups before ``at`` are not read. Raises ``SourceError`` if the file is damaged or no Parquet.
    """

    def __init__(self, path: str, file: RawIOBase, most: int, at: int) -> None:
        self.at = at
        self._path, self._most = path, most
        try:
            self._parquet = pq.ParquetFile(file)
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from None
        self.count: int = self._parquet.metadata.num_rows
        self._batches = self._read_batches()

    def _read_batches(self) -> Iterator[pa.RecordBatch]:
        about = self._parquet.metadata
        sizes = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
        ends = list(accumulate(sizes))
        groups = [group for group, end in enumerate(ends) if end > self.at]
        skipped = self.at - (ends[groups[0]] - sizes[groups[0]]) if groups else 0
        for batch in self._parquet.iter_batches(self._most, row_groups=groups):
            if len(batch) > skipped:
                yield batch.slice(skipped)
            skipped = max(0, skipped - len(batch))

    def read(self) -> list[Record] | None:
        """The next records, at most ``most``; ``None`` at the end."""
        try:
            batch = next(self._batches, None)
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from None
        if batch is None:
            return None
        raws = json_records(batch)
        records = [Record(self.at + row, raw) for row, raw in enumerate(raws)]
        self.at += len(raws)
        return records

    def close(self) -> None:
        """Close the reader. The file stays open."""
        self._parquet.close()

    def _unreadable(self, error: Exception) -> SourceError:
        first_line = str(error).strip().partition("\n")[0]
        return SourceError(f"{self._path}: cannot be read as Parquet: {first_line}")


def _open(path: str) -> FileIO:
    try:
        return FileIO(path)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None


def has_rows(path: str) -> bool:
    """Whether a Parquet file has any rows. Raises ``SourceError``."""
    with _open(path) as file:
        return Rows(path, file, most=1, at=0).count > 0


class ParquetPartition(StatefulSourcePartition[pa.RecordBatch, int]):
    """One Parquet file. The state is the number of the next row."""

    def __init__(self, path: str, options: SourceOptions, clock: Clock, position: int) -> None:
        self._path, self._clock = path, clock
        self._file = _open(path)
        try:
            self._rows = Rows(path, self._file, options.batch_rows, position)
            if self._rows.count < position:
                raise shrunk(path, position, "rows")
        except SourceError:
            self._file.close()
            raise
        self._backlog = Backlog[Record](options, lambda record: len(record.raw))
        self._schema = raw_schema("jsonl")

    def next_batch(self) -> list[pa.RecordBatch]:
        while not self._backlog.full and (records := self._rows.read()) is not None:
            self._backlog.extend(records)
        records = self._backlog.take()
        if not records:
            raise StopIteration
        raws, offsets = [record.raw for record in records], [record.offset for record in records]
        return [raw_batch(raws, offsets, self._path, self._clock(), self._schema)]

    def snapshot(self) -> int:
        first = self._backlog.first
        return first.offset if first else self._rows.at

    def close(self) -> None:
        self._rows.close()
        self._file.close()
