"""The window steps without bytewax: the machine of a key, its chunks and its assemblies in one object."""

import itertools
import random
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataflow import settings
from dataflow.clock import micros
from dataflow.items.windows import WholeWindow, WindowRef
from dataflow.window.chunk import Assembly, ChunkReader, StoredChunk
from dataflow.window.machine import Windows
from dataflow.window.messages import Append, Drop, Gone, Output, Trim
from dataflow.window.progress import Progress, Stamped, by_key
from tests.support.batches import embedded_batch, events

DIM = 4


class Arrival(NamedTuple):
    """An event as the window stage sees it; ``ts`` in seconds, for readable examples."""

    ts: int
    partition: str = "p0"
    key: str = "k"


def spec(**fields: Any) -> settings.Window:
    """Window settings from whole seconds; any jump is believed, unless ``max_jump`` says otherwise."""
    durations = {k: timedelta(seconds=v) for k, v in ({"max_jump": 0} | fields).items() if isinstance(v, int)}
    return settings.Window(**{**fields, **durations})


def batch(arrivals: Sequence[Arrival], first: int = 0) -> pa.RecordBatch:
    """Embedded events; their ids are their numbers in the order of arrival, from ``first``."""
    numbers = range(first, first + len(arrivals))
    rows = events(
        [f"text {number:06d}" for number in numbers],
        first=first,
        ids=[f"{number:06d}" for number in numbers],
        keys=[arrival.key for arrival in arrivals],
        times_us=[arrival.ts * 1_000_000 for arrival in arrivals],
        partitions=[arrival.partition for arrival in arrivals],
    )
    vectors = np.arange(first * DIM, (first + len(arrivals)) * DIM, dtype=np.float32)
    return embedded_batch(rows, vectors.reshape(-1, DIM))


class Emitted(NamedTuple):
    """The output: windows in the order of emission, with the numbers of their events, and late events."""

    windows: list[tuple[WindowRef, tuple[int, ...]]]
    late: dict[int, int]

    def final(self) -> dict[tuple[int, int], frozenset[int]]:
        """The last revision of each window: (start, end) in seconds -> its events."""
        return {(ref.start // 1_000_000, ref.end // 1_000_000): frozenset(rows) for ref, rows in self.windows}


def progress(
    window: settings.Window, partitions: Iterable[str] = (), now: int = 0, state: Any = None
) -> Progress:
    """The step before the stream is divided by key, with the options of ``window``."""
    jump = window.delay if window.max_jump is None else window.max_jump
    idle = micros(window.idle_timeout) if window.idle_timeout else None
    return Progress(micros(jump), idle, partitions, now, state)


class Harness:
    """Runs one key. ``shuffle`` delays the messages from stored chunks to readers by a random number of
    steps; :meth:`crash` rebuilds everything from snapshots, as a restart does.
    """

    def __init__(self, window: settings.Window, shuffle: random.Random | None = None, now: int = 0) -> None:
        self.spec, self._shuffle, self.now = window, shuffle, now
        self.progress = progress(window)
        self.machine = Windows(window, now)
        self.stored: dict[int, StoredChunk] = {}
        self.readers: dict[int, ChunkReader] = {}
        self._mail: deque[tuple[int, Any]] = deque()
        self._assemblies: dict[WindowRef, Assembly] = {}
        self.windows: list[WholeWindow] = []
        self.late: list[pa.RecordBatch] = []

    def push(self, arrivals: Sequence[Arrival], first: int) -> None:
        for stamped in self.progress.stamp(batch(arrivals, first), self.now):
            self.take(stamped)

    def take(self, stamped: Stamped) -> None:
        self._carry_out(self.machine.push(stamped, self.now))

    def tick(self, now_us: int) -> None:
        self.now = now_us
        self._carry_out(self.machine.tick(now_us))

    def finish(self) -> None:
        self._carry_out(self.machine.finish())

    def crash(self) -> None:
        self.progress = progress(self.spec, (), self.now, self.progress.snapshot())
        idle = self.machine.idle()
        state = None if idle else self.machine.snapshot()
        self.machine = Windows(self.spec, self.now, state, idle)
        self.stored = {c: StoredChunk(k.snapshot()) for c, k in self.stored.items()}
        self.readers = {c: ChunkReader(r.snapshot()) for c, r in self.readers.items()}
        assert not self._assemblies
        self._mail.extend((c, k.replace()) for c, k in self.stored.items())
        if not self._shuffle:
            self._deliver(len(self._mail))

    def _carry_out(self, output: Output) -> None:
        self.late.extend(output.late)
        for order in output.orders:
            chunk = order.chunk
            if isinstance(order, Append | Trim):
                chunk_rows = self.stored.setdefault(chunk, StoredChunk())
                self._mail.extend((chunk, message) for message in chunk_rows.apply(order))
            elif isinstance(order, Drop):
                del self.stored[chunk]
                self._mail.append((chunk, Gone()))
            early = self._shuffle.randint(0, len(self._mail)) if self._shuffle else len(self._mail)
            self._deliver(early)
            self._read(chunk, order)
        self._deliver(len(self._mail))
        assert not self._assemblies, "a window waits for parts that nobody will send"

    def _deliver(self, n: int) -> None:
        for _ in range(n):
            self._read(*self._mail.popleft())

    def _read(self, chunk: int, item: Any) -> None:
        parts, gone = self.readers.setdefault(chunk, ChunkReader()).take(item)
        for part in parts:
            assembly = self._assemblies.setdefault(part.window, Assembly())
            if whole := assembly.take(part):
                self.windows.append(whole)
                del self._assemblies[part.window]
        if gone:
            del self.readers[chunk]

    def emitted(self) -> Emitted:
        windows = [(w.ref, tuple(int(i) for i in w.gather().column("id").to_pylist())) for w in self.windows]
        late = [row for rows in self.late for row in rows.select(["id", "late_by_us"]).to_pylist()]
        return Emitted(windows, {int(row["id"]): row["late_by_us"] for row in late})


class Keyed:
    """Runs many keys behind one progress step, which knows of ``partitions`` from the start."""

    def __init__(self, window: settings.Window, partitions: Iterable[str] = ()) -> None:
        self.spec, self.partitions, self.now = window, tuple(partitions), 0
        self.progress = progress(window, self.partitions)
        self.keys: dict[str, Harness] = {}

    def push(self, arrivals: Sequence[Arrival], first: int) -> None:
        for stamped in self.progress.stamp(batch(arrivals, first), self.now):
            for key, mine in by_key(stamped):
                if key not in self.keys:
                    self.keys[key] = Harness(self.spec, now=self.now)
                self.keys[key].now = self.now
                self.keys[key].take(mine)

    def crash(self) -> None:
        self.progress = progress(self.spec, self.partitions, self.now, self.progress.snapshot())
        for harness in self.keys.values():
            harness.crash()

    def finish(self) -> dict[str, Emitted]:
        for harness in self.keys.values():
            harness.finish()
        return {key: harness.emitted() for key, harness in self.keys.items()}


def run(window: settings.Window, arrivals: Sequence[Arrival], cuts: Iterable[int] = ()) -> Emitted:
    """Push a finite input in order of arrival; a new batch starts at each event of ``cuts``."""
    harness = Harness(window)
    for start, stop in pieces(len(arrivals), cuts):
        harness.push(arrivals[start:stop], start)
    harness.finish()
    return harness.emitted()


def pieces(n: int, cuts: Iterable[int]) -> list[tuple[int, int]]:
    edges = sorted({0, n, *(c for c in cuts if 0 < c < n)})
    return list(itertools.pairwise(edges))


def watermarks(window: settings.Window, arrivals: Sequence[Arrival]) -> list[float]:
    """The watermark before each event, in seconds, from its definition."""
    marks, mark = [], float("-inf")
    newest: dict[str, int] = defaultdict(lambda: -(10**12))
    for arrival in arrivals:
        marks.append(mark)
        newest[arrival.partition] = max(newest[arrival.partition], arrival.ts)
        mark = max(mark, min(newest.values()) - window.delay.total_seconds())
    return marks


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
