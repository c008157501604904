"""Runs of a program over a stream: Spark in an environment of its own, and Driftline with a real Triton."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.peers.environments import python_of
from benchmarks.peers.processes import FLOW, Use, end_of, sampled, started, with_settings
from benchmarks.peers.spark.arrivals import Arrival, Growth, of_spark
from benchmarks.peers.spark.tasks import Task
from benchmarks.peers.streams import END
from export.serve.sidecar import Sidecar

#: Seconds between two looks at the whole output.
_LOOK_S = 1.0


@dataclass
class Run(Use):
    """``arrivals``: the rows of the stream."""

    arrivals: list[Arrival] = field(default_factory=list)


def spark(program: str, task: Task, wanted: int, feed: Callable[[], None], limit_s: float) -> Run:
    """``program`` of ``programs/`` on Spark until it has written ``wanted`` rows.

    ``feed`` writes the stream, and is called when the program has started. Raises ``TimeoutError`` after
    ``limit_s``, and ``RuntimeError`` if the program ends.
    """
    command = [
        str(python_of("spark")),
        "-m",
        f"benchmarks.peers.spark.programs.{program}",
        json.dumps(asdict(task)),
    ]
    run, output = Run(), Path(task.output)
    log = output.with_suffix(".log")
    with started(command, dict(os.environ), log) as process:
        with sampled([process.pid], run):
            feed()
            _wait(process, log, lambda: _count(of_spark(output)) >= wanted, limit_s)
        run.arrivals = _of_stream(of_spark(output))
    return run


def driftline(task: Task, server: Sidecar, wanted: int, feed: Callable[[], None], limit_s: float) -> Run:
    """The same with the dataflow and a model server. The dataflow computes what Spark does: no reference, no
    cache, no drift.
    """
    output = Path(task.output)
    output.mkdir(parents=True)
    log = output.with_suffix(".log")
    scores = output / "scores.jsonl"
    settings = {
        "DRIFTLINE_SOURCE__URI": f"tail:{task.input}/",
        "DRIFTLINE_SOURCE__ID_FIELD": "id",
        "DRIFTLINE_EMBED__URL": server.url,
        "DRIFTLINE_EMBED__REPOSITORY": str(server.repository),
        "DRIFTLINE_EMBED__CACHE_ROWS": "0",
        "DRIFTLINE_WINDOW__LENGTH": f"{task.length_s}s",
        "DRIFTLINE_WINDOW__SLIDE": f"{task.slide_s}s",
        "DRIFTLINE_WINDOW__DELAY": f"{task.delay_s}s",
        # The last event of the stream alone moves the watermark, as it does on Spark.
        "DRIFTLINE_WINDOW__MAX_JUMP": "2d",
        "DRIFTLINE_WINDOW__MAX_FUTURE": "2d",
        "DRIFTLINE_SCORE__CLUSTERS": str(task.clusters),
        "DRIFTLINE_SCORE__SEED": str(task.seed),
        "DRIFTLINE_SCORE__REFERENCE": "false",
        "DRIFTLINE_DRIFT__ENABLED": "false",
        "DRIFTLINE_SINK__SCORES": f"file:{scores}",
    }
    with Growth(scores) as growth, started(FLOW, with_settings(settings), log) as process:
        run, leaders = Run(), [process.pid, *([server.pid] if server.pid else [])]
        with sampled(leaders, run):
            feed()
            _wait(process, log, lambda: _count(growth.arrivals()) >= wanted, limit_s)
        run.arrivals = _of_stream(growth.arrivals())
    return run


def _of_stream(arrivals: Sequence[Arrival]) -> list[Arrival]:
    return [arrival for arrival in arrivals if arrival.id != END]


def _count(arrivals: Sequence[Arrival]) -> int:
    return len({(arrival.window, arrival.id) for arrival in _of_stream(arrivals)})


def _wait(process: "subprocess.Popen[bytes]", log: Path, done: Callable[[], bool], limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while not done():
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with code {process.returncode}:\n{end_of(log)}")
        if time.monotonic() > end:
            raise TimeoutError(f"{process.args!r} is not done after {limit_s:.0f} s")
        time.sleep(_LOOK_S)
