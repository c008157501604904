"""Batches of records and events, made for a test."""

from collections.abc import Sequence

import pyarrow as pa
from hypothesis import strategies as st

from dataflow.items.schemas import EVENT

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
