"""Runs of a program over a stream: Spark in an environment of its own, and Driftline with a real Triton."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.kit.processes import anonymous_bytes, cpu_seconds, members
from benchmarks.peers.arrivals import Arrival, Growth, of_spark
from benchmarks.peers.environments import ROOT, python_of
from benchmarks.peers.tasks import END, Task
from export.serve.sidecar import Sidecar

_POLL_S = 0.2
#: Seconds between two looks at the whole output.
_LOOK_S = 1.0


@dataclass
class Run:
    """``arrivals``: the rows of the stream. ``peak_bytes``: the most anonymous memory of all processes.

    ``cpu_s``: CPU seconds of all processes, their start included.
    """

    arrivals: list[Arrival] = field(default_factory=list)
    peak_bytes: int = 0
    cpu_s: float = 0.0


def spark(program: str, task: Task, wanted: int, feed: Callable[[], None], limit_s: float) -> Run:
    """``program`` of ``programs/`` on Spark until it has written ``wanted`` rows.

    ``feed`` writes the stream, and is called when the program has started. Raises ``TimeoutError`` after
    ``limit_s``, and ``RuntimeError`` if the program ends.
    """
    command = [
        str(python_of("spark")),
        "-m",
        f"benchmarks.peers.programs.{program}",
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
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DRIFTLINE_", "BYTEWAX_"))}
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
    command = [sys.executable, "-m", "bytewax.run", "dataflow.flow:flow"]
    with (
        Growth(scores) as growth,
        started(command, inherited | settings, log) as process,
    ):
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
            end_of_log = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
            raise RuntimeError(f"{process.args!r} ended with code {process.returncode}:\n{end_of_log}")
        if time.monotonic() > end:
            raise TimeoutError(f"{process.args!r} is not done after {limit_s:.0f} s")
        time.sleep(_LOOK_S)


@contextmanager
def started(
    command: Sequence[str], env: dict[str, str], log: Path, *, pipes: bool = False, cwd: Path = ROOT
) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that leads a session of its own. All processes of the session end with the block.

    ``pipes``: stdin and stdout are pipes; else, stdout goes to ``log`` as stderr does.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdout=subprocess.PIPE if pipes else out,
            stderr=out,
            stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in members(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            end = time.monotonic() + 5
            while members(process.pid) and time.monotonic() < end and process.poll() is None:
                time.sleep(_POLL_S)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


@contextmanager
def sampled(leaders: Sequence[int], run: Run) -> Iterator[None]:
    """Fills in the memory and the CPU time of the processes while the block runs."""
    stop = threading.Event()
    before = sum(map(cpu_seconds, leaders))

    def sample() -> None:
        while not stop.wait(_POLL_S):
            run.peak_bytes = max(run.peak_bytes, sum(map(anonymous_bytes, leaders)))
            # A process that has ended has no CPU time any more.
            run.cpu_s = max(run.cpu_s, sum(map(cpu_seconds, leaders)) - before)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
