"""Where the source had the records of recorded events.

A replay has one partition, whose offsets number the events. What the replay writes says again where the
records were, so that it equals what the flow wrote.
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dataflow.items.marks import Marked
from dataflow.items.schemas import POSITION


@dataclass(frozen=True)
class Positions:
    """``table``: the columns ``POSITION``; its row ``n`` is the place of the event with the number ``n``.
    ``None``: the recorded rows do not say it.
    """

    table: pa.Table | None

    def restored(self, marked: Marked) -> Marked:
        """Scored rows of a replay with the recorded positions; null where these are not known."""
        return marked.with_rows(self._restored(marked.rows, pa.nulls(len(marked.rows))))

    def restored_letters(self, marked: Marked) -> Marked:
        """Dead letters of a replay; they keep the number of the event where no position is known."""
        return marked.with_rows(self._restored(marked.rows, None))

    def _restored(self, rows: pa.RecordBatch, unknown: pa.Array | None) -> pa.RecordBatch:
        found = None if self.table is None else self.table.take(rows.column("offset"))
        for name in POSITION:
            place = rows.schema.get_field_index(name)
            field, other = rows.schema.field(place), rows.column(name) if unknown is None else unknown
            other = other.cast(field.type)
            column = other if found is None else pc.coalesce(found[name].combine_chunks(), other)
            rows = rows.set_column(place, field, column)
        return rows
