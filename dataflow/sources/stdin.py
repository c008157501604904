"""``stdin:``: what another program pipes in, as it comes; JSON lines unless ``?format=`` says else.

Standard input cannot be read twice, so a restart goes on with what comes next: records that were in
flight are lost. ``offset`` is a running number that a restart with recovery continues.
"""

import os
import select
from collections import deque
from datetime import datetime, timedelta, timezone

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow import decode, events
from dataflow.settings import Settings
from dataflow.sources import Clock
from dataflow.sources.records import Framer, raw_batch
from dataflow.uri import Uri

PARTITION = "stdin"
_BLOCK_BYTES = 1 << 16
_POLL_INTERVAL = timedelta(milliseconds=10)


def open_source(settings: Settings, uri: Uri, clock: Clock) -> "StdinSource":
    uri.allow("format")
    format = uri.choice("format", "jsonl", "csv", "text")
    if format != "csv":  # a CSV header is not here yet, and waiting for it would block
        decode.check(settings, format)
    return StdinSource(settings, format, clock)


class StdinSource(FixedPartitionedSource[pa.RecordBatch, int]):
    """One partition, so one worker of all reads; ``fd`` is standard input's file descriptor."""

    def __init__(self, settings: Settings, format: str, clock: Clock, fd: int = 0) -> None:
        self._settings, self._format, self._clock, self._fd = settings, format, clock, fd

    def list_parts(self) -> list[str]:
        return [PARTITION]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_StdinPartition":
        return _StdinPartition(self._settings, self._format, self._clock, self._fd, resume_state or 0)


class _StdinPartition(StatefulSourcePartition[pa.RecordBatch, int]):
    def __init__(self, settings: Settings, format: str, clock: Clock, fd: int, number: int) -> None:
        self._settings, self._format, self._clock, self._fd = settings, format, clock, fd
        self._number = number
        self._framer = Framer(format, settings.source.max_record_bytes)
        self._schema = None if format == "csv" else events.raw_schema(format)
        self._ready: deque[bytes] = deque()
        self._end = False
        self._idle = False

    def next_batch(self) -> list[pa.RecordBatch]:
        rows = self._settings.source.batch_rows
        while len(self._ready) < rows and not self._end and self._readable():
            block = os.read(self._fd, _BLOCK_BYTES)
            self._end = not block
            records = self._framer.feed(block) if block else self._framer.close()
            self._ready.extend(record for _, record in records)
        if self._schema is None and self._ready:
            header = self._ready.popleft()
            decode.check(self._settings, self._format, header=header)
            self._schema = events.raw_schema(self._format, header)
        self._idle = not self._ready
        if self._idle:
            if self._end:
                raise StopIteration
            return []
        numbered = [(self._number + i, self._ready.popleft()) for i in range(min(rows, len(self._ready)))]
        self._number += len(numbered)
        return [raw_batch(numbered, PARTITION, self._clock(), self._schema)]

    def _readable(self) -> bool:
        return bool(select.select([self._fd], [], [], 0)[0])

    def next_awake(self) -> datetime | None:
        # Bytewax compares this with the system's clock, so an injected one has no say here.
        return datetime.now(timezone.utc) + _POLL_INTERVAL if self._idle else None

    def snapshot(self) -> int:
        return self._number
