"""Rows as they lie in the batches that they came in, and the one copy that puts them in order.

Whatever order events arrive in, scores are made in that of (``ts``, ``id``). A window points to its rows, and
they are copied when it is looked at: once, straight to their place.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.items.arrays import Int64s
from dataflow.items.schemas import embeddings

Places = npt.NDArray[np.intp]

#: Arrow's ``string`` has room for so many bytes in a column. More than that are gathered as ``large_string``.
STRING_BYTES = 2**31 - 1
#: Bytes of text in a batch that goes to the sinks, about.
SINK_BYTES = 2**28


def event_times(rows: pa.RecordBatch) -> Int64s:
    """``(n,)`` the event times, microseconds since the Unix epoch; a view."""
    ts: Int64s = rows.column("ts").view(pa.int64()).to_numpy()
    return ts


def owned(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows, copied if they are a small part of the batch that they keep in memory."""
    vectors = 4 * rows.column("embedding").type.list_size * len(rows)
    if rows.get_total_buffer_size() < 8 * vectors:
        return rows
    return pa.concat_batches([rows])


@dataclass(frozen=True, eq=False, slots=True)
class Rows:
    """The rows of ``batch`` at ``places``, ``(n,)``; all of them if that is ``None``."""

    batch: pa.RecordBatch
    places: Places | None = None

    def __len__(self) -> int:
        return len(self.batch if self.places is None else self.places)

    def __reduce__(self) -> tuple[type["Rows"], tuple[pa.RecordBatch]]:
        """What goes to another process are the rows alone."""
        return Rows, (self.rows(),)

    def rows(self) -> pa.RecordBatch:
        """The rows as they are placed; copied, unless they are the whole batch."""
        return self.batch if self.places is None else self.batch.take(pa.array(self.places))


class SortedBatch:
    """A batch and its event times, sorted when a part of them is first asked for."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._all = Rows(batch)

    @cached_property
    def _span(self) -> tuple[int, int]:
        ts = event_times(self._all.batch)
        return int(ts.min()), int(ts.max())

    @cached_property
    def _by_time(self) -> tuple[Int64s, Places | None]:
        ts = event_times(self._all.batch)
        if len(ts) < 2 or (ts[1:] >= ts[:-1]).all():
            return ts, None
        order = np.argsort(ts, kind="stable")
        return ts[order], order

    def between(self, start: int, end: int) -> Rows:
        """The rows with event times in ``[start, end)``, in any order; nothing is copied."""
        first, last = self._span
        if start <= first and last < end:
            return self._all
        ts, order = self._by_time
        low, high = ts.searchsorted((start, end)).tolist()
        batch = self._all.batch
        return Rows(batch.slice(low, high - low)) if order is None else Rows(batch, order[low:high])


def in_order(pieces: Sequence[Rows]) -> pa.RecordBatch:
    """The rows of all the pieces (of which there is at least one), by (``ts``, ``id``).

    They are copied, unless they are one whole batch that is in order.
    """
    # Arrived in about this order, so that the sort below finds few runs to merge.
    pieces = sorted(pieces, key=_first)
    ts = np.concatenate([_chosen(event_times(piece.batch), piece) for piece in pieces])
    order = np.argsort(ts, kind="stable")
    if (ts[order][1:] == ts[order][:-1]).any():
        ids = _joined([_chosen(piece.batch.column("id"), piece) for piece in pieces])
        by_both = [("ts", "ascending"), ("id", "ascending")]
        order = pc.sort_indices(pa.table({"ts": ts, "id": ids}), sort_keys=by_both).to_numpy().astype(np.intp)
    if len(pieces) == 1 and pieces[0].places is None and (order[1:] > order[:-1]).all():
        return pieces[0].batch
    return _gather(pieces, order)


def _first(piece: Rows) -> int:
    first: int = piece.batch.column("ts")[0 if piece.places is None else int(piece.places[0])].value
    return first


def _chosen(values: Any, piece: Rows) -> Any:
    """The piece's part of a column of its batch, Arrow's or NumPy's."""
    if piece.places is None:
        return values
    return values.take(pa.array(piece.places)) if isinstance(values, pa.Array) else values[piece.places]


def _gather(pieces: Sequence[Rows], order: Places) -> pa.RecordBatch:
    """The rows of the pieces, one piece after the other, at ``order``."""
    schema, at = pieces[0].batch.schema, pa.array(order)
    columns = []
    for field in schema:
        if field.name == "embedding":
            columns.append(_vectors(pieces, order, field.type))
        else:
            parts = [_chosen(piece.batch.column(field.name), piece) for piece in pieces]
            columns.append(_joined(parts).take(at))
    fields = [field.with_type(column.type) for field, column in zip(schema, columns, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _joined(parts: list[pa.Array]) -> pa.Array:
    """One array of all, ``large_string`` if ``string`` has no room for it."""
    if pa.types.is_string(parts[0].type) and sum(part.nbytes for part in parts) > STRING_BYTES:
        parts = [part.cast(pa.large_string()) for part in parts]
    return pa.concat_arrays(parts)


def of_strings(rows: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The rows with ``string`` for ``large_string``: one batch, or several if they hold more than fits."""
    large = [field.name for field in rows.schema if pa.types.is_large_string(field.type)]
    if not large:
        return [rows]
    schema = pa.schema(
        [field.with_type(pa.string()) if field.name in large else field for field in rows.schema]
    )
    size = sum(pc.binary_length(rows.column(name)).to_numpy(zero_copy_only=False) for name in large)
    part = np.cumsum(size, dtype=np.int64) // SINK_BYTES
    bounds = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(rows)]
    # Taken, as a slice keeps offsets that do not fit.
    return [
        rows.take(pa.array(np.arange(start, stop))).cast(schema) for start, stop in itertools.pairwise(bounds)
    ]


def _vectors(pieces: Sequence[Rows], order: Places, type: pa.DataType) -> pa.Array:
    """Nearly all of a row's bytes: each goes straight to its place."""
    size = len(order) * type.list_size
    # Arrow's allocator hands out memory that was used before; for so much, NumPy's asks the system each time.
    buffer = pa.allocate_buffer(4 * size)
    gathered = np.frombuffer(buffer, np.float32).reshape(-1, type.list_size)
    target = np.empty_like(order)
    target[order] = np.arange(len(order))
    start = 0
    for piece in pieces:
        gathered[target[start : start + len(piece)]] = _chosen(embeddings(piece.batch), piece)
        start += len(piece)
    flat = pa.Array.from_buffers(pa.float32(), size, [None, buffer])
    return pa.FixedSizeListArray.from_arrays(flat, type=type)
