"""``stdin:``: the records that another program writes into a pipe. Option: ``format=jsonl|csv|text``.

Standard input cannot be read twice. After a restart, the source continues with the records that come next;
records that were read and not processed before the restart are lost. ``offset`` is a running number, which
a restart with recovery continues.
"""

import os
import select
from datetime import datetime

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow.clock import Clock
from dataflow.endpoints.uri import Uri
from dataflow.items.schemas import raw_schema
from dataflow.settings import Settings
from dataflow.source import CheckFormat
from dataflow.source.batching import Backlog, raw_batch
from dataflow.source.framing import Framer
from dataflow.source.waiting import AT_ONCE, WaitOncePerRound

#: The name of the only partition.
PARTITION = "stdin"
_BLOCK_BYTES = 1 << 16


def open_source(settings: Settings, uri: Uri, clock: Clock, check_format: CheckFormat) -> "StdinSource":
    """Open standard input. Raises ``SettingsError`` for a wrong option or setting.

    The header of CSV is checked when it is read, as a read would block here.
    """
    uri.allow("format")
    format = uri.choice("format", "jsonl", "csv", "text")
    if format != "csv":
        check_format(format, None)
    return StdinSource(settings, format, clock, check_format)


class StdinSource(FixedPartitionedSource[pa.RecordBatch, int]):
    """One partition, so only one of all workers reads. ``fd``: the file descriptor of standard input."""

    def __init__(
        self, settings: Settings, format: str, clock: Clock, check_format: CheckFormat, fd: int = 0
    ) -> None:
        self._settings, self._format, self._clock = settings, format, clock
        self._check_format, self._fd = check_format, fd

    def list_parts(self) -> list[str]:
        return [PARTITION]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_StdinPartition":
        return _StdinPartition(
            self._settings, self._format, self._clock, self._check_format, self._fd, resume_state or 0
        )


class _StdinPartition(StatefulSourcePartition[pa.RecordBatch, int]):
    """``number``: the offset of the next record, which is also the state."""

    def __init__(
        self, settings: Settings, format: str, clock: Clock, check_format: CheckFormat, fd: int, number: int
    ) -> None:
        self._format, self._clock, self._check_format, self._fd = format, clock, check_format, fd
        self._number = number
        self._framer = Framer(format, settings.source.max_record_bytes)
        self._schema = None if format == "csv" else raw_schema(format)
        self._backlog = Backlog[bytes](settings.source, len)
        self._waits = WaitOncePerRound()
        self._end = False

    def next_batch(self) -> list[pa.RecordBatch]:
        if not self._waits.poll(PARTITION, self._read):
            if self._end:
                raise StopIteration
            return []
        records = self._backlog.take()
        if self._schema is None:
            header = records.pop(0)
            self._check_format(self._format, header)
            self._schema = raw_schema(self._format, header)
        offsets = range(self._number, self._number + len(records))
        self._number = offsets.stop
        return [raw_batch(records, offsets, PARTITION, self._clock(), self._schema)] if records else []

    def _read(self, wait_s: float) -> bool:
        while not self._backlog.full and not self._end and select.select([self._fd], [], [], wait_s)[0]:
            block = os.read(self._fd, _BLOCK_BYTES)
            self._end = not block
            records = self._framer.feed(block) if block else self._framer.close()
            self._backlog.extend(record.raw for record in records)
            wait_s = 0
        return len(self._backlog) > 0

    def next_awake(self) -> datetime:
        return AT_ONCE

    def snapshot(self) -> int:
        return self._number
