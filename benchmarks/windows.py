"""``python -m benchmarks.windows [peer|overlap|keys]``: how fast are windows, beside ``collect_window``?"""

import argparse
import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from bytewax.testing import run_main

from benchmarks.kit.figures import Figure, report, speed
from benchmarks.kit.measure import Took, medians, race, table
from benchmarks.kit.stages import Candidate, Take, collect_window, driftline, objects
from benchmarks.kit.streams import stream
from dataflow.items.embedding import embeddings
from dataflow.items.rows import segments
from dataflow.items.windows import WholeWindows
from dataflow.settings import Window

DIM = 384
LENGTH = timedelta(minutes=10)
DELAY = timedelta(seconds=30)
JITTER_S = 20.0


def sliding(overlap: int) -> Window:
    """Windows of ``LENGTH``; each event is in ``overlap`` of them."""
    return Window(kind="sliding", length=LENGTH, slide=LENGTH / overlap, delay=DELAY)


def events(count: int, *, events_per_second: float = 100, keys: int = 1) -> list[pa.RecordBatch]:
    return stream(count, dim=DIM, events_per_second=events_per_second, keys=keys, jitter_s=JITTER_S)


def run(candidate: Candidate) -> int:
    """Runs a candidate to its end. Returns how many rows its windows had."""
    run_main(candidate.flow)
    return candidate.sink.rows


def ours(batches: list[pa.RecordBatch], options: Window, take: Take) -> int:
    return run(driftline(batches, options, take))


def theirs(items: list[list[Any]], options: Window, take: Take) -> int:
    return run(collect_window(items, options, take))


def matrices_of(windows: WholeWindows) -> int:
    """Makes the matrix of each key that a scorer reads."""
    rows = windows.gather()
    vectors = embeddings(rows)
    return sum(
        len(vectors[start:stop]) for start, stop in itertools.pairwise(segments(rows).offsets.tolist())
    )


def stacked(items: list[Any]) -> int:
    """Makes the same matrix from the vectors that ``collect_window`` gives."""
    return len(np.stack([vector for _, vector in items]))


def per_second(rows: int, took: Took) -> str:
    return f"{rows / took.wall:,.0f}"


def beside(batches: list[pa.RecordBatch], options: Window, runs: int) -> dict[str, list[Took]]:
    """The runs of both candidates on the same events; each also makes a matrix of each window."""
    items = objects(batches)
    return race(
        runs,
        {
            "Driftline, a matrix of each window": partial(ours, batches, options, matrices_of),
            "Driftline": partial(ours, batches, options, len),
            "collect_window": partial(theirs, items, options, len),
            "collect_window, stacked": partial(theirs, items, options, stacked),
        },
    )


def peer(count: int, runs: int) -> list[Figure]:
    """Both candidates read the same events, at length/slide = 10."""
    rows: list[tuple[object, ...]] = []
    figures = []
    options = sliding(10)
    for rate in (10, 100):
        taken = beside(events(count, events_per_second=rate), options, runs)
        took = medians(taken)
        figures.append(_to_collect_window(taken, f"{rate * 600:,} rows a window, length/slide = 10"))
        slow = took["collect_window"].wall
        rows += [(name, rate * 600, per_second(count, t), f"{slow / t.wall:.1f}") for name, t in took.items()]
    table("Beside collect_window, length/slide = 10", ("", "rows per window", "events/s", "ratio"), rows)
    return figures


def _to_collect_window(taken: Mapping[str, Sequence[Took]], case: str) -> Figure:
    return speed(taken, "Driftline", "collect_window", name=f"Driftline / collect_window, {case}")


def keys(count: int, runs: int) -> list[Figure]:
    """The more keys there are, the fewer rows of each key a batch holds; length/slide = 10."""
    rows: list[tuple[object, ...]] = []
    figures = []
    options = sliding(10)
    for number in (1, 100, 10_000):
        taken = beside(events(count, keys=number), options, runs)
        took = medians(taken)
        figures.append(_to_collect_window(taken, f"{number:,} keys, length/slide = 10"))
        slow = took["collect_window"].wall
        rows += [
            (name, f"{number:,}", per_second(count, t), f"{slow / t.wall:.2f}") for name, t in took.items()
        ]
    table("By number of keys, length/slide = 10", ("", "keys", "events/s", "ratio"), rows)
    return figures


def overlap(count: int, runs: int) -> list[Figure]:
    """Events per second for length/slide from 1 to 60."""
    batches = events(count)
    items = objects(batches)
    rows: list[tuple[object, ...]] = []
    figures = []
    candidates: dict[str, Callable[[Window], int]] = {
        "Driftline": lambda options: ours(batches, options, len),
        "Driftline, a matrix of each window": lambda options: ours(batches, options, matrices_of),
        "collect_window": lambda options: theirs(items, options, len),
    }
    for name, candidate in candidates.items():
        emitted: dict[str, int] = {}

        def emit(overlap: int, candidate: Callable[[Window], int], emitted: dict[str, int]) -> None:
            emitted[str(overlap)] = candidate(sliding(overlap))

        runs_of = {str(n): partial(emit, n, candidate, emitted) for n in (1, 2, 10, 60)}
        taken = race(runs, runs_of)
        took = medians(taken)
        figures.append(speed(taken, "60", "1", name=f"{name}, length/slide = 60 / length/slide = 1"))
        first = took["1"].wall
        rows += [
            (name, n, per_second(count, t), f"{first / t.wall:.2f}", per_second(emitted[n], t))
            for n, t in took.items()
        ]
    heads = ("", "length/slide", "events/s", "to length/slide = 1", "rows out/s")
    table("By overlap, 60,000 rows per window", heads, rows)
    return figures


class Question(NamedTuple):
    """``answer`` takes the number of events and of runs. ``events``: as in docs/explanation/benchmarks.md."""

    answer: Callable[[int, int], list[Figure]]
    events: int


QUESTIONS = {
    "peer": Question(peer, 400_000),
    "overlap": Question(overlap, 200_000),
    "keys": Question(keys, 20_000),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.windows")
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help=f"{', '.join(QUESTIONS)}; default: all"
    )
    parser.add_argument("--events", type=int, help="default: as in docs/explanation/benchmarks.md")
    parser.add_argument("--runs", type=int, default=3, help="runs of each candidate; default: %(default)s")
    arguments = parser.parse_args()
    figures = []
    for name in arguments.questions or QUESTIONS:
        if name not in QUESTIONS:
            parser.error(f"unknown question {name!r}; the questions are {', '.join(QUESTIONS)}")
        question = QUESTIONS[name]
        figures += question.answer(arguments.events or question.events, arguments.runs)
    report(figures)


if __name__ == "__main__":
    main()
