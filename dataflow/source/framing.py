"""Cut a stream of bytes into records, and records into batches; shared by files and stdin."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Generic, TypeVar

import pyarrow as pa

from dataflow import settings
from dataflow.items import schemas

T = TypeVar("T")

_BOM = b"\xef\xbb\xbf"
# A quote opens a quoted field only at the start of one, as in Python's csv module, so that the inch
# mark of `5" pipe` opens nothing. Group 1 is empty if the closing quote is not there.
_QUOTED_FIELD = re.compile(rb'(?:\A|,)"[^"]*(?:""[^"]*)*("|\Z)')


class Framer:
    """Cuts bytes into records wherever the blocks of the stream end.

    A record is a line without its line end, or in ``csv`` as many lines as its quoted fields span.
    Blank lines are skipped. Of a record longer than ``limit`` bytes only the first ``limit + 1`` are
    kept, by which decode knows it. ``position`` is the byte offset where the next record starts.
    """

    def __init__(self, format: str, limit: int, position: int = 0) -> None:
        self.position = position
        self._csv = format == "csv"
        self._limit = limit
        self._start_over()

    def _start_over(self) -> None:
        self._held = bytearray()  # of the record begun: the first limit + 1 bytes
        self._length = 0  # of the record begun: all bytes, line ends included
        self._line_at = 0  # where in _held its last line starts
        self._quoted = False  # does that line start inside a quoted field?

    def feed(self, block: bytes) -> list[tuple[int, bytes]]:
        """The records that end in ``block``, as ``(byte offset, bytes)``."""
        records: list[tuple[int, bytes]] = []
        *ended, rest = block.split(b"\n")
        for line in ended:
            if self._length or (self._csv and b'"' in line):
                self._hold(line)
                self._end_line(records)
            else:
                self._emit(line[: self._limit + 1], len(line) + 1, records)
        if rest:
            self._hold(rest)
        return records

    def close(self) -> list[tuple[int, bytes]]:
        """The last record, if the stream does not end with a line end."""
        records: list[tuple[int, bytes]] = []
        if self._length:
            self._emit(bytes(self._held), self._length, records)
            self._start_over()
        return records

    def _hold(self, piece: bytes) -> None:
        self._held += piece[: max(0, self._limit + 1 - len(self._held))]
        self._length += len(piece)

    def _end_line(self, records: list[tuple[int, bytes]]) -> None:
        if self._csv and len(self._held) <= self._limit:
            line = bytes(self._held[self._line_at :])
            *_, closing = [b'"', *_QUOTED_FIELD.findall(b'"' + line if self._quoted else line)]
            if not closing:
                self._quoted = True
                self._hold(b"\n")
                self._line_at = len(self._held)
                return
        self._emit(bytes(self._held), self._length + 1, records)
        self._start_over()

    def _emit(self, record: bytes, length: int, records: list[tuple[int, bytes]]) -> None:
        record = record.removesuffix(b"\r")
        if self.position == 0:
            record = record.removeprefix(_BOM)
        if record and not record.isspace():
            records.append((self.position, record))
        self.position += length


def fitting(sizes: Iterable[int], source: settings.Source) -> int:
    """How many of the first records, of ``sizes`` bytes, make a batch: at most ``source.batch_rows``, and
    at most ``source.batch_bytes`` together, unless the first alone has more.
    """
    count = total = 0
    for size in islice(sizes, source.batch_rows):
        total += size
        if count and total > source.batch_bytes:
            break
        count += 1
    return count


class Backlog(Generic[T]):
    """Records that were read and not given out yet, in order; ``size`` tells the bytes of one."""

    def __init__(self, source: settings.Source, size: Callable[[T], int]) -> None:
        self._source, self._size = source, size
        self._records: deque[T] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def full(self) -> bool:
        """Is there a batch that no further record would be added to?"""
        return len(self._records) >= self._source.batch_rows or self._bytes >= self._source.batch_bytes

    @property
    def first(self) -> T | None:
        """The oldest record, or ``None``."""
        return self._records[0] if self._records else None

    def extend(self, records: Iterable[T]) -> None:
        """Append records."""
        for record in records:
            self._records.append(record)
            self._bytes += self._size(record)

    def take(self) -> list[T]:
        """The next batch; empty if there are no records."""
        count = fitting(map(self._size, self._records), self._source)
        taken = [self._records.popleft() for _ in range(count)]
        self._bytes -= sum(map(self._size, taken))
        return taken


def raw_batch(
    records: Sequence[tuple[int, bytes]],
    partition: str,
    arrival: datetime,
    schema: pa.Schema,
    *,
    message_keys: Sequence[bytes | None] | None = None,
    message_ts_ms: Sequence[int | None] | None = None,
) -> pa.RecordBatch:
    """A ``RAW`` batch of ``(offset, bytes)`` records that arrived together from one partition."""
    n = len(records)
    stamps = pa.array(message_ts_ms or [None] * n, pa.timestamp("ms", tz="UTC"))
    return pa.RecordBatch.from_arrays(
        [
            pa.array([record for _, record in records], pa.binary()),
            pa.repeat(pa.scalar(partition, pa.string()), n),
            pa.array([offset for offset, _ in records], pa.int64()),
            pa.repeat(pa.scalar(arrival, schemas.TIMESTAMP), n),
            pa.array(message_keys or [None] * n, pa.binary()),
            stamps.cast(schemas.TIMESTAMP),
        ],
        schema=schema,
    )
