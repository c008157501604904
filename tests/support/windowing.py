"""The window stage without bytewax: all key groups with their chunks and assemblies in one object."""

import itertools
import random
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataflow import settings
from dataflow.clock import NEVER
from dataflow.items.marks import Marked
from dataflow.items.windows import WholeWindows, WindowRef
from dataflow.window.arrivals import Arrivals
from dataflow.window.assembly import Assembly
from dataflow.window.chunk import ChunkReader, StoredChunk
from dataflow.window.kinds import last_end
from dataflow.window.machine import Windows
from dataflow.window.messages import Append, Drop, Gone, GroupRows, Order, Output, Stamp, Trim
from dataflow.window.progress import ForGroup, Progress
from dataflow.window.split import groups_of, split
from tests.support.batches import embedded_batch, events

DIM = 4


class Arrival(NamedTuple):
    """An event as the window stage sees it; ``ts`` in seconds, for readable examples."""

    ts: int
    partition: str = "p0"
    key: str = "k"


def spec(**fields: Any) -> settings.Window:
    """Window settings from whole seconds; any jump is believed, unless ``max_jump`` says otherwise."""
    plain = {"key_groups", "max_window_rows", "max_window_bytes"}
    fields = {"max_jump": 0, "key_groups": 3} | fields
    durations = {k: timedelta(seconds=v) for k, v in fields.items() if isinstance(v, int) and k not in plain}
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
    """The output. ``windows``: for each key, its windows in the order of emission, with the numbers of their
    events. ``late``: the numbers of the late events, and by how many microseconds they are late.
    """

    windows: dict[str, list[tuple[WindowRef, tuple[int, ...]]]]
    late: dict[int, int]

    def final(self) -> dict[tuple[str, tuple[int, int]], frozenset[int]]:
        """The last revision of each window: key and (start, end) in seconds -> its events."""
        return {
            (key, (ref.start // 1_000_000, ref.end // 1_000_000)): frozenset(rows)
            for key, windows in self.windows.items()
            for ref, rows in windows
        }


class _Group:
    """One key group: its machine, its chunks and its assemblies. ``shuffle``: see :class:`Stage`."""

    def __init__(self, window: settings.Window, now: int, shuffle: random.Random | None) -> None:
        self._shuffle = shuffle
        self.machine = Windows(window, now)
        self.arrivals = Arrivals()
        self.stored: dict[int, StoredChunk] = {}
        self.readers: dict[int, ChunkReader] = {}
        self.emitted: list[WholeWindows] = []
        self._mail: deque[tuple[int, Any]] = deque()
        self._assemblies: dict[int, Assembly] = {}

    def crash(self, window: settings.Window, now: int) -> None:
        self.arrivals.check_empty()
        self.machine = Windows(window, now, self.machine.snapshot())
        self.stored = {c: StoredChunk(k.snapshot()) for c, k in self.stored.items()}
        self.readers = {c: ChunkReader(r.snapshot()) for c, r in self.readers.items()}
        assert not self._assemblies
        self._mail.extend((c, k.replace()) for c, k in self.stored.items())
        if not self._shuffle:
            self._deliver(len(self._mail))

    def carry_out(self, orders: Iterable[Order]) -> None:
        for order in orders:
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
            assembly = self._assemblies.setdefault(part.emission, Assembly())
            if whole := assembly.take(part):
                self.emitted.append(whole)
                del self._assemblies[part.emission]
        if gone:
            del self.readers[chunk]


class Stage:
    """Runs all key groups behind one progress step, which knows of ``partitions`` from the start.

    With ``shuffle``, the rows of a group come before or after their stamps at random, and the messages from
    stored chunks to readers are late by a random number of steps. :meth:`crash` rebuilds everything from
    snapshots, as a restart does.
    """

    def __init__(
        self,
        window: settings.Window,
        partitions: Iterable[str] = (),
        shuffle: random.Random | None = None,
        now: int = 0,
    ) -> None:
        self.spec, self.partitions, self.now = window, tuple(partitions), now
        self._shuffle = shuffle
        self.progress = Progress(window, self.partitions, now)
        self.groups: dict[int, _Group] = {}
        self.late: list[pa.RecordBatch] = []

    def group(self, key: str) -> int:
        """The number of the key group of a key."""
        return int(groups_of(pa.array([key]), self.spec.key_groups)[0])

    def push(self, arrivals: Sequence[Arrival], first: int) -> None:
        self.take(batch(arrivals, first))

    def take(self, rows: pa.RecordBatch) -> None:
        """Push embedded events."""
        pieces = split(Marked(rows), self.spec.key_groups)
        ways: list[list[tuple[int, GroupRows | Stamp]]] = [
            list(pieces.rows),
            [stamp for times in pieces.times for stamp in self.progress.stamp(times, self.now)],
        ]
        while any(ways):
            way = (
                self._shuffle.choice([way for way in ways if way])
                if self._shuffle
                else next(filter(None, ways))
            )
            self._send(*way.pop(0))

    def tick(self, now: int) -> None:
        self.now = now
        self._send_all(self.progress.tick(now))
        for group in self.groups.values():
            self._carry_out(group, group.machine.tick(now))

    def crash(self) -> None:
        self.progress = Progress(self.spec, self.partitions, self.now, self.progress.snapshot())
        for group in self.groups.values():
            group.crash(self.spec, self.now)

    def finish(self) -> Emitted:
        if self.progress.newest != NEVER:
            self._send_all(self.progress.finish(last_end(self.spec, self.progress.newest)))
        for group in self.groups.values():
            self._carry_out(group, group.machine.finish())
        return self.emitted()

    def _send_all(self, stamps: Iterable[ForGroup]) -> None:
        for number, stamp in stamps:
            self._send(number, stamp)

    def _send(self, number: int, item: GroupRows | Stamp) -> None:
        if number not in self.groups:
            self.groups[number] = _Group(self.spec, self.now, self._shuffle)
        group = self.groups[number]
        for stamp, rows in group.arrivals.take(item):
            self._carry_out(group, group.machine.push(stamp, rows.rows if rows else None, self.now))

    def _carry_out(self, group: _Group, output: Output) -> None:
        self.late.extend(output.late)
        group.carry_out(output.orders)

    def emitted(self) -> Emitted:
        """The output so far."""
        windows: dict[str, list[tuple[WindowRef, tuple[int, ...]]]] = defaultdict(list)
        for group in self.groups.values():
            for whole in group.emitted:
                rows = whole.gather().select(["key", "id"]).to_pylist()
                for key, of_key in itertools.groupby(rows, key=lambda row: row["key"]):
                    windows[key].append((whole.window(key).ref, tuple(int(row["id"]) for row in of_key)))
        late = [row for rows in self.late for row in rows.select(["id", "late_by_us"]).to_pylist()]
        return Emitted(dict(windows), {int(row["id"]): row["late_by_us"] for row in late})


def run(window: settings.Window, arrivals: Sequence[Arrival], cuts: Iterable[int] = ()) -> Emitted:
    """Push a finite input in order of arrival; a new batch starts at each event of ``cuts``."""
    stage = Stage(window)
    for start, stop in pieces(len(arrivals), cuts):
        stage.push(arrivals[start:stop], start)
    return stage.finish()


def pieces(n: int, cuts: Iterable[int]) -> list[tuple[int, int]]:
    edges = sorted({0, n, *(c for c in cuts if 0 < c < n)})
    return list(itertools.pairwise(edges))


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
