"""``python -m benchmarks.recovery``: what does recovery cost a paced stream, and what does it write?"""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as stock
import pyarrow as pa
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from benchmarks.kit.measure import Count, Memory, stream, table
from benchmarks.windows import objects
from dataflow.clock import utc_now
from dataflow.items.marks import Marked
from dataflow.settings import Window
from dataflow.window.step import gather_windows

DIM = 768
SECONDS, POLLS = 7.0, 140
SNAPSHOT = timedelta(seconds=2)
WINDOW = Window(
    kind="sliding", length=timedelta(minutes=10), slide=timedelta(minutes=5), delay=timedelta(seconds=30)
)


def ours(batches: list[pa.RecordBatch]) -> Dataflow:
    flow = Dataflow("ours")
    paced = Memory([[Marked(b)] for b in batches], timedelta(seconds=SECONDS / len(batches)))
    batched = op.input("source", flow, paced)
    op.output(
        "sink", gather_windows("window", batched, WINDOW, utc_now).whole, Count(lambda item: len(item[1]))
    )
    return flow


def peer(batches: list[pa.RecordBatch]) -> Dataflow:
    flow = Dataflow("peer")
    paced = Memory(objects(batches), timedelta(seconds=SECONDS / len(batches)))
    clock: stock.EventClock[Any] = stock.EventClock(lambda item: item[0], WINDOW.delay)
    windower = stock.SlidingWindower(WINDOW.length, WINDOW.slide, datetime(1970, 1, 1, tzinfo=timezone.utc))
    keyed = op.input("source", flow, paced)
    collected = stock.collect_window("window", keyed, clock, windower, ordered=False)  # type: ignore[call-overload]
    op.output("sink", collected.down, Count(lambda item: len(item[1][1])))
    return flow


def run(flow: Dataflow, store: Path | None) -> tuple[float, float]:
    """Seconds, and MB in the recovery store at the end."""
    if store:
        store.mkdir()
        init_db_dir(store, 1)
    begin = perf_counter()
    run_main(
        flow,
        epoch_interval=SNAPSHOT,
        # Nothing is garbage collected, so that the store shows all that was written.
        recovery_config=RecoveryConfig(str(store), timedelta(days=1)) if store else None,
    )
    took = perf_counter() - begin
    written = sum(path.stat().st_size for path in store.rglob("*") if path.is_file()) if store else 0
    return took, written / 1e6


def main() -> None:
    rows = []
    with TemporaryDirectory() as folder:
        for name, build, a_window, keys, texts in (
            ("ours", ours, 1_000, 1, None),
            ("ours", ours, 10_000, 1, None),
            ("ours", ours, 50_000, 1, None),
            ("ours", ours, 50_000, 1, 100),
            ("ours", ours, 200_000, 1, None),
            ("ours", ours, 50_000, 10_000, None),
            ("collect_window", peer, 1_000, 1, None),
            ("collect_window", peer, 10_000, 1, None),
        ):
            # Two windows' worth of rows in all.
            n = 2 * a_window
            settings: dict[str, Any] = {"a_second": a_window / 600, "batch": max(1, n // POLLS)}
            batches = stream(n, dim=DIM, keys=keys, texts=texts, **settings)
            plain, _ = run(build(batches), None)
            safe, written = run(build(batches), Path(folder, f"{name}-{a_window}-{keys}-{texts}"))
            size = n * DIM * 4 / 1e6
            rows.append(
                (name, f"{a_window:,}", f"{keys:,}", f"{texts or 'all'}", f"{plain:.1f}", f"{safe:.1f}",
                 f"{safe / plain:.2f}", f"{size:.0f}", f"{written:.0f}", f"{written / size:.1f}")
            )  # fmt: skip
    table(
        f"A stream of {SECONDS:g} s, {DIM} floats, a snapshot every {SNAPSHOT.total_seconds():g} s",
        (
            "",
            "rows a window",
            "keys",
            "texts",
            "s without",
            "s with",
            "ratio",
            "MB of vectors",
            "MB written",
            "for each",
        ),
        rows,
    )


if __name__ == "__main__":
    main()
