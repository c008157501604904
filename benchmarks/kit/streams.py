"""Streams of embedded events, built in memory before the clock starts."""

from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.embed.batch import embed_batches
from dataflow.embed.null import NullEmbedder
from dataflow.items.embedding import Store
from dataflow.items.schemas import EVENT, TIMESTAMP

#: 2026-01-01T00:00:00Z
START_US = 1_767_225_600_000_000
BATCH_ROWS = 1024


def stream(
    rows: int,
    *,
    dim: int,
    events_per_second: float,
    keys: int = 1,
    texts: int | None = None,
    jitter_s: float = 0.0,
    batch_rows: int = BATCH_ROWS,
    store: Store = "fp32",
) -> list[pa.RecordBatch]:
    """Embedded events at an even rate of event time. The keys take turns.

    An event arrives up to ``jitter_s`` seconds after its time, so events arrive out of order. ``texts`` is
    the number of different texts; with ``None`` each event has its own. Equal texts have equal embeddings.
    ``store``: as ``embed.store``.
    """
    rng = np.random.default_rng(7)
    at_s = np.arange(rows) / events_per_second
    arrival = (
        np.argsort(at_s + rng.uniform(0, jitter_s, rows), kind="stable") if jitter_s else np.arange(rows)
    )
    ts = START_US + (at_s[arrival] * 1e6).astype(np.int64)
    users = rng.integers(texts, size=rows) if texts else np.arange(rows)
    embedder = NullEmbedder(dim)
    batches = []
    for first in range(0, rows, batch_rows):
        batch = slice(first, first + batch_rows)
        (embedded,), _ = embed_batches(embedder, [_events(first, ts[batch], users[batch], keys)], store)
        batches.append(embedded)
    return batches


def _events(
    first: int,
    ts: "np.ndarray[Any, np.dtype[np.int64]]",
    users: "np.ndarray[Any, np.dtype[np.int64]]",
    keys: int,
) -> pa.RecordBatch:
    """An ``EVENT`` batch whose first offset is ``first``."""
    offsets = range(first, first + len(ts))
    columns = {
        "id": pa.array([f"stream:{offset}" for offset in offsets]),
        "key": pa.array([f"k{offset % keys}" for offset in offsets]),
        "ts": pa.array(ts).cast(TIMESTAMP),
        "text": pa.array([f"sshd: failed password for user {user} from 10.0.0.1" for user in users.tolist()]),
        "partition": pa.repeat("stream", len(ts)),
        "offset": pa.array(offsets, pa.int64()),
        "attributes": pa.repeat("{}", len(ts)),
        "masked": pa.nulls(len(ts), pa.string()),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in EVENT.names], schema=EVENT)
