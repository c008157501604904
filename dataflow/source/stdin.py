"""``stdin:``: what another program pipes in, as it comes; JSON lines unless ``?format=`` says else.

Standard input cannot be read twice, so a restart goes on with what comes next: records that were in
flight are lost. ``offset`` is a running number that a restart with recovery continues.
"""

import os
import select
from datetime import datetime

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow.clock import Clock
from dataflow.endpoints.uri import Uri
from dataflow.items import schemas
from dataflow.settings import Settings
from dataflow.source import Check
from dataflow.source.framing import Backlog, Framer, raw_batch
from dataflow.source.idle import AT_ONCE, Idle

#: The name of the one partition.
PARTITION = "stdin"
_BLOCK_BYTES = 1 << 16


def open_source(settings: Settings, uri: Uri, clock: Clock, check: Check) -> "StdinSource":
    """The source that ``stdin:`` names. Raises ``SettingsError``."""
    uri.allow("format")
    format = uri.choice("format", "jsonl", "csv", "text")
    if format != "csv":  # a CSV header is not here yet, and waiting for it would block
        check(format, None)
    return StdinSource(settings, format, clock, check)


class StdinSource(FixedPartitionedSource[pa.RecordBatch, int]):
    """One partition, so one worker of all reads; ``fd`` is standard input's file descriptor."""

    def __init__(self, settings: Settings, format: str, clock: Clock, check: Check, fd: int = 0) -> None:
        self._settings, self._format, self._clock, self._check, self._fd = settings, format, clock, check, fd

    def list_parts(self) -> list[str]:
        return [PARTITION]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_StdinPartition":
        return _StdinPartition(
            self._settings, self._format, self._clock, self._check, self._fd, resume_state or 0
        )


class _StdinPartition(StatefulSourcePartition[pa.RecordBatch, int]):
    def __init__(
        self, settings: Settings, format: str, clock: Clock, check: Check, fd: int, number: int
    ) -> None:
        self._format, self._clock, self._check, self._fd = format, clock, check, fd
        self._number = number
        self._framer = Framer(format, settings.source.max_record_bytes)
        self._schema = None if format == "csv" else schemas.raw_schema(format)
        self._backlog = Backlog[bytes](settings.source, len)
        self._idle = Idle()
        self._end = False

    def next_batch(self) -> list[pa.RecordBatch]:
        if not self._idle.poll(PARTITION, self._read):
            if self._end:
                raise StopIteration
            return []
        records = self._backlog.take()
        if self._schema is None:
            header = records.pop(0)
            self._check(self._format, header)
            self._schema = schemas.raw_schema(self._format, header)
        numbered = list(enumerate(records, self._number))
        self._number += len(numbered)
        return [raw_batch(numbered, PARTITION, self._clock(), self._schema)] if numbered else []

    def _read(self, wait_s: float) -> bool:
        while not self._backlog.full and not self._end and select.select([self._fd], [], [], wait_s)[0]:
            block = os.read(self._fd, _BLOCK_BYTES)
            self._end = not block
            records = self._framer.feed(block) if block else self._framer.close()
            self._backlog.extend(record for _, record in records)
            wait_s = 0
        return len(self._backlog) > 0

    def next_awake(self) -> datetime:
        return AT_ONCE

    def snapshot(self) -> int:
        return self._number
