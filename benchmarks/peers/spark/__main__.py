"""``python -m benchmarks.peers.spark``: the query of the article on Spark, and on Driftline.

Spark runs it as the article writes it, and as a good Spark engineer writes it. Driftline runs it through
Triton at full precision, and at the near-lossless one. All read the same files into the same windows, on the
same cores, and none of them caches embeddings.

    --parts throughput delays   what to measure; default: both
    --events 8000               events of the measurement of throughput
    --rounds 3                  the candidates take turns
    --pace 20                   events a second of the measurement of delays
"""

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.kit.candidates import CACHE, exported, near_lossless, served
from benchmarks.kit.figures import Figure, middle, not_measured, ratio, report
from benchmarks.kit.measure import table
from benchmarks.peers.environments import MissingError, java
from benchmarks.peers.environments import versions as versions_of
from benchmarks.peers.spark.judged import delays, events_per_second, same_scores, whole
from benchmarks.peers.spark.pace import Pace
from benchmarks.peers.spark.runs import Run, driftline, spark
from benchmarks.peers.spark.tasks import Event, Task, end, members, stream
from benchmarks.peers.streams import write_file
from export.convert import weights
from export.convert.precision import Precision
from export.errors import ExportError
from export.serve.sidecar import Sidecar

MODEL = "all-MiniLM-L6-v2"
START = 1767225600.0  # 2026-01-01
LIMIT_S = 900.0
#: With fewer events, no window closes while the stream goes on.
LEAST_EVENTS = 3000

Feed = Callable[[], None]
Candidate = Callable[[Task, int, Feed], Run]


class Goal(NamedTuple):
    """A ratio of ``candidate`` to ``base`` that is wanted."""

    candidate: str
    base: str
    least: float


AS_WRITTEN, TUNED = "Spark as written", "Spark tuned"
FP32, NEAR = "Driftline fp32", "Driftline near-lossless"
GOALS = (Goal(FP32, AS_WRITTEN, 3.0), Goal(NEAR, AS_WRITTEN, 5.0), Goal(FP32, TUNED, 1.5))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.spark")
    parser.add_argument(
        "--parts", nargs="+", choices=["throughput", "delays"], default=["throughput", "delays"]
    )
    parser.add_argument("--events", type=int, default=8000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--pace", type=float, default=20.0, help="default: %(default)s")
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp16", "int8"])
    arguments = parser.parse_args()
    if arguments.events < LEAST_EVENTS:
        parser.error(f"--events {arguments.events}: must be at least {LEAST_EVENTS}, so that windows close")
    if not arguments.pace >= 1:  # also if it is no number
        parser.error(f"--pace {arguments.pace:g}: must be at least 1")
    try:
        versions = {"Java": java(), **versions_of("spark", "pyspark", "onnxruntime")}
    except MissingError as error:
        raise SystemExit(f"error: {error}") from None
    with ExitStack() as stack:
        candidates = _candidates(stack, arguments.precision)
        figures: list[Figure] = []
        if "throughput" in arguments.parts:
            figures += throughput(candidates, arguments.events, arguments.rounds)
        if "delays" in arguments.parts:
            figures += delay(candidates, arguments.pace, arguments.rounds)
    report(figures, versions)


def _candidates(stack: ExitStack, near: Precision) -> dict[str, Candidate]:
    found: dict[str, Candidate] = {
        AS_WRITTEN: lambda task, rows, feed: spark("as_written", task, rows, feed, LIMIT_S),
        TUNED: lambda task, rows, feed: spark(
            "tuned", replace(task, files_a_batch=2 * task.files_a_batch), rows, feed, LIMIT_S
        ),
    }

    def through(server: Sidecar) -> Candidate:
        return lambda task, rows, feed: driftline(task, server, rows, feed, LIMIT_S)

    found[FP32] = through(stack.enter_context(served(exported(MODEL, "fp32"))))
    try:
        found[NEAR] = through(stack.enter_context(near_lossless(MODEL, near)))
    except ExportError as error:
        not_measured(NEAR, error)
    return found


def _task(folder: Path, **more: int) -> Task:
    layout = exported(MODEL, "fp32")
    (folder / "in").mkdir(parents=True)
    return Task(
        input=str(folder / "in"),
        output=str(folder / "out"),
        checkpoint=str(folder / "checkpoint"),
        model=str(weights.locate(weights.named(MODEL), CACHE, print)),
        graph=str(layout.graph),
        tokenizer=str(layout.tokenizer),
        **more,
    )


def throughput(candidates: Mapping[str, Candidate], events: int, rounds: int) -> list[Figure]:
    """How fast each candidate is, once the whole stream is there. Prints a table of the candidates."""
    made = stream(events, per_second=2.0, start=START, disorder_s=60)
    runs: dict[str, list[Run]] = {name: [] for name in candidates}
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, candidate in candidates.items():
            with tempfile.TemporaryDirectory() as folder:
                task = _task(Path(folder) / "run")
                truth = members(made, task)
                rows = sum(map(len, truth.values()))
                run = candidate(task, rows, lambda task=task: _write_all(task, made))  # type: ignore[misc]
                runs[name].append(run)
                # The last window that closes while the stream goes on.
                closed = max(event.at for event in made) - task.delay_s - task.length_s
                last = np.inf if name == AS_WRITTEN else closed
                rates[name].append(events_per_second(run.arrivals, rows / events, last))
    first = {name: whole(done[0].arrivals, truth) for name, done in runs.items()}
    table(
        f"{MODEL}, {events} events in windows of {task.length_s} s each {task.slide_s} s, {rounds} rounds",
        ("", "events/s", "CPU s", "memory MB", "windows that are whole", "rows that are missing"),
        [
            (
                name,
                f"{statistics.median(rates[name]):.0f}",
                f"{statistics.median(run.cpu_s for run in done):.0f}",
                f"{max(run.peak_bytes for run in done) / 1e6:.0f}",
                f"{first[name].whole} of {first[name].windows}",
                first[name].missing,
            )
            for name, done in runs.items()
        ],
    )
    difference = same_scores(runs[FP32][0].arrivals, runs[TUNED][0].arrivals)
    figures = [
        ratio(
            f"{goal.candidate} / {goal.base}, events/s", rates[goal.candidate], rates[goal.base], goal.least
        )
        for goal in GOALS
        if goal.candidate in rates
    ]
    name = f"{FP32} and {TUNED}, largest difference of a score"
    return [*figures, middle(name, [difference], goal=1e-6, at_most=True)]


def _write_all(task: Task, events: Sequence[Event], per_file: int = 500) -> None:
    folder = Path(task.input)
    for number, first in enumerate(range(0, len(events), per_file)):
        write_file(folder, number, events[first : first + per_file])
    write_file(folder, len(events), [end(events)])


def delay(candidates: Mapping[str, Candidate], pace: float, rounds: int) -> list[Figure]:
    """How soon each candidate has scored a window, when events arrive at a steady pace. Prints a table.

    The delay of a window begins when the event is written that lets the watermark pass its end. The query as
    the article writes it does not wait for the watermark; there, it begins with the event that comes after
    the window. Windows of the first part of the stream are not counted. ``pace``: events a second; of a
    candidate that cannot keep up with it, the delays are those of the events that wait.
    """
    found: dict[str, list[list[float]]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, candidate in candidates.items():
            with tempfile.TemporaryDirectory() as folder:
                task = _task(Path(folder) / "run", length_s=10, slide_s=5, delay_s=2, files_a_batch=1000)
                paced = Pace(task, pace, waits=name != AS_WRITTEN)
                run = candidate(task, paced.rows, paced.write)
                found[name].append(delays(run.arrivals, paced.decided))
    table(
        f"{MODEL}, {pace:g} events a second in windows of 10 s each 5 s, {rounds} rounds",
        ("", "windows", "median s", "p99 s"),
        [
            (name, len(each), f"{np.median(each):.2f}", f"{np.quantile(each, 0.99):.2f}")
            for name, each in ((name, list(itertools.chain(*each))) for name, each in found.items())
        ],
    )
    late = {name: [float(np.quantile(one, 0.99)) for one in each] for name, each in found.items()}
    return [
        ratio(
            f"{FP32} / {spark}, p99 from the end of a window to its scores",
            late[FP32],
            late[spark],
            0.2,
            at_most=True,
        )
        for spark in (AS_WRITTEN, TUNED)
    ]


if __name__ == "__main__":
    main()
