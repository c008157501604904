"""Batches of records and events, made for a test."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from dataflow.items.arrays import Vectors
from dataflow.items.schemas import EVENT, embedded_schema

#: Texts that UTF-8 can express.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def events(texts: Sequence[str], first: int = 0) -> pa.RecordBatch:
    n = len(texts)
    return pa.RecordBatch.from_pydict(
        {
            "id": [f"p:{first + i}" for i in range(n)],
            "key": ["all"] * n,
            "ts": pa.array(range(n), EVENT.field("ts").type),
            "text": list(texts),
            "partition": ["p"] * n,
            "offset": list(range(first, first + n)),
            "attributes": ["{}"] * n,
        },
        schema=EVENT,
    )


def unit_vectors(n: int, dim: int = 16, seed: int = 0) -> Vectors:
    """Random vectors of length 1."""
    vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def embedded(vectors: Vectors) -> pa.RecordBatch:
    """Embedded events, one for each row of ``vectors``."""
    n, dim = vectors.shape
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim)
    columns = [*events([f"text {i}" for i in range(n)]).columns, embedding, *[pa.array(["m"] * n)] * 2]
    return pa.RecordBatch.from_arrays(columns, schema=embedded_schema(dim))
