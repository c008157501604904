"""Appends rows to a Delta table as the transactions of one application."""

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pyarrow as pa

from dataflow.endpoints import delta
from dataflow.endpoints.delta import Location
from dataflow.endpoints.outage import Outage
from dataflow.errors import SourceError, UnreachableError
from dataflow.items.schemas import POSITION
from dataflow.sink import Stream
from dataflow.sink.delta.known import rows_after
from dataflow.telemetry.logs import Line

#: The column by which tables are partitioned.
DAY = "day"
_LONGEST_OUTAGE = timedelta(minutes=5)
_log = logging.getLogger(__name__)


class DeltaAppends:
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
                f"{self._where.text}: has {self.number} appends of this flow, and had {number} before; "
                "restore the table, or start with an empty recovery directory"
            )
        if self.number == number:
            return []
        files, version = self._where.file_system(), int(self._table.version())
        return list(rows_after(self._where, files, version, self.app, number, stream))

    def _newest(self) -> int:
        """The number of the last transaction in the table as it is now."""
        self._table = delta.find_table(self._where)
        return int(self._table.transaction_version(self.app) or 0) if self._table else 0

    def check(self, schema: pa.Schema) -> bool:
        """Whether the table gets new columns with the next append: those that scored rows of an older version
        do not have. Raises ``SourceError`` if other columns of the table differ from ``schema``.
        """
        if self._table is None:
            return False
        have, want = _columns(self._table.schema()), _columns(delta.library().Schema.from_arrow(schema))
        new = [name for name in POSITION if name in want and name not in have]
        if new and have == {name: type for name, type in want.items() if name not in new}:
            return True
        if have != want:
            names = sorted(name for name in have.keys() | want.keys() if have.get(name) != want.get(name))
            raise SourceError(
                f"{self._where.text}: the table has other columns than the rows of this flow: "
                f"{', '.join(names)}; name another table, or change the table"
            )
        return False

    def append(self, rows: pa.Table) -> None:
        """Append ``rows`` in one commit. Raises ``OutageError`` if the store is unreachable for long."""
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
                f"{self._where.text}: another flow with this recovery store has appended rows; end it, or "
                "start with an empty recovery directory"
            )
        adds = self.check(rows.schema)
        transaction = library.Transaction(self.app, self.number + 1)
        library.write_deltalake(
            self._table or self._where.url,
            rows,
            mode="append",
            schema_mode="merge" if adds else None,
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


def _columns(schema: Any) -> dict[str, str]:
    """Name -> type, without what says whether values may be null."""
    return {field.name: _type(pa.field(field).type) for field in schema.fields}


def _type(type: pa.DataType) -> str:
    if pa.types.is_struct(type):
        return f"struct<{', '.join(f'{field.name}: {_type(field.type)}' for field in type)}>"
    if pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type):
        return f"list<{_type(type.value_type)}>"
    return str(type)
