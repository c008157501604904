"""Rows that stay in the batches that they came in, and the one copy that puts the rows of a window in order.

Events arrive in any order, but the rows of a window are scored in the order of (``key``, ``ts``, ``id``), so
that a replay gives the same scores. A window only refers to its rows. The rows are copied once, when the
window is gathered: each row goes from its batch straight to its place in the window.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.items.arrays import Int64s
from dataflow.items.embedding import embedding_bytes, embedding_field, of_float32, stored_embeddings

Indices = npt.NDArray[np.intp]

#: The most bytes that a column of Arrow's type ``string`` holds. More bytes are gathered as ``large_string``.
STRING_BYTES = 2**31 - 1
#: A batch with more rows than so many times those that are needed is not copied as a whole.
_SPARSE = 2
#: About how many bytes of text a batch has that goes to the sinks.
SINK_BYTES = 2**28


def event_times(rows: pa.RecordBatch) -> Int64s:
    """``(n,)`` int64, the column ``ts`` in microseconds since the Unix epoch, UTC. A view: nothing is copied.

    >>> from dataflow.items.schemas import TIMESTAMP
    >>> rows = pa.record_batch({"ts": pa.array([3_000_000, 1_500_000], TIMESTAMP)})
    >>> event_times(rows).tolist()
    [3000000, 1500000]
    """
    ts: Int64s = rows.column("ts").view(pa.int64()).to_numpy()
    return ts


def model_of(rows: pa.RecordBatch) -> str:
    """The model and the version that embedded ``rows``: at least one row, all embedded by the same version.

    >>> model_of(pa.record_batch({"model": ["minilm"], "model_version": ["1+0a"]}))
    'minilm 1+0a'
    """
    return " ".join(rows.column(name)[0].as_py() for name in ("model", "model_version"))


def owned(rows: pa.RecordBatch) -> pa.RecordBatch:
    """``rows``, copied if they are a small part of the batch that they keep in memory.

    ``rows`` have the column ``embedding``, which holds most of their bytes. They are copied if the buffers
    that they refer to are more than 32 times the size of their embeddings.

    >>> from dataflow.items.embedding import embedding_field
    >>> schema = pa.schema([embedding_field(2)])
    >>> batch = pa.RecordBatch.from_pylist([{"embedding": [0.0, 1.0]}] * 1000, schema)
    >>> few = batch.slice(0, 3)
    >>> few.get_total_buffer_size(), owned(few).get_total_buffer_size()
    (8000, 24)
    >>> owned(batch) is batch
    True
    """
    vectors = embedding_bytes(rows) * len(rows)
    if rows.get_total_buffer_size() < 32 * vectors:
        return rows
    return pa.concat_batches([rows])


@dataclass(frozen=True, eq=False, slots=True)
class Rows:
    """The rows of ``batch`` that are at ``indices``, ``(n,)``; all rows of the batch if that is ``None``.

    >>> batch = pa.record_batch({"id": ["a", "b", "c"]})
    >>> chosen = Rows(batch, np.array([2, 0]))
    >>> len(chosen), chosen.rows().column("id").to_pylist()
    (2, ['c', 'a'])
    """

    batch: pa.RecordBatch
    indices: Indices | None = None

    def __len__(self) -> int:
        return len(self.batch if self.indices is None else self.indices)

    def __reduce__(self) -> tuple[type["Rows"], tuple[pa.RecordBatch]]:
        """Pickle these rows alone, without the other rows of the batch."""
        return Rows, (self.rows(),)

    def rows(self) -> pa.RecordBatch:
        """The rows as a batch, in the order of ``indices``; copied, unless they are the whole batch."""
        return self.batch if self.indices is None else self.batch.take(pa.array(self.indices))


def in_order(parts: Sequence[Rows]) -> pa.RecordBatch:
    """The rows of all parts as one batch, sorted by (``key``, ``ts``, ``id``).

    There must be at least one part, and all parts must have the same schema. The embeddings come out as
    float32. The rows are copied, unless they are one whole batch with float32 that is sorted already. The
    text columns have the type ``large_string`` if they have more bytes than ``string`` has room for
    (:func:`of_strings` turns them back).

    >>> from dataflow.items.schemas import TIMESTAMP
    >>> def batch(keys, ts, ids):
    ...     return pa.record_batch({"key": keys, "ts": pa.array(ts, TIMESTAMP), "id": ids})
    >>> parts = [batch(["k", "k"], [20, 10], ["b", "a"]), batch(["k", "j"], [20, 15], ["a", "z"])]
    >>> in_order([Rows(part) for part in parts]).column("id").to_pylist()
    ['z', 'a', 'a', 'b']
    """
    # The batches arrived in about this order. So the sorts below merge long sorted runs, which is fast.
    parts = sorted(parts, key=_first_time)
    columns, at = _joined(parts)
    ts = event_times(columns)[at]
    ranks = _ranks(columns.column("key"), at)
    order = np.argsort(ts, kind="stable")
    if ranks is not None:
        order = order[np.argsort(ranks[order], kind="stable")]
    if _has_ties(ts[order], None if ranks is None else ranks[order]):
        by: dict[str, Any] = {} if ranks is None else {"rank": ranks}
        by |= {"ts": ts, "id": columns.column("id").take(pa.array(at))}
        by_all = [(name, "ascending") for name in by]
        order = pc.sort_indices(pa.table(by), sort_keys=by_all).to_numpy().astype(np.intp)
    if len(parts) == 1 and parts[0].indices is None and (order[1:] > order[:-1]).all():
        return of_float32(parts[0].batch)
    rows, schema = columns.take(pa.array(at[order])), parts[0].batch.schema
    if "embedding" not in schema.names:
        return rows
    place = schema.get_field_index("embedding")
    field = embedding_field(schema.field(place).type.list_size)
    return rows.add_column(place, field, _gather_vectors(parts, order, field.type))


def _ranks(keys: pa.Array, at: Indices) -> npt.NDArray[np.unsignedinteger[Any]] | None:
    """``(n,)`` the place of the keys ``at`` in the order of all ``keys``; ``None`` if there is only one."""
    encoded = keys.dictionary_encode()
    number = len(encoded.dictionary)
    if number == 1:
        return None
    # NumPy sorts 16-bit numbers in linear time.
    rank_of = np.empty(number, np.uint16 if number < 2**16 else np.uint32)
    rank_of[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(number)
    ranks: npt.NDArray[np.unsignedinteger[Any]] = rank_of[encoded.indices.to_numpy()[at]]
    return ranks


def _has_ties(ts: Int64s, ranks: npt.NDArray[Any] | None) -> bool:
    """Whether two rows have the same key and event time. The arrays are sorted by key and event time."""
    same = ts[1:] == ts[:-1]
    return bool((same if ranks is None else same & (ranks[1:] == ranks[:-1])).any())


class Segments(NamedTuple):
    """The rows of each key in a batch that is sorted by ``key``.

    ``keys``: ``(k,)`` the keys, an array of strings. ``offsets``: ``(k + 1,)``; the rows of ``keys[i]`` are
    those from ``offsets[i]`` up to but without ``offsets[i + 1]``.
    """

    keys: pa.Array
    offsets: Int64s


def segments(rows: pa.RecordBatch) -> Segments:
    """Find the rows of each key. ``rows``: at least one row, sorted by ``key``.

    >>> found = segments(pa.record_batch({"key": ["a", "a", "b"]}))
    >>> found.keys.to_pylist(), found.offsets.tolist()
    (['a', 'b'], [0, 2, 3])
    """
    ends = pc.run_end_encode(rows.column("key"))
    return Segments(ends.values, np.concatenate(([0], ends.run_ends.to_numpy())).astype(np.int64))


def _first_time(part: Rows) -> int:
    """The event time of the first row of a part."""
    first: int = part.batch.column("ts")[0 if part.indices is None else int(part.indices[0])].value
    return first


def _joined(parts: Sequence[Rows]) -> tuple[pa.RecordBatch, Indices]:
    """A batch that has the rows of all parts, without embeddings, and where in it they are, part by part.

    The batch may have other rows, too: to copy a whole batch takes less time than to pick half of its rows.
    Text columns become ``large_string`` if ``string`` has no room for their bytes.
    """
    batches, at, start = [], [], 0
    for part in parts:
        batch, indices = part.batch, part.indices
        batch = batch.select([name for name in batch.schema.names if name != "embedding"])
        if indices is not None and len(batch) > _SPARSE * len(indices):
            batch, indices = batch.take(pa.array(indices)), None
        at.append(start + (np.arange(len(batch)) if indices is None else indices))
        batches.append(batch)
        start += len(batch)
    # The bytes of buffers are at least those of the rows, and known at once.
    if (
        sum(batch.get_total_buffer_size() for batch in batches) > STRING_BYTES
        and sum(batch.nbytes for batch in batches) > STRING_BYTES
    ):
        large = [
            f.with_type(pa.large_string()) if pa.types.is_string(f.type) else f for f in batches[0].schema
        ]
        batches = [batch.cast(pa.schema(large)) for batch in batches]
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches), np.concatenate(at)


def of_strings(rows: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The rows with the type ``string`` for each ``large_string``, in one batch or in several.

    There are several batches, of about :data:`SINK_BYTES` of text each, if one column has no room for all.

    >>> large = pa.record_batch({"text": pa.array(["a", "b"], pa.large_string())})
    >>> [batch.schema.field("text").type for batch in of_strings(large)]
    [DataType(string)]
    """
    large = [field.name for field in rows.schema if pa.types.is_large_string(field.type)]
    if not large:
        return [rows]
    schema = pa.schema(
        [field.with_type(pa.string()) if field.name in large else field for field in rows.schema]
    )
    lengths = [pc.fill_null(pc.binary_length(rows.column(name)), 0) for name in large]
    size = sum(length.to_numpy(zero_copy_only=False) for length in lengths)
    batch_number = np.cumsum(size, dtype=np.int64) // SINK_BYTES
    bounds = [0, *(np.flatnonzero(np.diff(batch_number)) + 1).tolist(), len(rows)]
    # The rows are copied (`take`): a slice keeps the offsets of the large column, which do not fit.
    return [
        rows.take(pa.array(np.arange(start, stop))).cast(schema) for start, stop in itertools.pairwise(bounds)
    ]


def _gather_vectors(parts: Sequence[Rows], order: Indices, type: pa.DataType) -> pa.Array:
    """The embeddings at ``order`` as float32: nearly all bytes of the rows, so each is copied only once."""
    size = len(order) * type.list_size
    # Arrow's allocator reuses memory. NumPy's asks the system for memory of this size each time.
    buffer = pa.allocate_buffer(4 * size)
    gathered = np.frombuffer(buffer, np.float32).reshape(-1, type.list_size)
    target = np.empty_like(order)
    target[order] = np.arange(len(order))
    start = 0
    for part in parts:
        vectors = stored_embeddings(part.batch)
        chosen = vectors if part.indices is None else vectors[part.indices]
        gathered[target[start : start + len(part)]] = chosen
        start += len(part)
    flat = pa.Array.from_buffers(pa.float32(), size, [None, buffer])
    return pa.FixedSizeListArray.from_arrays(flat, type=type)
