"""``python -m benchmarks.pipeline``: how many events a second does the whole pipeline take on one core?

It reads a file, decodes it, embeds with the null embedder (384 floats), makes windows of 10 minutes that
start every 5 minutes, scores them with a scorer that costs little, and writes JSON lines.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import orjson
import pandas as pd

from benchmarks.kit.figures import Figure, middle, ratio, report
from benchmarks.kit.measure import race, table


class Case(NamedTuple):
    """``keys``: the number of keys. ``overlap``: length/slide. ``reference``: as ``score.reference``."""

    keys: int
    scorer: str
    overlap: int = 2
    reference: bool = False

    def __str__(self) -> str:
        keys = "1 key" if self.keys == 1 else f"{self.keys:,} keys"
        reference = ", reference" if self.reference else ""
        return f"{keys}, {self.scorer.rpartition(':')[2]}, length/slide = {self.overlap}{reference}"


ZEROS = "benchmarks.pipeline:zeros"
KEYS = (Case(1, ZEROS), Case(1, "mean"), Case(10_000, "mean"), Case(100_000, "mean"))
OVERLAPS = tuple(Case(1, "mean", overlap) for overlap in (1, 2, 10, 60))
REFERENCES = tuple(
    Case(keys, "mean", reference=reference) for keys in (1, 10_000) for reference in (False, True)
)
COMMAND = [sys.executable, "-m", "bytewax.run", "dataflow.flow:flow"]
USERS = 50_000
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def zeros(window: pd.DataFrame) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """A scorer that costs no more than being given the window."""
    return np.zeros(len(window))


def text(user: int) -> str:
    """A short log line."""
    return f"user {user} logged in from 10.0.{user % 256}.{user // 256}"


def write(path: Path, rows: int, keys: int, per_second: float = 20) -> None:
    """Short log lines, ``per_second`` of them, out of order by up to half a minute. The keys take turns."""
    rng = np.random.default_rng(1)
    at = np.arange(rows) / per_second + rng.uniform(0, 30, rows)
    users = rng.integers(0, USERS, rows)
    with path.open("wb") as file:
        for number, (second, user) in enumerate(zip(at.tolist(), users.tolist(), strict=True)):
            ts = (START + timedelta(seconds=second)).isoformat()
            event = {"id": f"e{number}", "ts": ts, "text": text(user)}
            if keys > 1:
                event["host"] = f"host-{number % keys}"
            file.write(orjson.dumps(event) + b"\n")


def environment(source: Path, scores: Path, case: Case) -> dict[str, str]:
    key = {"DRIFTLINE_SOURCE__KEY_FIELD": "host"} if case.keys > 1 else {}
    return {
        **os.environ,
        **key,
        "DRIFTLINE_SOURCE__URI": f"file:{source}",
        "DRIFTLINE_SOURCE__ID_FIELD": "id",
        "DRIFTLINE_EMBED__KIND": "null",
        "DRIFTLINE_SCORE__KIND": case.scorer,
        "DRIFTLINE_SCORE__REFERENCE": str(case.reference),
        "DRIFTLINE_SINK__SCORES": f"file:{scores}",
        "DRIFTLINE_WINDOW__SLIDE": f"{600 / case.overlap}s",
        "DRIFTLINE_LOG__LEVEL": "error",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def on_one_core(variables: Mapping[str, str]) -> Callable[[], object]:
    core = {min(os.sched_getaffinity(0))}
    return lambda: subprocess.run(
        COMMAND, env=variables, check=True, preexec_fn=lambda: os.sched_setaffinity(0, core)
    )


def measure(cases: Sequence[Case], events: int, runs: int) -> dict[Case, list[float]]:
    """Seconds of each run after the start, which is that of a run without events."""
    with TemporaryDirectory() as folder:
        empty, scores = Path(folder, "empty.jsonl"), Path(folder, "out.jsonl")
        empty.touch()
        sources = {keys: Path(folder, f"{keys}.jsonl") for keys in {case.keys for case in cases}}
        for keys, path in sources.items():
            write(path, events, keys)
        candidates = {"start": on_one_core(environment(empty, scores, cases[0]))}
        for case in cases:
            candidates[str(case)] = on_one_core(environment(sources[case.keys], scores, case))
        taken = race(runs, candidates)
    start = statistics.median(took.wall for took in taken["start"])
    return {case: [took.wall - start for took in taken[str(case)]] for case in cases}


def rows_of(found: Mapping[Case, Sequence[float]], events: int) -> list[tuple[str, ...]]:
    """A row of the table for each case."""
    first = statistics.median(next(iter(found.values())))
    rows: list[tuple[str, ...]] = []
    for case, runs in found.items():
        seconds = statistics.median(runs)
        out = events * case.overlap
        rows.append(
            (
                f"{case.keys:,}",
                case.scorer.rpartition(":")[2],
                f"{case.overlap}",
                "yes" if case.reference else "no",
                f"{seconds:.1f}",
                f"{events / seconds:,.0f}",
                f"{out / seconds:,.0f}",
                f"{first / seconds:.2f}",
            )
        )
    return rows


def figures_of(found: Mapping[Case, Sequence[float]], events: int) -> list[Figure]:
    """The rate of the first case, and how the other cases compare."""
    (first, base), *others = found.items()
    rates = [events / seconds for seconds in base]
    return [
        middle(f"the whole pipeline on one core, {first}", rates, "events/s"),
        *(ratio(f"events/s of {case} / {first}", base, runs) for case, runs in others),
    ]


HEADS = (
    "keys",
    "scorer",
    "length/slide",
    "reference",
    "s after the start",
    "events/s",
    "rows out/s",
    "to the first",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline")
    parser.add_argument("--events", type=int, default=200_000, help="default: %(default)s")
    parser.add_argument("--runs", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--overlap", action="store_true", help="measure length/slide from 1 to 60 instead")
    parser.add_argument("--reference", action="store_true", help="measure what score.reference costs instead")
    arguments = parser.parse_args()
    cases = OVERLAPS if arguments.overlap else REFERENCES if arguments.reference else KEYS
    found = measure(cases, arguments.events, arguments.runs)
    table("The whole pipeline on one core", HEADS, rows_of(found, arguments.events))
    report(figures_of(found, arguments.events))


if __name__ == "__main__":
    main()
