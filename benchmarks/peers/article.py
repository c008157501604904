"""``python -m benchmarks.peers.article``: the query of the article on Spark, and on Driftline.

Spark runs it as the article writes it, and as a good Spark engineer writes it. Driftline runs it through
Triton at full precision, and at the near-lossless one. All read the same files into the same windows, on the
same cores, and none of them caches embeddings.

    --parts throughput delays   what to measure; default: both
    --events 8000               events of the measurement of throughput
    --rounds 3                  the candidates take turns
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.kit.candidates import CACHE, exported, served
from benchmarks.kit.measure import table
from benchmarks.peers.environments import MissingError, java
from benchmarks.peers.judged import delays, events_per_second, same_scores, whole
from benchmarks.peers.runs import Run, driftline, spark
from benchmarks.peers.tasks import Event, Task, end, members, stream, write_file
from export.convert import weights
from export.convert.precision import Precision
from export.errors import ExportError
from export.serve.sidecar import Sidecar

MODEL = "all-MiniLM-L6-v2"
START = 1767225600.0  # 2026-01-01
#: Events a second of the measurement of delays. All candidates can keep up with it.
PACE = 40.0
PACED_S = 150.0
#: Windows that begin earlier are not counted.
WARM_UP_S = 80.0
#: Seconds between two files of the paced stream.
EVERY_S = 0.25
LIMIT_S = 900.0

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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.article")
    parser.add_argument(
        "--parts", nargs="+", choices=["throughput", "delays"], default=["throughput", "delays"]
    )
    parser.add_argument("--events", type=int, default=8000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp16", "int8"])
    arguments = parser.parse_args()
    try:
        print(f"Java {java()}")
    except MissingError as error:
        raise SystemExit(f"error: {error}") from None
    with ExitStack() as stack:
        candidates = _candidates(stack, arguments.precision)
        if "throughput" in arguments.parts:
            throughput(candidates, arguments.events, arguments.rounds)
        if "delays" in arguments.parts:
            delay(candidates, arguments.rounds)


def _candidates(stack: ExitStack, near: Precision) -> dict[str, Candidate]:
    found: dict[str, Candidate] = {
        AS_WRITTEN: lambda task, rows, feed: spark("spark_article", task, rows, feed, LIMIT_S),
        TUNED: lambda task, rows, feed: spark(
            "spark_tuned", replace(task, files_a_batch=2 * task.files_a_batch), rows, feed, LIMIT_S
        ),
    }

    def through(server: Sidecar) -> Candidate:
        return lambda task, rows, feed: driftline(task, server, rows, feed, LIMIT_S)

    found[FP32] = through(stack.enter_context(served(exported(MODEL, "fp32"))))
    try:
        found[NEAR] = through(stack.enter_context(served(exported(MODEL, near))))
    except ExportError as error:
        print(f"{near} is not measured: {error}")
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


def throughput(candidates: Mapping[str, Candidate], events: int, rounds: int) -> None:
    """Prints how fast each candidate is, once the whole stream is there."""
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
    table("", ("", "median", "range", "goal", "met"), [_ratio(goal, rates) for goal in GOALS])
    print(
        f"\nlargest difference of a score, {FP32} and {TUNED}: "
        f"{same_scores(runs[FP32][0].arrivals, runs[TUNED][0].arrivals):.1e}"
    )


def _ratio(goal: Goal, rates: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
    name = f"{goal.candidate} / {goal.base}"
    if goal.candidate not in rates:
        return (name, "not measured", "", f"{goal.least}", "")
    pairs = zip(rates[goal.candidate], rates[goal.base], strict=True)
    ratios = [candidate / base for candidate, base in pairs]
    found = statistics.median(ratios)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return (name, f"{found:.2f}", spread, f"{goal.least}", "yes" if found >= goal.least else "no")


def _write_all(task: Task, events: Sequence[Event], per_file: int = 500) -> None:
    folder = Path(task.input)
    for number, first in enumerate(range(0, len(events), per_file)):
        write_file(folder, number, events[first : first + per_file])
    write_file(folder, len(events), [end(events, task)])


def delay(candidates: Mapping[str, Candidate], rounds: int) -> None:
    """Prints how soon each candidate has scored a window, when events arrive at a steady pace.

    The delay of a window begins when the event is written that lets the watermark pass its end. The query as
    the article writes it does not wait for the watermark; there, it begins with the event that comes after
    the window. Windows of the first part of the stream are not counted.
    """
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, candidate in candidates.items():
            with tempfile.TemporaryDirectory() as folder:
                task = _task(Path(folder) / "run", length_s=10, slide_s=5, delay_s=2, files_a_batch=1000)
                pace = Pace(task, waits=name != AS_WRITTEN)
                run = candidate(task, pace.rows, pace.write)
                found[name] += delays(run.arrivals, pace.decided)
    table(
        f"{MODEL}, {PACE:.0f} events a second in windows of 10 s each 5 s, {rounds} rounds",
        ("", "windows", "median s", "p99 s"),
        [
            (name, len(each), f"{statistics.median(each):.2f}", f"{np.quantile(each, 0.99):.2f}")
            for name, each in found.items()
        ],
    )


class Pace:
    """A stream that arrives at a steady pace. Its event times are the times of the wall clock.

    ``rows``: how many rows the windows have that are counted. ``waits``: whether a window is scored only when
    the watermark has passed its end. ``decided``: when the file was written that decided a window.
    """

    def __init__(self, task: Task, *, waits: bool) -> None:
        self._task, self._wait_s = task, task.delay_s if waits else 0
        self._events = stream(int(PACE * PACED_S), PACE, start=0.0, disorder_s=1.0)
        self.rows = sum(1 for event in self._events for _ in task.windows(event.at))
        self.decided: dict[int, float] = {}

    def write(self) -> None:
        """Write the stream, a file each ``EVERY_S``."""
        folder, task = Path(self._task.input), self._task
        # A multiple of the slide, so that windows have the same events in each run.
        start = (time.time() // task.slide_s + 1) * task.slide_s
        events = [event._replace(at=start + event.at) for event in self._events]
        counted = {
            window
            for event in events
            for window in task.windows(event.at)
            if start + WARM_UP_S <= window <= start + PACED_S - task.length_s
        }
        newest, place = 0.0, 0
        for number in itertools.count():
            due = start + (number + 1) * EVERY_S
            time.sleep(max(0.0, due - time.time()))
            first, newest_before = place, newest
            while place < len(events) and place < (due - start) * PACE:
                newest = max(newest, events[place].at)
                place += 1
            write_file(folder, number, events[first:place])
            at = time.time()
            for window in counted:
                passed = window + task.length_s + self._wait_s
                if newest_before < passed <= newest:
                    self.decided[window] = at
            if place == len(events):
                break
        write_file(folder, number + 1, [end(events, task)])


if __name__ == "__main__":
    main()
