"""``python -m benchmarks.pipeline``: how many events a second does the whole pipeline take on one core?

It reads a file, decodes it, embeds with the null embedder (384 floats), makes windows of 10 minutes that
start every 5 minutes, scores them with a scorer that costs nothing, and writes JSON lines.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import orjson
import pandas as pd

from benchmarks.kit.measure import medians, race, table

COMMAND = [sys.executable, "-m", "bytewax.run", "dataflow.flow:flow"]
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def zeros(window: pd.DataFrame) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """A scorer that costs no more than being given the window."""
    return np.zeros(len(window))


def write(path: Path, rows: int) -> None:
    """Short log lines of one key, 20 a second, out of order by up to half a minute."""
    rng = np.random.default_rng(1)
    at = np.arange(rows) * 0.05 + rng.uniform(0, 30, rows)
    users = rng.integers(0, 50_000, rows)
    with path.open("wb") as file:
        for number, (second, user) in enumerate(zip(at.tolist(), users.tolist(), strict=True)):
            ts = (START + timedelta(seconds=second)).isoformat()
            text = f"user {user} logged in from 10.0.{user % 256}.{user // 256}"
            file.write(orjson.dumps({"id": f"e{number}", "ts": ts, "text": text}) + b"\n")


def environment(source: Path, scores: Path) -> dict[str, str]:
    return os.environ | {
        "DRIFTLINE_SOURCE__URI": f"file:{source}",
        "DRIFTLINE_SOURCE__ID_FIELD": "id",
        "DRIFTLINE_EMBED__KIND": "null",
        "DRIFTLINE_SCORE__KIND": "benchmarks.pipeline:zeros",
        "DRIFTLINE_SINK__SCORES": f"file:{scores}",
        "DRIFTLINE_LOG__LEVEL": "error",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def on_one_core(variables: Mapping[str, str]) -> Callable[[], object]:
    core = {min(os.sched_getaffinity(0))}
    return lambda: subprocess.run(
        COMMAND, env=variables, check=True, preexec_fn=lambda: os.sched_setaffinity(0, core)
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline")
    parser.add_argument("--events", type=int, default=200_000, help="default: %(default)s")
    parser.add_argument("--runs", type=int, default=3, help="default: %(default)s")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        source, empty, scores = (Path(folder, name) for name in ("in.jsonl", "empty.jsonl", "out.jsonl"))
        write(source, arguments.events)
        empty.touch()
        took = medians(
            race(
                arguments.runs,
                {
                    "start": on_one_core(environment(empty, scores)),
                    "all": on_one_core(environment(source, scores)),
                },
            )
        )
    start, seconds = took["start"].wall, took["all"].wall - took["start"].wall
    rate = f"{arguments.events / seconds:,.0f}" if seconds > 0 else "too few events to measure"
    row = (f"{arguments.events:,}", f"{start:.1f}", f"{seconds:.1f}", rate)
    table("The whole pipeline on one core", ("events", "s to start", "s after the start", "events/s"), [row])


if __name__ == "__main__":
    main()
