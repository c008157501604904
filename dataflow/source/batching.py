"""Makes batches of undecoded records, within ``batch_rows`` and ``batch_bytes``. All sources use it."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Generic, TypeVar

import pyarrow as pa

from dataflow.items.schemas import TIMESTAMP
from dataflow.settings import Source as SourceOptions

T = TypeVar("T")


def records_in_batch(sizes: Iterable[int], options: SourceOptions) -> int:
    """How many of the next records fit into one batch; ``sizes`` are the bytes of each record.

    A batch holds at most ``options.batch_rows`` records and ``options.batch_bytes`` bytes of records. A first
    record that is longer than ``batch_bytes`` is a batch of its own.
    """
    count = total = 0
    for size in islice(sizes, options.batch_rows):
        total += size
        if count and total > options.batch_bytes:
            break
        count += 1
    return count


class Backlog(Generic[T]):
    """Records that a partition has read and has not returned yet, in order.

    ``size`` returns the bytes of a record.
    """

    def __init__(self, options: SourceOptions, size: Callable[[T], int]) -> None:
        self._options, self._size = options, size
        self._records: deque[T] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def full(self) -> bool:
        """Whether the next batch is complete: no further record would be added to it."""
        return len(self._records) >= self._options.batch_rows or self._bytes >= self._options.batch_bytes

    @property
    def first(self) -> T | None:
        """The next record, if there is one. The record stays in the backlog."""
        return self._records[0] if self._records else None

    def extend(self, records: Iterable[T]) -> None:
        """Add records at the end."""
        for record in records:
            self._records.append(record)
            self._bytes += self._size(record)

    def take(self) -> list[T]:
        """Remove and return the records of the next batch; none if the backlog is empty."""
        count = records_in_batch(map(self._size, self._records), self._options)
        taken = [self._records.popleft() for _ in range(count)]
        self._bytes -= sum(map(self._size, taken))
        return taken


def raw_batch(
    records: Sequence[bytes],
    offsets: Sequence[int],
    partition: str,
    arrival: datetime,
    schema: pa.Schema,
    *,
    message_keys: Sequence[bytes | None] | None = None,
    message_ts_ms: Sequence[int | None] | None = None,
    message_headers: Sequence[bytes | None] | None = None,
) -> pa.RecordBatch:
    """A batch of ``schema`` (see ``raw_schema``) with records of one partition that arrived together.

    ``message_ts_ms``: the timestamp of each message, in milliseconds since the Unix epoch.
    ``message_headers``: the headers of each message, as a JSON object.
    """
    n = len(records)
    stamps = pa.array(message_ts_ms or [None] * n, pa.timestamp("ms", tz="UTC"))
    return pa.RecordBatch.from_arrays(
        [
            pa.array(records, pa.binary()),
            pa.repeat(pa.scalar(partition, pa.string()), n),
            pa.array(offsets, pa.int64()),
            pa.repeat(pa.scalar(arrival, TIMESTAMP), n),
            pa.array(message_keys or [None] * n, pa.binary()),
            stamps.cast(TIMESTAMP),
            pa.array(message_headers or [None] * n, pa.string()),
        ],
        schema=schema,
    )
