"""Reads the Delta table of marks again whenever it has a new version."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from dataflow.endpoints import delta
from dataflow.endpoints.delta import Location, NoTableError
from dataflow.endpoints.delta_rows import TableRows
from dataflow.errors import SourceError
from dataflow.marks.line import Mark, parse
from dataflow.telemetry import metrics
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)
#: So many rows are read at a time.
_ROWS = 4096
#: Of rows with one ``id`` and one ``ts``, the last one of this order counts. A table has no order of rows.
_PRECEDENCE = ("expected", "real", "none")


class MarksTable:
    """The marks in the Delta table at ``where``, to which other processes append, or which they change.

    A row is a mark, and a column is a field of :class:`~dataflow.marks.line.Mark`; null means that it is not
    given. The order of the rows does not count. A row that is no mark is logged once, counted and left out.
    While the table cannot be read, the marks that are known go on to count. ``every_s``: the table is looked
    at once in so many seconds of ``clock`` at most.
    """

    def __init__(self, where: Location, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._where, self._every_s, self._clock = where, every_s, clock
        self.marks: tuple[Mark, ...] = ()
        self._next: float | None = None
        self._files: pafs.FileSystem | None = None
        #: The version that was read, and what its commit looks like in the store.
        self._seen: tuple[int, Any] | None = None
        #: The rows that were read -> the mark; ``None``: the row is no mark.
        self._rows: dict[bytes, Mark | None] = {}
        #: Whether the table could not be read the last time.
        self._has_failed = False
        self._named: frozenset[str] = frozenset()

    def open(self) -> None:
        """Read the table for the first time; there may be none yet. Raises ``SourceError`` and
        ``UnreachableError``.
        """
        try:
            self._read()
        except NoTableError:
            self._fail(f"{self._where.text}: there are no marks until the table is there", logging.INFO)
        self._next = self._clock() + self._every_s

    def look(self) -> bool:
        """Read the table if it has a new version, and if its time has come. Returns whether it was read."""
        now = self._clock()
        if self._next is not None and now < self._next:
            return False
        self._next = now + self._every_s
        try:
            if not self._has_changed() and not self._has_failed:
                return False
            self._read()
        except SourceError as error:
            if self._seen is not None or not isinstance(error, NoTableError):
                known = f"the {len(self.marks)} rows that were read count until it can be read again"
                self._fail(f"{error}; {known}", logging.WARNING)
            return False
        return True

    def _has_changed(self) -> bool:
        if self._files is None or self._seen is None:
            return True
        version, commit = self._seen
        return self._commit(version) != commit or self._commit(version + 1) is not None

    def _commit(self, version: int) -> Any:
        """What tells a commit from another one of this version; ``None``: there is none."""
        assert self._files is not None
        with delta.explained(self._where):
            info = self._files.get_file_info(delta.commit_path(version))
        return None if info.type == pafs.FileType.NotFound else (info.size, info.mtime_ns)

    def _read(self) -> None:
        table = delta.open_table(self._where)
        version, rows = int(table.version()), TableRows(self._where, table)
        if missing := sorted({"mark", "ts"} - set(rows.schema.names)):
            raise SourceError(f"{self._where.text}: has no column {missing[0]!r}; name a table of marks")
        self._files = self._files or self._where.file_system()
        commit = self._commit(version)
        self._take(rows)
        self._name_others(rows.schema)
        self._seen = version, commit
        if self._has_failed:
            self._has_failed = False
            _log.info(Line("marks_read", f"{self._where.text}: the marks can be read"))

    def _take(self, rows: TableRows) -> None:
        assert self._files is not None
        columns = [name for name in rows.schema.names if name in Mark.model_fields]
        found: dict[bytes, Mark | None] = {}
        last, count = "", 0
        for path, batch in rows.batches(self._files, columns, _ROWS):
            count = count if path == last else 0
            for number, raw in enumerate(_json(batch), count + 1):
                if raw not in found:
                    known = raw in self._rows
                    found[raw] = self._rows[raw] if known else self._parse(raw, path, number)
            last, count = path, count + len(batch)
        self._rows = found
        marks = [(mark.first, _PRECEDENCE.index(mark.mark), raw) for raw, mark in found.items() if mark]
        self.marks = tuple(mark for *_, raw in sorted(marks) if (mark := found[raw]))

    def _parse(self, raw: bytes, path: str, number: int) -> Mark | None:
        try:
            return parse(raw)
        except ValueError as error:
            metrics.MARK_ERRORS.inc()
            place = f"{self._where.text}: {path}, row {number}"
            sentence = f"{place}: {error}; the row is left out: write a correct one"
            _log.warning(Line("mark_refused", sentence, path=path, row=number))
            return None

    def _name_others(self, schema: pa.Schema) -> None:
        """Log columns that no mark has: a name may be misspelt."""
        others = frozenset(schema.names) - Mark.model_fields.keys()
        if new := sorted(others - self._named):
            sentence = f"{self._where.text}: marks have no such columns, which are not read: {', '.join(new)}"
            _log.warning(Line("marks_columns", sentence))
        self._named = others

    def _fail(self, sentence: str, level: int) -> None:
        if not self._has_failed:
            self._has_failed = True
            _log.log(level, Line("marks_missing", sentence))


def _json(batch: pa.RecordBatch) -> Iterator[bytes]:
    """The rows as JSON objects, without what is null."""
    columns = [_text_times(column).to_pylist() for column in batch.columns]
    for values in zip(*columns, strict=True):
        row = zip(batch.schema.names, values, strict=True)
        given = {name: value for name, value in row if value is not None}
        yield orjson.dumps(given, default=str, option=orjson.OPT_SORT_KEYS)


def _text_times(column: pa.Array) -> pa.Array:
    """Times as RFC 3339, without a zone if the column has none. Python knows no times after the year 9999."""
    if not pa.types.is_timestamp(column.type):
        return column
    zone = "Z" if column.type.tz else ""
    plain = column.cast(pa.timestamp("us", column.type.tz), safe=False).view(pa.timestamp("us"))
    texts = pc.replace_substring(plain.cast(pa.string()), " ", "T")
    return pc.binary_join_element_wise(texts, pa.scalar(zone), pa.scalar(""))
