"""The partition of a Delta source: reads the table from a position on."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa
from bytewax.inputs import StatefulSourcePartition

from dataflow.endpoints import delta
from dataflow.errors import SourceError, UnreachableError
from dataflow.settings import Settings
from dataflow.source.batching import Backlog
from dataflow.source.delta.log import DataFile, TableLog
from dataflow.source.delta.rows import Part, Selection, read_rows
from dataflow.source.lag import LAGS, PartitionLag
from dataflow.source.waiting import AT_ONCE, WaitOncePerRound
from dataflow.telemetry.logs import Line

#: No version has more rows. So an offset says which version and which row. There can be 900 million versions.
ROWS_OF_VERSION = 10**10
#: How many parts are read in one call. Each may be empty, because of the filter.
_MOST_PARTS = 16
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Position:
    """The next row to read.

    ``whole``: the rows are all that the table has in ``version``, not those that ``version`` added.
    ``before``: the rows of the version in the files before ``file``.
    """

    version: int
    whole: bool = False
    file: int = 0
    row: int = 0
    before: int = 0

    def offset(self, row: int) -> int:
        """The offset of the record in ``row`` of this file."""
        return self.version * ROWS_OF_VERSION + self.before + row


class Record(NamedTuple):
    """A record, and the row of the file that it is. ``file``: the position of the first row of the file."""

    raw: bytes
    row: int
    file: Position


class DeltaPartition(StatefulSourcePartition[pa.RecordBatch, dict[str, Any]]):
    """Reads from ``position`` on. ``tail``: waits for new versions at the end of the table."""

    def __init__(
        self,
        settings: Settings,
        log: TableLog,
        selection: Selection,
        batch: Callable[[list[Record]], pa.RecordBatch],
        position: Position,
        *,
        tail: bool,
    ) -> None:
        self._options, self._log, self._selection, self._batch = settings.source, log, selection, batch
        self._poll_s = settings.delta.poll_interval.total_seconds()
        self._at, self._tail, self._end = position, tail, False
        self._files: list[DataFile] | None = None
        self._parts: Iterator[Part] | None = None
        self._backlog = Backlog[Record](settings.source, lambda record: len(record.raw))
        self._waits = WaitOncePerRound()
        self._next_poll = self._next_count = time.monotonic()
        self._newest = -1  # the newest version when the versions were last counted
        self._lag = LAGS.add(PartitionLag())
        self._trouble = False

    def next_batch(self) -> list[pa.RecordBatch]:
        if not self._waits.poll(self._log.where.text, self._read) and self._end:
            raise StopIteration
        records = self._backlog.take()
        return [self._batch(records)] if records else []

    def _read(self, wait_s: float) -> bool:
        for _ in range(_MOST_PARTS):
            if self._backlog.full or self._end:
                break
            if time.monotonic() < self._next_poll:
                if not self._backlog:
                    time.sleep(wait_s)
                break
            self._advance()
        return len(self._backlog) > 0

    def _advance(self) -> None:
        """Read the next part of the file, or open the next file, or the next version."""
        try:
            if self._files is None:
                self._open_version()
            elif self._at.file == len(self._files):
                self._at, self._files = Position(self._at.version + 1), None
            else:
                self._read_part(self._files[self._at.file])
        except UnreachableError as error:
            self._parts = None
            self._wait()
            if not self._trouble:
                _log.warning(
                    Line("source_trouble", f"{error}; the source continues", partition=self._log.where.text)
                )
            self._trouble = True
        else:
            self._trouble = False

    def _wait(self) -> None:
        self._next_poll = time.monotonic() + self._poll_s

    def _open_version(self) -> None:
        at = self._at
        self._files = self._log.at(at.version) if at.whole else self._log.added(at.version)
        if self._files is None:
            self._log.check_not_cleaned(at.version)
            self._lag.versions = 0
            self._end = not self._tail
            self._wait()
        else:
            self._lag.versions = self._newest_version() - at.version + 1

    def _newest_version(self) -> int:
        """The newest version, asked for at most once in a poll interval, as far as it is not passed."""
        now = time.monotonic()
        if self._at.version > self._newest or now >= self._next_count:
            self._newest = self._log.newest_from(self._at.version)
            self._next_count = now + self._poll_s
        return self._newest

    def _read_part(self, file: DataFile) -> None:
        log = self._log
        if self._parts is None:
            self._parts = read_rows(log.files, file, log.schema, self._selection, self._options, self._at.row)
        try:
            with delta.explained(log.where):
                part = next(self._parts, None)
        except FileNotFoundError:
            raise SourceError(
                f"{log.where.text}: VACUUM has removed {file.path}, which version {self._at.version} added; "
                "begin with the rows that the table has now: add start=snapshot to the URI, and start with "
                "an empty recovery directory"
            ) from None
        except pa.ArrowException as error:
            raise SourceError(
                f"{log.where.text}: {file.path} cannot be read: {delta.one_line(error)}"
            ) from None
        if part is None:
            self._parts = None
            self._at = replace(self._at, file=self._at.file + 1, row=0, before=self._at.before + self._at.row)
            return
        here = replace(self._at, row=0)
        self._backlog.extend(Record(raw, row, here) for raw, row in zip(part.records, part.rows, strict=True))
        self._at = replace(self._at, row=part.end)

    def next_awake(self) -> datetime:
        return AT_ONCE

    def snapshot(self) -> dict[str, Any]:
        first = self._backlog.first
        position = replace(first.file, row=first.row) if first else self._at
        return {"table": self._log.identity, **asdict(position)}

    def close(self) -> None:
        self._parts = None
