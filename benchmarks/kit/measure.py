"""What the benchmarks share: streams in memory, a bytewax source and sink for them, timing, tables."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from dataflow.clock import utc_now
from dataflow.items.schemas import TIMESTAMP, embedded_schema

#: 2026-01-01T00:00:00Z
START_US = 1_767_225_600_000_000
BATCH_ROWS = 1024


def stream(
    rows: int,
    *,
    dim: int,
    a_second: float,
    keys: int = 1,
    texts: int | None = None,
    jitter_s: float = 0.0,
    batch: int = BATCH_ROWS,
) -> list[pa.RecordBatch]:
    """Embedded events at an even rate of event time, keys in turn; ``jitter_s`` of disorder. ``texts``: how
    many different texts there are; ``None``: each event has its own.
    """
    rng = np.random.default_rng(7)
    at = np.arange(rows) / a_second
    arrival = np.argsort(at + rng.uniform(0, jitter_s, rows), kind="stable") if jitter_s else np.arange(rows)
    ts = START_US + (at[arrival] * 1e6).astype(np.int64)
    names = [f"k{n}" for n in range(keys)]
    known = rng.random((texts, dim), np.float32) if texts else None
    return [
        _batch(ts[first : first + batch], first, names, dim, rng, known) for first in range(0, rows, batch)
    ]


def _batch(
    ts: np.ndarray[Any, np.dtype[np.int64]],
    first: int,
    names: list[str],
    dim: int,
    rng: np.random.Generator,
    known: np.ndarray[Any, np.dtype[np.float32]] | None,
) -> pa.RecordBatch:
    n = len(ts)
    which = np.arange(first, first + n) if known is None else rng.integers(len(known), size=n)
    vectors = rng.random((n, dim), np.float32) if known is None else known[which]
    columns = {
        "id": pa.array([f"stream:{first + i}" for i in range(n)]),
        "key": pa.array([names[(first + i) % len(names)] for i in range(n)]),
        "ts": pa.array(ts).cast(TIMESTAMP),
        "text": pa.array([f"sshd: failed password for user {w} from 10.0.0.1" for w in which.tolist()]),
        "partition": pa.repeat("stream", n),
        "offset": pa.array(range(first, first + n), pa.int64()),
        "attributes": pa.repeat("{}", n),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dim),
        "model": pa.repeat("null", n),
        "model_version": pa.repeat("1", n),
    }
    schema = embedded_schema(dim)
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


class Memory(FixedPartitionedSource[Any, int]):
    """Emits prepared lists of items, one list a poll; ``pace``: wall time between two."""

    def __init__(self, batches: Sequence[list[Any]], pace: timedelta = timedelta(0)) -> None:
        self._batches, self._pace = batches, pace

    def list_parts(self) -> list[str]:
        return ["memory"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_MemoryPart":
        return _MemoryPart(self._batches, self._pace, resume_state or 0)


class _MemoryPart(StatefulSourcePartition[Any, int]):
    def __init__(self, batches: Sequence[list[Any]], pace: timedelta, position: int) -> None:
        self._batches, self._pace, self._position = batches, pace, position
        self._begin: Any = None

    def next_batch(self) -> list[Any]:
        if self._position == len(self._batches):
            raise StopIteration
        self._position += 1
        return self._batches[self._position - 1]

    def next_awake(self) -> Any:
        if not self._pace:
            return None
        # By the schedule, not by the last poll: a slow dataflow must catch up, as with a real source.
        self._begin = self._begin or utc_now() - self._position * self._pace
        return self._begin + self._position * self._pace

    def snapshot(self) -> int:
        return self._position


class Count(DynamicSink[Any]):
    """Adds up ``size(item)`` over all items."""

    def __init__(self, size: Callable[[Any], int]) -> None:
        self._size = size
        self.items = self.total = 0

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_CountPart":
        return _CountPart(self)

    def add(self, items: list[Any]) -> None:
        self.items += len(items)
        self.total += sum(map(self._size, items))


class _CountPart(StatelessSinkPartition[Any]):
    def __init__(self, count: Count) -> None:
        self._count = count

    def write_batch(self, items: list[Any]) -> None:
        self._count.add(items)


@dataclass(frozen=True)
class Took:
    """Seconds: by the wall clock, and of CPU in this process."""

    wall: float
    cpu: float


def race(runs: int, candidates: Mapping[str, Callable[[], object]]) -> dict[str, Took]:
    """The median of ``runs`` of each candidate, taken in turn, so that a slow moment hits all."""
    taken: dict[str, list[Took]] = {name: [] for name in candidates}
    for _ in range(runs):
        for name, run in candidates.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            taken[name].append(Took(time.perf_counter() - wall, time.process_time() - cpu))
    return {
        name: Took(statistics.median(t.wall for t in took), statistics.median(t.cpu for t in took))
        for name, took in taken.items()
    }


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a Markdown table."""
    print(f"\n{title}\n", flush=True)
    for cells in (heads, ["---"] * len(heads), *rows):
        print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)
