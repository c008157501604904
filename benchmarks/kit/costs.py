"""What an event costs in the whole pipeline: CPU time, bytes of state, and the least that they could be."""

import gc
import math
import os
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.kit.rates import Triad, flop_rate, products
from benchmarks.kit.state import WindowState
from benchmarks.kit.streams import stream
from benchmarks.pipeline import COMMAND, USERS, Case, environment, text, write
from dataflow.clock import micros
from dataflow.embed.null import NullEmbedder
from dataflow.items.marks import Marked
from dataflow.settings import Score, Window
from dataflow.window.progress import Progress
from dataflow.window.split import split

#: No more rows of state than this are held in memory.
_MOST_ROWS = 200_000
_DELAY = timedelta(minutes=5)
_FLOAT = 4


@dataclass(frozen=True)
class Point:
    """One point of a curve. ``per_second``: events, of event time. ``overlap``: length/slide of windows.

    ``more``: other settings, by the name of their environment variable.
    """

    per_second: float = 20
    length_s: float = 600
    overlap: int = 2
    keys: int = 1
    dim: int = 384
    processes: int = 1
    scorer: str = "kmeans"
    more: tuple[tuple[str, str], ...] = ()

    @property
    def window_rows(self) -> float:
        """Events of a key in a window."""
        return self.per_second * self.length_s / self.keys

    def settings(self, source: Path, scores: Path) -> dict[str, str]:
        """The environment of the flow."""
        return {
            **environment(source, scores, Case(self.keys, self.scorer, self.overlap)),
            "DRIFTLINE_WINDOW__LENGTH": f"{self.length_s}s",
            "DRIFTLINE_WINDOW__SLIDE": f"{self.length_s / self.overlap}s",
            "DRIFTLINE_WINDOW__DELAY": f"{_DELAY.total_seconds()}s",
            "DRIFTLINE_EMBED__DIM": str(self.dim),
            **dict(self.more),
        }


class Spent(NamedTuple):
    """Seconds of a run: of CPU in all processes and in the busiest one, and by the clock."""

    cpu: float
    busiest: float
    wall: float

    def each(self, start: "Spent", events: int) -> "Spent":
        """Seconds an event, where ``start`` is a run with fewer events, by ``events``."""
        return Spent(*((mine - other) / events for mine, other in zip(self, start, strict=True)))


def sources(folder: Path, point: Point, events: int) -> str:
    """Writes the input, a file for each process, unless it is there. Returns its path or pattern."""
    files = folder / f"{events}-{point.keys}-{point.per_second:g}-{point.processes}"
    if not files.exists():
        files.mkdir()
        for number in range(point.processes):
            rate = point.per_second / point.processes
            write(files / f"{number}.jsonl", events // point.processes, point.keys, rate)
    return str(files / "*.jsonl")


def run(point: Point, source: str, folder: Path) -> Spent:
    """Runs the flow to its end, each process on a core of its own."""
    cores = sorted(os.sched_getaffinity(0))
    flags: list[list[str]] = [[]]
    if point.processes > 1:
        addresses = ";".join(_addresses(point.processes))
        flags = [["-i", str(number), "-a", addresses] for number in range(point.processes)]
    variables = point.settings(Path(source), folder / "scores.jsonl")
    with ExitStack() as stack:
        started = [
            stack.enter_context(Pinned([*COMMAND, *more], variables, cores[number % len(cores)], log))
            for number, more in enumerate(flags)
            for log in (stack.enter_context(TemporaryFile()),)
        ]
        used = [each.finish() for each in started]
    cpu = [each.cpu for each in used]
    return Spent(sum(cpu), max(cpu), max(each.wall for each in used))


class Pinned:
    """A process on one core. It is killed if the block is left before it has ended.

    ``log`` takes what it writes to standard error.
    """

    def __init__(
        self, command: Sequence[str], variables: Mapping[str, str], core: int, log: IO[bytes]
    ) -> None:
        self._begun, self._log = time.perf_counter(), log
        self._process = subprocess.Popen(command, env=variables, stderr=log)
        os.sched_setaffinity(self._process.pid, {core})

    def __enter__(self) -> "Pinned":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()

    def finish(self) -> Spent:
        """Waits for the end. Raises ``CalledProcessError`` if the process failed."""
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode:
            self._log.seek(0)
            print(self._log.read().decode(errors="replace"), file=sys.stderr)
            raise subprocess.CalledProcessError(self._process.returncode, self._process.args)
        cpu = usage.ru_utime + usage.ru_stime
        return Spent(cpu, cpu, time.perf_counter() - self._begun)


def _addresses(count: int) -> list[str]:
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]


def state_bytes(point: Point) -> float:
    """Bytes that the window stage holds for each event that a window still needs, at the end of a stream of
    three windows: Arrow's buffers, and Python's objects.
    """
    rows = int(min(3 * point.per_second * point.length_s, _MOST_ROWS))
    rate = rows / (3 * point.length_s)
    batches = stream(rows, dim=point.dim, events_per_second=rate, keys=point.keys, jitter_s=20)
    length = timedelta(seconds=point.length_s)
    options = Window(kind="sliding", length=length, slide=length / point.overlap, delay=_DELAY)
    gc.collect()
    tracemalloc.start()
    state = WindowState(options)
    for batch in batches:
        state.push(batch)
    gc.collect()
    objects = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    held = state.batches()
    buffers = {b.address: b.size for part in held for column in part.columns for b in column.buffers() if b}
    slide = micros(options.slide)
    open_from = ((state.progress.watermark - micros(length)) // slide + 1) * slide
    ts = np.concatenate([part.column("ts").cast(pa.int64()).to_numpy() for part in held])
    return float(sum(buffers.values()) + objects) / int((ts >= open_from).sum())


def row_bytes(dim: int) -> float:
    """Bytes of an event with its embedding in Arrow, once."""
    (batch,) = stream(1024, dim=dim, events_per_second=20)
    return float(batch.nbytes / len(batch))


class Machine(NamedTuple):
    """What one core does at most: FLOP a second of fp32 products, and bytes a second of a triad."""

    flops: float
    bandwidth: float

    def least_us(self, point: Point, iterations: float) -> float:
        """The least CPU time of an event, in microseconds: its embedding is written once, and copied once
        into each window; k-means computes the distance to each centroid in each iteration.

        ``iterations``: of k-means on a window. A window with no more events than clusters is not clustered.
        """
        moved = (1 + 2 * point.overlap) * _FLOAT * point.dim
        clusters = Score().clusters
        computed = 0.0
        if point.scorer == "kmeans" and point.window_rows > clusters:
            # k-means++ compares each event with so many candidates for each centroid.
            tried = 2 + int(math.log(clusters))
            computed = point.overlap * 2 * clusters * point.dim * (iterations + tried)
        return (moved / self.bandwidth + computed / self.flops) * 1e6


def one_core() -> Machine:
    """Measures one core, by CPU time."""
    triad = Triad(1)
    triad.rate()
    fp32 = [product for name, product in products(1).items() if name.endswith("fp32")]
    flops = max(flop_rate(product, clock=time.process_time) for product in fp32)
    found = Machine(flops, max(triad.rate(time.process_time) for _ in range(3)))
    triad.close()
    return found


@cache
def kmeans_iterations(rows: int, dim: int) -> int:
    """The iterations that k-means takes on a window of ``rows`` events of the stream."""
    from sklearn.cluster import KMeans  # noqa: PLC0415  takes 2 s to import

    users = np.random.default_rng(1).integers(0, USERS, rows)
    options, vectors = Score(), NullEmbedder(dim).embed(list(map(text, users.tolist()))).vectors
    return int(KMeans(options.clusters, random_state=options.seed).fit(vectors).n_iter_)


def progress_us(events: int = 200_000) -> float:
    """CPU microseconds of an event in the step ``progress``, which is one for all workers of a flow."""
    options = Window(delay=_DELAY)
    times = [
        each
        for batch in stream(events, dim=8, events_per_second=20, keys=1000)
        for each in split(Marked(batch), options.key_groups).times
    ]
    progress = Progress(options, (), 0)
    begun = time.process_time()
    for each in times:
        progress.stamp(each, 0)
    return (time.process_time() - begun) / events * 1e6
