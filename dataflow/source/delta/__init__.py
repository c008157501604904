"""``delta:PATH`` or ``delta:s3://BUCKET/PATH``: the rows that are appended to a Delta table, as JSON records.

Options: ``start=earliest|latest|snapshot|VERSION|TIME`` (where to begin without recovery state),
``tail=true|false`` (wait for new versions at the end of the table, or stop there), ``columns=a,b`` (read only
these, and those that the settings name), ``filter=CONDITION`` (:mod:`dataflow.source.delta.predicate`),
``changes=refuse|skip`` (what to do with versions that remove or rewrite rows).

The table is one partition. Its rows come version by version: the files in the order of the commit, the rows
in the order of the file. ``start=snapshot`` gives the rows that the table has now first, and so does
``start=earliest`` if the log no longer begins with version 0: then the rows of the first version that the log
can give. Versions that only move rows (``OPTIMIZE``) bring nothing. The offset of a record is ``version *
10**10 + row``, where ``row`` is the number of its row in the version. It depends neither on the filter nor on
the columns. The state names the version, the file and the row, so a resume reads no file again.

Tables with column mapping or deletion vectors, shallow clones, and a table that replaces the one that was
read are refused. So are files that ``VACUUM`` has removed, and commits that were cleaned up before they were
read. While the object store gives no answer, the source waits.
"""

from functools import partial
from typing import Any

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource

from dataflow.clock import Clock
from dataflow.endpoints import delta
from dataflow.endpoints.uri import Uri
from dataflow.errors import SettingsError, SourceError
from dataflow.items.schemas import raw_schema
from dataflow.settings import Settings
from dataflow.settings import Source as SourceOptions
from dataflow.source import CheckFormat
from dataflow.source.batching import raw_batch
from dataflow.source.delta.log import TableLog
from dataflow.source.delta.partition import DeltaPartition, Position, Record
from dataflow.source.delta.predicate import parse_predicate
from dataflow.source.delta.rows import Selection
from dataflow.source.delta.start import first_version


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
    ) -> "DeltaPartition":
        position = self._resumed(resume_state) if resume_state else self._first
        batch = partial(self._batch, for_part)
        return DeltaPartition(self._settings, self._log, self._selection, batch, position, tail=self._tail)

    def _resumed(self, state: dict[str, Any]) -> Position:
        position = Position(**{name: value for name, value in state.items() if name != "table"})
        if state["table"] != self._log.identity or position.version > self._log.newest + 1:
            raise SourceError(
                f"{self._log.where.text}: was read up to version {position.version} before, and is now "
                f"another table or an older copy, at version {self._log.newest}; start with an empty "
                "recovery directory"
            )
        return position

    def _batch(self, partition: str, records: list[Record]) -> pa.RecordBatch:
        offsets = [record.file.offset(record.row) for record in records]
        raws = [record.raw for record in records]
        return raw_batch(raws, offsets, partition, self._clock(), raw_schema("jsonl"))
