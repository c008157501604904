"""``delta:PATH`` or ``delta:s3://BUCKET/PATH``: each stream is a table, partitioned by day. Exactly once.

Rows wait in memory until ``delta.append_every`` or ``delta.append_bytes`` is reached. Then one commit appends
them, as a transaction of Delta Lake with the number after the last one. The state has that number, and the
rows that wait. The name of the transactions (``appId``) is made of the stream and the recovery store.

After a crash, the table may have transactions that the state does not cover. Their rows come again, maybe in
another order and in other batches. So a resume reads the identities of these rows, and drops each of them
once when it comes again. No row is removed from the table, because a removal would end the streams of those
who read the table. This relies on rows that come again with the same identity (:data:`dataflow.sink.encoding.IDENTITY`),
and on the number that is checked before each append: found by trying, ``deltalake`` 1.6.6 does not refuse a
transaction whose number the table has already.

A crash while a file is written leaves a file that no commit names; ``VACUUM`` removes it.
"""

import logging
import os
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pyarrow as pa
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from dataflow.clock import utc_now
from dataflow.endpoints import delta
from dataflow.endpoints.delta import Location
from dataflow.endpoints.outage import Outage
from dataflow.endpoints.uri import Uri
from dataflow.errors import SourceError, UnreachableError
from dataflow.items.ipc import pack, unpack
from dataflow.settings import Delta, Settings, to_metadata
from dataflow.sink import Stream
from dataflow.sink.conflicts import refuse_conflicts
from dataflow.sink.delta_known import KnownRows, rows_after
from dataflow.telemetry.logs import Line

#: The column by which tables are partitioned.
DAY = "day"
#: Stream -> the column whose day in UTC is the day of a row. A dead letter has no time: the day of its append.
DAY_OF: Mapping[Stream, str | None] = {
    "scores": "window_start",
    "alerts": "decided",
    "drift": "window_start",
    "late": "ts",
    "dead_letters": None,
    "windows": "window_start",
}
_LONGEST_OUTAGE = timedelta(minutes=5)
_log = logging.getLogger(__name__)


def open_sink(settings: Settings, uri: Uri, stream: Stream) -> "DeltaSink":
    """Look for the table. Raises ``SettingsError``, ``SourceError``, ``UnreachableError``."""
    uri.allow()
    where = delta.location(settings, uri)
    delta.library()
    refuse_conflicts(settings)
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
        """See :func:`dataflow.sink.open_sink`."""
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
        table = _Table(self._where, str(state["app"]), self._metadata)
        return _DeltaPartition(table, self._stream, self._options, state)


class _DeltaPartition(StatefulSinkPartition[pa.RecordBatch, dict[str, Any]]):
    def __init__(self, table: "_Table", stream: Stream, options: Delta, state: Mapping[str, Any]) -> None:
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
            self._bytes += rows.get_total_buffer_size()
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
            # Found by trying: deltalake 1.6.6 keeps the order of the rows in one batch, not that of the batches.
            rows = pa.Table.from_batches(self._waiting).combine_chunks()
            self._table.append(_with_day(rows, DAY_OF[self._stream], utc_now()))
            self._waiting, self._bytes = [], 0

    def close(self) -> None:
        # Without a recovery store, these rows never come again. With a store, a resume finds them in the table.
        self._append()


class _Table:
    """A table to which one application appends. ``number``: that of its last transaction, or 0."""

    def __init__(self, where: Location, app: str, metadata: Mapping[bytes, bytes]) -> None:
        self._where, self.app, self.number = where, app, 0
        self._metadata = {name.decode(): value.decode() for name, value in metadata.items()}
        self._table: Any = None
        self._outage = _outage(where)

    def resume(self, number: int, stream: Stream) -> list[pa.RecordBatch]:
        """The identities of the rows that the table has from transactions after ``number``.

        Raises ``SourceError`` if the table does not have the transaction ``number``.
        """
        self.number = self._newest()
        if self.number < number:
            raise SourceError(
                f"{self._where.text}: has {self.number} appends of this flow, and had {number} before; restore "
                "the table, or start with an empty recovery directory"
            )
        if self.number == number:
            return []
        files, version = self._where.file_system(), int(self._table.version())
        return list(rows_after(self._where, files, version, self.app, number, stream))

    def _newest(self) -> int:
        """The number of the last transaction in the table as it is now."""
        self._table = delta.find_table(self._where)
        return int(self._table.transaction_version(self.app) or 0) if self._table else 0

    def check(self, schema: pa.Schema) -> None:
        """Raise ``SourceError`` if the table has other columns than ``schema``."""
        if self._table is None:
            return
        have, want = _columns(self._table.schema()), _columns(delta.library().Schema.from_arrow(schema))
        if have != want:
            names = sorted(name for name in have.keys() | want.keys() if have.get(name) != want.get(name))
            raise SourceError(
                f"{self._where.text}: the table has other columns than the rows of this flow: "
                f"{', '.join(names)}; name another table, or change the table"
            )

    def append(self, rows: pa.Table) -> None:
        """Append ``rows`` in one commit. Raises ``OutageError`` if the object store is unreachable for long."""
        attempt = 0
        while True:
            try:
                with delta.explained(self._where):
                    self._append(rows, again=attempt > 0)
            except UnreachableError as error:
                self._outage.wait(str(error), attempt)
                attempt += 1
            else:
                self.number += 1
                self._outage.over()
                return

    def _append(self, rows: pa.Table, *, again: bool) -> None:
        library, number = delta.library(), self._newest()
        if again and number == self.number + 1:  # the answer to an earlier try was lost
            return
        if number != self.number:
            raise SourceError(
                f"{self._where.text}: another flow with this recovery store has appended rows; end it, or start "
                "with an empty recovery directory"
            )
        self.check(rows.schema)
        transaction = library.Transaction(self.app, self.number + 1)
        library.write_deltalake(
            self._table or self._where.url,
            rows,
            mode="append",
            partition_by=None if self._table else [DAY],
            storage_options=None if self._table else self._where.options or None,
            commit_properties=library.CommitProperties(
                custom_metadata=self._metadata, app_transactions=[transaction]
            ),
        )


def _outage(where: Location) -> Outage:
    def began(cause: str) -> None:
        _log.warning(Line("sink_trouble", f"{cause}; the sink waits", table=where.text))

    def ended(seconds: float, retries: int) -> None:
        sentence = f"{where.text}: the object store answers again after {seconds} s"
        _log.info(Line("sink_trouble_over", sentence, table=where.text, seconds=seconds, retries=retries))

    remedy = "start again when the object store answers; the flow resumes at the last snapshot"
    return Outage(
        where.text,
        _LONGEST_OUTAGE,
        remedy,
        sleep=time.sleep,
        clock=time.monotonic,
        began=began,
        ended=ended,
    )


def _schema(rows: pa.Schema) -> pa.Schema:
    return rows.append(pa.field(DAY, pa.date32(), nullable=False)).remove_metadata()


def _with_day(rows: pa.Table, column: str | None, now: datetime) -> pa.Table:
    day = rows[column].cast(pa.date32()) if column else pa.repeat(pa.scalar(now.date()), len(rows))
    return pa.table([*rows.columns, day], schema=_schema(rows.schema))


def _columns(schema: Any) -> dict[str, str]:
    """Name -> type, without what says whether values may be null."""
    return {field.name: _type(pa.field(field).type) for field in schema.fields}


def _type(type: pa.DataType) -> str:
    if pa.types.is_struct(type):
        return f"struct<{', '.join(f'{field.name}: {_type(field.type)}' for field in type)}>"
    if pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type):
        return f"list<{_type(type.value_type)}>"
    return str(type)
