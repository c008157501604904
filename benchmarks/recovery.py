"""``python -m benchmarks.recovery``: what does recovery cost a paced stream, and how much does it write?"""

import argparse
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import pyarrow as pa
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from benchmarks.kit.figures import Figure, middle, report
from benchmarks.kit.measure import table
from benchmarks.kit.stages import collect_window, driftline, objects
from benchmarks.kit.streams import stream
from dataflow.settings import Window

DIM = 768
STREAM_S, POLLS = 7.0, 140
SNAPSHOT = timedelta(seconds=2)
OPTIONS = Window(
    kind="sliding", length=timedelta(minutes=10), slide=timedelta(minutes=5), delay=timedelta(seconds=30)
)


class Case(NamedTuple):
    """``texts``: the number of different texts; with ``None`` each event has its own text."""

    candidate: str
    rows_per_window: int
    keys: int = 1
    texts: int | None = None


class Run(NamedTuple):
    seconds: float
    mb_written: float


CASES = (
    Case("Driftline", 1_000),
    Case("Driftline", 10_000),
    Case("Driftline", 50_000),
    Case("Driftline", 50_000, texts=100),
    Case("Driftline", 200_000),
    Case("Driftline", 50_000, keys=10_000),
    Case("collect_window", 1_000),
    Case("collect_window", 10_000),
)
HEADS = (
    "",
    "rows per window",
    "keys",
    "texts",
    "s without",
    "s with",
    "ratio",
    "MB of vectors",
    "MB written",
    "written / vectors",
)


def dataflow(candidate: str, batches: list[pa.RecordBatch]) -> Dataflow:
    """The candidate over ``batches``, which arrive evenly over ``STREAM_S`` seconds."""
    pace = timedelta(seconds=STREAM_S / len(batches))
    if candidate == "Driftline":
        return driftline(batches, OPTIONS, pace=pace).flow
    return collect_window(objects(batches), OPTIONS, pace=pace).flow


def run(flow: Dataflow, store: Path | None) -> Run:
    """Runs a dataflow to its end, with the recovery store ``store`` or without recovery."""
    if store:
        store.mkdir()
        init_db_dir(store, 1)
    begin = perf_counter()
    run_main(
        flow,
        epoch_interval=SNAPSHOT,
        # Bytewax deletes no snapshot during this backup interval, so the store shows all that was written.
        recovery_config=RecoveryConfig(str(store), timedelta(days=1)) if store else None,
    )
    took = perf_counter() - begin
    written = sum(path.stat().st_size for path in store.rglob("*") if path.is_file()) if store else 0
    return Run(took, written / 1e6)


def measure(case: Case, folder: Path) -> tuple[tuple[str, ...], Figure]:
    """One row of the table and its figure, from a stream that is two windows long.

    ``folder`` does not exist yet.
    """
    rows = 2 * case.rows_per_window
    batches = stream(
        rows,
        dim=DIM,
        events_per_second=case.rows_per_window / OPTIONS.length.total_seconds(),
        keys=case.keys,
        texts=case.texts,
        batch_rows=max(1, rows // POLLS),
    )
    without = run(dataflow(case.candidate, batches), None)
    recovered = run(dataflow(case.candidate, batches), folder)
    vectors_mb = rows * DIM * 4 / 1e6
    row = (
        case.candidate,
        f"{case.rows_per_window:,}",
        f"{case.keys:,}",
        f"{case.texts or 'all'}",
        f"{without.seconds:.1f}",
        f"{recovered.seconds:.1f}",
        f"{recovered.seconds / without.seconds:.2f}",
        f"{vectors_mb:.0f}",
        f"{recovered.mb_written:.0f}",
        f"{recovered.mb_written / vectors_mb:.1f}",
    )
    name = f"{case.candidate}, {row[1]} rows a window, {row[2]} keys, {row[3]} texts"
    with_recovery = recovered.seconds / without.seconds
    return row, middle(f"seconds with recovery / without, {name}", [with_recovery])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery")
    parser.add_argument(
        "--largest", type=int, metavar="ROWS", help="leave out cases with more rows per window; default: none"
    )
    largest = parser.parse_args().largest
    cases = [case for case in CASES if largest is None or case.rows_per_window <= largest]
    with TemporaryDirectory() as folder:
        measured = [measure(case, Path(folder, str(number))) for number, case in enumerate(cases)]
    title = f"A stream of {STREAM_S:g} s, {DIM} floats, a snapshot every {SNAPSHOT.total_seconds():g} s"
    table(title, HEADS, [row for row, _ in measured])
    report([figure for _, figure in measured])


if __name__ == "__main__":
    main()
