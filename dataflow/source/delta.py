"""``delta:PATH`` or ``delta:s3://BUCKET/PATH``: the rows that are appended to a Delta table, as JSON records.

Options: ``start=earliest|latest|snapshot|VERSION|TIME`` (where to begin without recovery state),
``tail=true|false`` (wait for new versions at the end of the table, or stop there), ``columns=a,b`` (read only
these, and those that the settings name), ``filter=CONDITION`` (:mod:`dataflow.source.predicate`),
``changes=refuse|skip`` (what to do with versions that remove or rewrite rows).

The table is one partition. Its rows come version by version: the files in the order of the commit, the rows in
the order of the file. ``start=snapshot`` gives the rows that the table has now first, and so does
``start=earliest`` if the log no longer begins with version 0: then the rows of the first version that the log
can give. Versions that only move rows (``OPTIMIZE``) bring nothing. The offset of a record is ``version *
10**10 + row``, where ``row`` is the number of its row in the version. It depends neither on the filter nor on
the columns. The state names the version, the file and the row, so a resume reads no file again.

Tables with column mapping or deletion vectors, shallow clones, and a table that replaces the one that was
read are refused. So are files that ``VACUUM`` has removed, and commits that were cleaned up before they were
read. While the object store gives no answer, the source waits.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow.clock import Clock
from dataflow.endpoints import delta
from dataflow.endpoints.uri import Uri
from dataflow.errors import SettingsError, SourceError, UnreachableError
from dataflow.items.schemas import raw_schema
from dataflow.settings import Settings
from dataflow.settings import Source as SourceOptions
from dataflow.source import CheckFormat
from dataflow.source.batching import Backlog, raw_batch
from dataflow.source.delta_log import DataFile, TableLog
from dataflow.source.delta_rows import Part, Selection, read_rows
from dataflow.source.delta_start import first_version
from dataflow.source.predicate import parse_predicate
from dataflow.source.waiting import AT_ONCE, WaitOncePerRound
from dataflow.telemetry.logs import Line

#: No version has more rows. So an offset says which version and which row, and there are 900 million versions.
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


class _Record(NamedTuple):
    raw: bytes
    row: int
    file: Position


def open_source(settings: Settings, uri: Uri, clock: Clock, check_format: CheckFormat) -> "DeltaSource":
    """Find the table. Raises ``SettingsError``, ``SourceError``, ``UnreachableError``."""
    uri.allow("start", "tail", "columns", "filter", "changes")
    where = delta.location(settings, uri)
    delta.library()
    check_format("jsonl", None)
    table = delta.open_table(where)
    schema = pa.schema(table.schema())
    check_columns(schema, settings.source)
    predicate = parse_predicate(uri.options["filter"], schema) if "filter" in uri.options else None
    columns = _columns(uri, schema, settings.source)
    skip = uri.choice("changes", "refuse", "skip") == "skip"
    log = TableLog(
        where,
        where.file_system(),
        str(table.metadata().id),
        int(table.version()),
        schema,
        partial(check_columns, options=settings.source),
        skip,
    )
    tail = uri.choice("tail", "true", "false") == "true"
    start = uri.options.get("start", "earliest")
    first = Position(*first_version(where, log.files, table, start))
    return DeltaSource(settings, log, Selection(columns, predicate), clock, first, tail=tail)


def check_columns(schema: pa.Schema, options: SourceOptions) -> None:
    """Raise ``SettingsError`` if the settings name a column that ``schema`` does not have."""
    for name in ("id_field", "key_field", "ts_field", "text_field"):
        field = getattr(options, name)
        if field and field not in schema.names:
            raise SettingsError(
                f"source.{name}={field!r}: no such column; the table has {', '.join(schema.names)}"
            )


def _columns(uri: Uri, schema: pa.Schema, options: SourceOptions) -> frozenset[str] | None:
    if "columns" not in uri.options:
        return None
    named = uri.options["columns"].split(",") if uri.options["columns"] else []
    for name in named:
        if name not in schema.names:
            raise SettingsError(
                f"delta: columns: no column {name!r}; the table has {', '.join(schema.names)}"
            )
    needed = (options.id_field, options.key_field, options.ts_field, options.text_field)
    return frozenset([*named, *filter(None, needed)])


class DeltaSource(FixedPartitionedSource[pa.RecordBatch, dict[str, Any]]):
    """One partition. ``first``: where it begins without a state."""

    def __init__(
        self,
        settings: Settings,
        log: TableLog,
        selection: Selection,
        clock: Clock,
        first: Position,
        *,
        tail: bool,
    ) -> None:
        self._settings, self._log, self._selection, self._clock = settings, log, selection, clock
        self._first, self._tail = first, tail

    def list_parts(self) -> list[str]:
        return [self._log.where.text]

    def build_part(
        self, step_id: str, for_part: str, resume_state: dict[str, Any] | None
    ) -> "_DeltaPartition":
        position = self._resumed(resume_state) if resume_state else self._first
        batch = partial(self._batch, for_part)
        return _DeltaPartition(self._settings, self._log, self._selection, batch, position, tail=self._tail)

    def _resumed(self, state: dict[str, Any]) -> Position:
        position = Position(**{name: value for name, value in state.items() if name != "table"})
        if state["table"] != self._log.identity or position.version > self._log.newest + 1:
            raise SourceError(
                f"{self._log.where.text}: was read up to version {position.version} before, and is now another "
                f"table or an older copy, at version {self._log.newest}; start with an empty recovery directory"
            )
        return position

    def _batch(self, partition: str, records: list[_Record]) -> pa.RecordBatch:
        offsets = [record.file.offset(record.row) for record in records]
        raws = [record.raw for record in records]
        return raw_batch(raws, offsets, partition, self._clock(), raw_schema("jsonl"))


class _DeltaPartition(StatefulSourcePartition[pa.RecordBatch, dict[str, Any]]):
    def __init__(
        self,
        settings: Settings,
        log: TableLog,
        selection: Selection,
        batch: Any,
        position: Position,
        *,
        tail: bool,
    ) -> None:
        self._options, self._log, self._selection, self._batch = settings.source, log, selection, batch
        self._poll_s = settings.delta.poll_interval.total_seconds()
        self._at, self._tail, self._end = position, tail, False
        self._files: list[DataFile] | None = None
        self._parts: Iterator[Part] | None = None
        self._backlog = Backlog[_Record](settings.source, lambda record: len(record.raw))
        self._waits = WaitOncePerRound()
        self._next_poll = time.monotonic()
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
            self._end = not self._tail
            self._wait()

    def _read_part(self, file: DataFile) -> None:
        log = self._log
        if self._parts is None:
            self._parts = read_rows(log.files, file, log.schema, self._selection, self._options, self._at.row)
        try:
            with delta.explained(log.where):
                part = next(self._parts, None)
        except FileNotFoundError:
            raise SourceError(
                f"{log.where.text}: VACUUM has removed {file.path}, which version {self._at.version} added; begin "
                "with the rows that the table has now: add start=snapshot to the URI, and start with an empty "
                "recovery directory"
            ) from None
        if part is None:
            self._parts = None
            self._at = replace(self._at, file=self._at.file + 1, row=0, before=self._at.before + self._at.row)
            return
        here = replace(self._at, row=0)
        self._backlog.extend(
            _Record(raw, row, here) for raw, row in zip(part.records, part.rows, strict=True)
        )
        self._at = replace(self._at, row=part.end)

    def next_awake(self) -> datetime:
        return AT_ONCE

    def snapshot(self) -> dict[str, Any]:
        first = self._backlog.first
        position = replace(first.file, row=first.row) if first else self._at
        return {"table": self._log.identity, **asdict(position)}

    def close(self) -> None:
        self._parts = None
