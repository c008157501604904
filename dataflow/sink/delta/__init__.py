"""``delta:PATH`` or ``delta:s3://BUCKET/PATH``: each stream is a table, partitioned by day. Exactly once.

Rows wait in memory until ``delta.append_every`` or ``delta.append_bytes`` is reached. Then one commit appends
them, as a transaction of Delta Lake with the number after the last one. The state has that number, and the
rows that wait. The name of the transactions (``appId``) is made of the stream and the recovery store.

After a crash, the table may have transactions that the state does not cover. Their rows come again, maybe in
another order and in other batches. So a resume reads the identities of these rows, and drops each of them
once when it comes again. No row is removed from the table, because a removal would end the streams of those
who read the table.

This relies on rows that come again with the same identity (``dataflow.sink.encoding.IDENTITY``), and on a
check of the number before each append: found by trying, ``deltalake`` 1.6.6 does not refuse a transaction
whose number the table has already.

A crash while a file is written leaves a file that no commit names; ``VACUUM`` removes it.
"""

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from dataflow.clock import utc_now
from dataflow.endpoints import delta
from dataflow.endpoints.delta import Location
from dataflow.endpoints.uri import Uri
from dataflow.items.ipc import pack, unpack
from dataflow.settings import Delta, Settings, to_metadata
from dataflow.sink import Stream
from dataflow.sink.conflicts import refuse_conflicts
from dataflow.sink.delta.appends import DAY, DeltaAppends
from dataflow.sink.delta.known import KnownRows
from dataflow.sink.paths import check_writable

#: Stream -> the column whose day, in UTC, is the day of a row. A dead letter has no time, so it is of the day
#: when it is appended.
DAY_OF: Mapping[Stream, str | None] = {
    "scores": "window_start",
    "alerts": "decided",
    "drift": "window_start",
    "late": "ts",
    "dead_letters": None,
    "windows": "window_start",
}


def open_sink(settings: Settings, uri: Uri, stream: Stream) -> "DeltaSink":
    """Look for the table. Raises ``SettingsError``, ``SourceError``, ``UnreachableError``."""
    uri.allow()
    where = delta.location(settings, uri)
    delta.library()
    refuse_conflicts(settings)
    if where.local:
        check_writable(Path(where.url), folder=True)
    delta.find_table(where)
    return DeltaSink(where, stream, settings.delta, to_metadata(settings))


class DeltaSink(FixedPartitionedSink[pa.RecordBatch, dict[str, Any]]):
    """One partition, so only one of all workers writes the table. ``metadata``: what each commit says."""

    def __init__(
        self, where: Location, stream: Stream, options: Delta, metadata: Mapping[bytes, bytes]
    ) -> None:
        self._where, self._stream, self._options, self._metadata = where, stream, options, metadata
        self._store = uuid4().hex

    def use_store(self, store: str) -> None:
        """See :func:`dataflow.sink.open_sink`. Without a store, each start is a new application."""
        self._store = store

    def list_parts(self) -> list[str]:
        return [self._where.text]

    def build_part(
        self, step_id: str, for_part: str, resume_state: dict[str, Any] | None
    ) -> "_DeltaPartition":
        state = resume_state or {
            "app": f"driftline/{self._store}/{self._stream}",
            "number": 0,
            "known": b"",
            "waiting": b"",
        }
        table = DeltaAppends(self._where, str(state["app"]), self._metadata)
        return _DeltaPartition(table, self._stream, self._options, state)


class _DeltaPartition(StatefulSinkPartition[pa.RecordBatch, dict[str, Any]]):
    def __init__(
        self, table: "DeltaAppends", stream: Stream, options: Delta, state: Mapping[str, Any]
    ) -> None:
        self._table, self._stream, self._options = table, stream, options
        self._known = KnownRows(stream, state["known"])
        for batch in table.resume(state["number"], stream):
            self._known.add(batch)
        self._waiting: list[pa.RecordBatch] = []
        self._bytes, self._since = 0, time.monotonic()
        self.write_batch(unpack(state["waiting"]))

    def write_batch(self, values: list[pa.RecordBatch]) -> None:
        for batch in values:
            rows = self._known.without(batch)
            if not len(rows):
                continue
            if self._waiting and self._waiting[0].schema != rows.schema:  # of a state with other settings
                self._append()
            if not self._waiting:
                self._since = time.monotonic()
                self._table.check(_schema(rows.schema))
            self._waiting.append(rows)
            self._bytes += rows.nbytes
            if self._bytes >= self._options.append_bytes:
                self._append()

    def snapshot(self) -> dict[str, Any]:
        if time.monotonic() - self._since >= self._options.append_every.total_seconds():
            self._append()
        return {
            "app": self._table.app,
            "number": self._table.number,
            "known": self._known.pack(),
            "waiting": pack(self._waiting),
        }

    def _append(self) -> None:
        if self._waiting:
            # Found by trying: deltalake 1.6.6 keeps the order of rows within a batch, not that of batches.
            rows = pa.Table.from_batches(self._waiting).combine_chunks()
            self._table.append(_with_day(rows, DAY_OF[self._stream], utc_now()))
            self._waiting, self._bytes = [], 0

    def close(self) -> None:
        # Without a recovery store, these rows never come again. With a store, a resume knows them.
        self._append()


def _schema(rows: pa.Schema) -> pa.Schema:
    return rows.append(pa.field(DAY, pa.date32(), nullable=False)).remove_metadata()


def _with_day(rows: pa.Table, column: str | None, now: datetime) -> pa.Table:
    day = rows[column].cast(pa.date32()) if column else pa.repeat(pa.scalar(now.date()), len(rows))
    return pa.table([*rows.columns, day], schema=_schema(rows.schema))
