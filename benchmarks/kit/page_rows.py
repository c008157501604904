"""Scored rows for the live page, as many as one likes, as a flow writes them."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.items.schemas import EVIDENCE, EXPLANATION, SCORED, TIMESTAMP
from dataflow.sink.encoding import json_lines

START_US = 1_767_225_600_000_000
_WORDS = np.array(
    [
        *("payment", "refund", "captured", "stripe", "declined", "card", "queue", "settlement", "lag"),
        *("consumer", "accepted", "session", "timeout", "backup", "node", "started", "user", "login"),
        *("failed", "batch", "order", "worker", "retry", "ledger", "shard", "replica", "gateway", "invoice"),
    ]
)
_WINDOW_US, _KEYS, _WINDOWS_OF_AN_EVENT = 600_000_000, 20, 2
_BATCH = 20_000
#: Events of all keys together in a second of event time.
_RATE = 500


def batches(rows: int, *, first: int = 0, seed: int = 0, dim: int = 0) -> Iterator[pa.RecordBatch]:
    """``rows`` scored rows from the number ``first`` on: each event in two windows, of 20 keys. ``dim``: the
    dimensions of their embeddings; 0: they have none.
    """
    for start in range(first, first + rows, _BATCH):
        numbers = np.arange(start, min(start + _BATCH, first + rows))
        yield _batch(numbers, np.random.default_rng([seed, start]), dim)


def lines(rows: int, *, first: int = 0, seed: int = 0) -> Iterator[memoryview]:
    """The same as JSON lines."""
    return map(json_lines, batches(rows, first=first, seed=seed))


def _batch(numbers: npt.NDArray[np.int64], rng: np.random.Generator, dim: int) -> pa.RecordBatch:
    n, events = len(numbers), numbers // _WINDOWS_OF_AN_EVENT
    ts = START_US + events * (1_000_000 // _RATE)
    start = ts // (_WINDOW_US // 2) * (_WINDOW_US // 2) - (numbers % 2) * (_WINDOW_US // 2)
    words = _WORDS[rng.integers(0, len(_WORDS), (n, 9))]
    p_value = rng.random(n)
    anomaly = -np.log10(p_value)
    columns = {
        "key": pa.array([f"service-{key}" for key in events % _KEYS]),
        "window_start": pa.array(start, TIMESTAMP),
        "window_end": pa.array(start + _WINDOW_US, TIMESTAMP),
        "revision": pa.array(np.zeros(n, np.int32)),
        "id": pa.array([f"event-{event:09d}" for event in events]),
        "ts": pa.array(ts, TIMESTAMP),
        "text": pa.array([f"{' '.join(some)} p-{event}" for some, event in zip(words, events, strict=True)]),
        "score": pa.array(rng.random(n)),
        "cluster": pa.array(rng.integers(0, 8, n), pa.int32()),
        "model": pa.repeat("sbert", n),
        "model_version": pa.repeat("1+0123456789ab", n),
        "attributes": pa.array([f'{{"service":"s{each % 50}","line":{each}}}' for each in events]),
        "partition": pa.array([f"lines:{event % 12}" for event in events.tolist()]),
        "offset": pa.array(events // 12),
        **{field.name: pa.array(rng.random(n)) for field in EVIDENCE},
        "p_value": pa.array(p_value),
        "anomaly": pa.array(anomaly),
        "explanation": pa.array([_explanation() if high else None for high in anomaly > 3], EXPLANATION.type),
    }
    fields = [*SCORED, *EVIDENCE, EXPLANATION]
    if dim:
        vectors = rng.standard_normal((n, dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        flat = pa.array(vectors.reshape(-1))
        columns["embedding"] = pa.FixedSizeListArray.from_arrays(flat, dim)
        fields.append(pa.field("embedding", columns["embedding"].type, nullable=False))
    schema = pa.schema(fields)
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _explanation() -> dict[str, object]:
    return {
        "nearest": "payment captured through stripe",
        "nearest_ts": START_US,
        "similarity": 0.7,
        "new": ["refund"],
        "missing": ["captured"],
        "seen": 0,
        "sentence": 'nearest of 766 earlier events: "payment captured through stripe"; new: refund',
    }
