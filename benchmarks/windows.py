"""``python -m benchmarks.windows [peer|overlap|keys|state|pipeline ...]``: how fast are windows?"""

import operator
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as stock
import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from benchmarks.kit.measure import Count, Memory, Took, race, stream, table
from dataflow.clock import micros, utc_now
from dataflow.items.marks import Marked
from dataflow.items.schemas import embeddings
from dataflow.items.windows import WholeWindow
from dataflow.settings import Window
from dataflow.window.chunk import StoredChunk
from dataflow.window.machine import Windows
from dataflow.window.messages import Append, Drop, Trim
from dataflow.window.progress import Stamped
from dataflow.window.step import gather_windows

RUNS = 3
PEER_ROWS, OVERLAP_ROWS, KEYS_ROWS, PIPELINE_ROWS = 400_000, 200_000, 50_000, 200_000
DIM = 384
LENGTH = timedelta(minutes=10)
DELAY = timedelta(seconds=30)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

Taken = Callable[[Any], int]


def ours(batches: list[pa.RecordBatch], window: Window, take: Taken) -> Count:
    """The window stage over the batches; what it emits goes to ``take``, which says how many rows it was."""
    flow = Dataflow("ours")
    batched = op.input("source", flow, Memory([[Marked(b)] for b in batches]))
    whole = gather_windows("window", batched, window, utc_now).whole
    count = Count(lambda item: take(item[1]))
    op.output("sink", whole, count)
    run_main(flow)
    return count


def peer(batches: list[list[Any]], window: Window, take: Taken) -> Count:
    """Bytewax's own ``collect_window`` over ``(key, (datetime, vector))`` items."""
    flow = Dataflow("peer")
    keyed = op.input("source", flow, Memory(batches))
    clock = stock.EventClock(operator.itemgetter(0), window.delay)
    windower = stock.SlidingWindower(window.length, window.slide, EPOCH)
    collected = stock.collect_window("window", keyed, clock, windower, ordered=False)  # type: ignore[call-overload]  # its stubs forget `ordered`
    count = Count(lambda item: take(item[1][1]))
    op.output("sink", collected.down, count)
    run_main(flow)
    return count


def objects(batches: list[pa.RecordBatch]) -> list[list[Any]]:
    """The same events as stock operators want them: one object each, its vector a view of the batch's."""
    return [
        list(
            zip(
                batch.column("key").to_pylist(),
                zip(batch.column("ts").to_pylist(), embeddings(batch), strict=True),
                strict=True,
            )
        )
        for batch in batches
    ]


def per_second(rows: int, took: Took) -> str:
    return f"{rows / took.wall:,.0f}"


def sliding(overlap: int) -> Window:
    return Window(kind="sliding", length=LENGTH, slide=LENGTH / overlap, delay=DELAY)


def matrix_of(window: WholeWindow) -> int:
    return len(embeddings(window.gather()))


def stacked(events: list[Any]) -> int:
    return len(np.stack([vector for _, vector in events]))


def against_peer() -> None:
    """Both over the same events at length/slide = 10; the peer also as a scorer needs it, stacked."""
    rows = []
    for a_second in (10, 100):
        batches = stream(PEER_ROWS, dim=DIM, a_second=a_second, jitter_s=20)
        items, window = objects(batches), sliding(10)
        took = race(
            RUNS,
            {
                "ours, a matrix a window": partial(ours, batches, window, matrix_of),
                "ours": partial(ours, batches, window, len),
                "collect_window": partial(peer, items, window, len),
                "collect_window, stacked": partial(peer, items, window, stacked),
            },
        )
        slow = took["collect_window"].wall
        rows += [
            (name, a_second * 600, per_second(PEER_ROWS, t), f"{slow / t.wall:.1f}")
            for name, t in took.items()
        ]
    table("Against the stock operator, length/slide = 10", ("", "rows a window", "events/s", "ratio"), rows)


def many_keys() -> None:
    """Both at length/slide = 10; the more keys there are, the fewer rows of each a batch has."""
    rows = []
    for keys in (1, 100, 10_000):
        batches = stream(KEYS_ROWS, dim=DIM, a_second=100, keys=keys, jitter_s=20)
        items, window = objects(batches), sliding(10)
        took = race(
            RUNS,
            {
                "ours": partial(ours, batches, window, len),
                "collect_window": partial(peer, items, window, len),
            },
        )
        slow = took["collect_window"].wall
        rows += [
            (name, f"{keys:,}", per_second(KEYS_ROWS, t), f"{slow / t.wall:.2f}") for name, t in took.items()
        ]
    table("By number of keys, length/slide = 10, handed over", ("", "keys", "events/s", "ratio"), rows)


def overlaps() -> None:
    """Events a second for length/slide from 1 to 60: handed over, looked at as a matrix, and by the peer."""
    batches = stream(OVERLAP_ROWS, dim=DIM, a_second=100, jitter_s=20)
    items = objects(batches)
    rows = []
    for what, run in (
        ("handed over", lambda window: ours(batches, window, len)),
        ("a matrix each", lambda window: ours(batches, window, matrix_of)),
        ("handed over by collect_window", lambda window: peer(items, window, len)),
    ):
        counts: dict[str, Count] = {}
        runs = {str(n): _kept(counts, partial(run, sliding(n)), str(n)) for n in (1, 2, 10, 60)}
        took = race(RUNS, runs)
        first = took["1"].wall
        rows += [
            (
                what,
                n,
                f"{OVERLAP_ROWS / t.wall:,.0f}",
                f"{first / t.wall:.2f}",
                f"{counts[n].total / t.wall:,.0f}",
            )
            for n, t in took.items()
        ]
    heads = ("windows are", "length/slide", "events/s", "to 1", "rows out/s")
    table("By overlap, 60,000 rows a window", heads, rows)


def _kept(counts: dict[str, Count], run: Callable[[], Count], name: str) -> Callable[[], None]:
    def kept() -> None:
        counts[name] = run()

    return kept


def state() -> None:
    """What the stored chunks hold for each byte of rows that a window still needs."""
    rows = []
    for a_window in (1_000, 10_000, 50_000, 200_000):
        window, held, needed = sliding(2), 0, 0
        machine = Windows(window, 0)
        chunks: dict[int, StoredChunk] = {}
        for batch in stream(3 * a_window, dim=64, a_second=a_window / LENGTH.total_seconds(), jitter_s=20):
            for order in machine.push(Stamped(batch, ()), 0).orders:
                if isinstance(order, Append | Trim):
                    chunks.setdefault(order.chunk, StoredChunk()).apply(order)
                elif isinstance(order, Drop):
                    del chunks[order.chunk]
            pieces = [piece for chunk in chunks.values() for piece in chunk.batches]
            buffers = [b for piece in pieces for column in piece.columns for b in column.buffers() if b]
            held = sum({b.address: b.size for b in buffers}.values())
            mark = machine.watermark - micros(window.length)
            first = (mark // micros(window.slide) + 1) * micros(window.slide)
            ts = np.concatenate([piece.column("ts").cast(pa.int64()).to_numpy() for piece in pieces])
            needed = int((ts >= first).sum()) * batch.nbytes // len(batch)
        rows.append((f"{a_window:,}", f"{held / 1e6:.1f}", f"{needed / 1e6:.1f}", f"{held / needed:.2f}"))
    table("State, length/slide = 2, 64 floats", ("rows a window", "MB held", "MB needed", "ratio"), rows)


def pipeline() -> None:
    """File, decode, null embedder of 384 floats, windows 10m/5m, trivial scorer, JSON lines; on one core."""
    rows = []
    with TemporaryDirectory() as folder:
        source = Path(folder, "in.jsonl")
        write(source, PIPELINE_ROWS)
        env = os.environ | {
            "DRIFTLINE_SOURCE__URI": f"file:{source}",
            "DRIFTLINE_SOURCE__ID_FIELD": "id",
            "DRIFTLINE_EMBED__KIND": "null",
            "DRIFTLINE_SCORE__KIND": "benchmarks.windows:nothing",
            "DRIFTLINE_SINK__SCORES": f"file:{folder}/out.jsonl",
            "DRIFTLINE_LOG__LEVEL": "error",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "bytewax.run", "dataflow.flow:flow"]
        empty = Path(folder, "empty.jsonl")
        empty.touch()
        start = env | {"DRIFTLINE_SOURCE__URI": f"file:{empty}"}
        one_core = {min(os.sched_getaffinity(0))}

        def run(environment: dict[str, str]) -> Callable[[], object]:
            return lambda: subprocess.run(
                command, env=environment, check=True, preexec_fn=lambda: os.sched_setaffinity(0, one_core)
            )

        took = race(RUNS, {"start": run(start), "all": run(env)})
        seconds = took["all"].wall - took["start"].wall
        rows.append(
            (
                f"{PIPELINE_ROWS:,}",
                f"{took['start'].wall:.1f}",
                f"{seconds:.1f}",
                f"{PIPELINE_ROWS / seconds:,.0f}",
            )
        )
    table("The whole pipeline on one core", ("events", "s to start", "s then", "events/s"), rows)


def nothing(window: pd.DataFrame) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """A scorer that costs nothing but being given the window."""
    return np.zeros(len(window))


def write(path: Path, rows: int) -> None:
    """Short log lines of one key, 20 a second, disordered within half a minute."""
    rng = np.random.default_rng(1)
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    at = np.arange(rows) * 0.05 + rng.uniform(0, 30, rows)
    users = rng.integers(0, 50_000, rows)
    with path.open("wb") as file:
        for number, (second, user) in enumerate(zip(at.tolist(), users.tolist(), strict=True)):
            ts = (start + timedelta(seconds=second)).isoformat()
            text = f"user {user} logged in from 10.0.{user % 256}.{user // 256}"
            file.write(orjson.dumps({"id": f"e{number}", "ts": ts, "text": text}) + b"\n")


QUESTIONS = {
    "peer": against_peer,
    "overlap": overlaps,
    "keys": many_keys,
    "state": state,
    "pipeline": pipeline,
}

if __name__ == "__main__":
    for question in sys.argv[1:] or QUESTIONS:
        QUESTIONS[question]()
