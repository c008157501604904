"""Batches of records, of events and of embedded events, as tests need them."""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from hypothesis import strategies as st

from dataflow.items.embedding import Store
from dataflow.items.schemas import EVENT, TIMESTAMP, embedded_schema, raw_schema
from dataflow.source.batching import raw_batch

#: Texts that UTF-8 can express.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
#: When :func:`raw` records were read.
ARRIVAL = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
#: The times of :func:`filled` rows.
TIME = datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=timezone.utc)
_VALUES: dict[pa.DataType, Any] = {
    pa.string(): "x",
    TIMESTAMP: TIME,
    pa.int32(): 1,
    pa.int64(): 2,
    pa.float64(): 0.5,
    pa.binary(): b"raw",
}


def raw(
    records: Sequence[bytes],
    *,
    format: str = "jsonl",
    header: bytes | None = None,
    first: int = 0,
    arrival: datetime = ARRIVAL,
) -> pa.RecordBatch:
    """Undecoded records of partition ``p``; their offsets count from ``first``."""
    offsets = range(first, first + len(records))
    return raw_batch(records, offsets, "p", arrival, raw_schema(format, header))


def events(
    texts: Sequence[str],
    first: int = 0,
    *,
    ids: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
    times_us: Sequence[int] | None = None,
    partitions: Sequence[str] | None = None,
    masked: Sequence[str | None] | None = None,
) -> pa.RecordBatch:
    """Decoded events; their offsets count from ``first``, and so do their ids unless ``ids`` names them."""
    n = len(texts)
    offsets = range(first, first + n)
    times = range(n) if times_us is None else times_us
    columns = {
        "id": list(ids) if ids is not None else [f"p:{offset}" for offset in offsets],
        "key": list(keys) if keys is not None else ["all"] * n,
        "ts": pa.array(times, pa.int64()).cast(TIMESTAMP),
        "text": list(texts),
        "partition": list(partitions) if partitions is not None else ["p"] * n,
        "offset": list(offsets),
        "attributes": ["{}"] * n,
        "masked": list(masked) if masked is not None else [None] * n,
    }
    return pa.RecordBatch.from_pydict(columns, schema=EVENT)


def embedded_batch(
    rows: pa.RecordBatch, vectors: npt.NDArray[np.floating[Any]], version: str = "1"
) -> pa.RecordBatch:
    """``rows``, which are events, with their embeddings ``vectors``: (rows, dim), float32 or float16."""
    n, dim = vectors.shape
    store: Store = "fp16" if vectors.dtype == np.float16 else "fp32"
    embeddings = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim)
    columns = [*rows.columns, embeddings, pa.array(["null"] * n), pa.array([version] * n)]
    return pa.RecordBatch.from_arrays(columns, schema=embedded_schema(dim, store))


def filled(schema: pa.Schema, n: int = 1, **values: Any) -> pa.RecordBatch:
    """``n`` equal rows of any schema: ``values``, and for each other column a constant of its type."""
    row: dict[str, Any] = {field.name: _VALUES.get(field.type) for field in schema}
    row |= {"attributes": "{}", "missed": "[]"} | values
    return pa.RecordBatch.from_pylist([{name: row[name] for name in schema.names}] * n, schema=schema)


def unit_vectors(n: int, dim: int = 16, seed: int = 0) -> npt.NDArray[np.float32]:
    """Random vectors of length 1."""
    vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def embedded(vectors: npt.NDArray[np.float32], version: str = "1") -> pa.RecordBatch:
    """Embedded events, one for each row of ``vectors``."""
    return embedded_batch(events([f"text {i}" for i in range(len(vectors))]), vectors, version)
