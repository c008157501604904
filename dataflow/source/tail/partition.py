"""The only partition of a sequence of files: makes batches of the records that a cursor gives."""

import csv
import logging
import time
from datetime import datetime

import pyarrow as pa
from bytewax.inputs import StatefulSourcePartition

from dataflow.clock import Clock
from dataflow.errors import SettingsError
from dataflow.items.schemas import raw_schema
from dataflow.settings import Source as SourceOptions
from dataflow.source import CheckFormat
from dataflow.source.batching import Backlog, raw_batch
from dataflow.source.framing import Record
from dataflow.source.lag import LAGS, PartitionLag
from dataflow.source.tail.cursor import Cursor, State
from dataflow.source.tail.readers import Reader
from dataflow.source.waiting import AT_ONCE, WaitOncePerRound
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)


class TailPartition(StatefulSourcePartition[pa.RecordBatch, State]):
    """A batch holds records of one file, because the schema of a batch depends on the header of the file."""

    def __init__(
        self, name: str, cursor: Cursor, options: SourceOptions, clock: Clock, check_format: CheckFormat
    ) -> None:
        self._name, self._cursor, self._clock, self._check_format = name, cursor, clock, check_format
        self._waits = WaitOncePerRound()
        self._backlog = Backlog[Record](options, lambda record: len(record.raw))
        self._schema: tuple[Reader, pa.Schema] | None = None
        self._lag = LAGS.add(PartitionLag())

    def next_batch(self) -> list[pa.RecordBatch]:
        found = self._waits.poll(self._name, self._read)
        self._lag.bytes = self._cursor.unread
        if not found:
            if self._cursor.ended:
                raise StopIteration
            return []
        schema = self._schema_of(self._cursor.reader)
        records = self._backlog.take()
        raws = [record.raw for record in records]
        offsets = [self._cursor.base + record.offset for record in records]
        return [raw_batch(raws, offsets, self._name, self._clock(), schema)]

    def _read(self, wait_s: float) -> bool:
        while not self._backlog.full and not self._cursor.ended:
            records = self._cursor.read(stay=bool(len(self._backlog)))
            if records is None:
                break
            self._backlog.extend(records)
        if not len(self._backlog):
            time.sleep(wait_s)
        return bool(len(self._backlog))

    def _schema_of(self, reader: Reader | None) -> pa.Schema:
        assert reader is not None
        if self._schema is None or self._schema[0] is not reader:
            header = reader.header
            if header is not None:
                header = self._readable(reader.file.path, header)
            self._schema = reader, raw_schema(reader.format, header)
        return self._schema[1]

    def _readable(self, path: str, header: bytes) -> bytes:
        """The header of CSV, or an empty header if it cannot be read: bad data does not end the dataflow."""
        try:
            self._check_format("csv", header)
        except SettingsError as error:
            sentence = f"{path}: {error}; its records become dead letters"
            _log.warning(Line("file_unfit", sentence, path=path, cause=str(error)))
        try:
            next(csv.reader([header.decode()], strict=True), None)
        except (UnicodeDecodeError, csv.Error):
            return b""
        return header

    def next_awake(self) -> datetime:
        return AT_ONCE

    def position(self) -> int:
        """The offset of the next record."""
        return self.snapshot()["offset"]

    def snapshot(self) -> State:
        first = self._backlog.first
        return self._cursor.state(first.offset if first else None)

    def close(self) -> None:
        self._cursor.close()
