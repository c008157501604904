"""``python -m benchmarks.peers.engines``: the same event-time windows on other engines and on Driftline.

All read the same events, make the same vectors of 384 floats from a hash of the text, collect them in the
same windows, and write for each event its distance to the mean of its window. So each engine must hand over
all rows of a window, and the answers can be compared.

    --engines Bytewax ...   default: all
    --events 40000          events of a case
    --rounds 3              the engines take turns
    --full                  1, 100 and 10,000 keys, each with length/slide of 1, 2 and 10
    --keys 1 100            only the cases with so many keys
    --limit 120             a run that takes longer is stopped
"""

import argparse
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.kit.figures import Figure, middle, ratio, report
from benchmarks.kit.measure import table
from benchmarks.peers.engines.arguments import parse
from benchmarks.peers.engines.runs import DRIFTLINE, ENGINES, ONE_GROUP, Ran, Shape, run
from benchmarks.peers.engines.tasks import Judged, distances, end, judge, members, stream

LENGTH_S = 600
DELAY_S = 30
DISORDER_S = 20.0
#: A stream is as long as so many windows that follow each other, fewer if a key had less than ROWS in each.
LENGTHS, LEAST_LENGTHS = 10, 2
ROWS = 2


class Case(NamedTuple):
    """``overlap``: length/slide."""

    keys: int
    overlap: int

    @property
    def shape(self) -> Shape:
        return Shape(LENGTH_S, LENGTH_S // self.overlap, DELAY_S)

    def __str__(self) -> str:
        return f"{self.keys:,} {'key' if self.keys == 1 else 'keys'}, length/slide {self.overlap}"


FAST = (Case(1, 2), Case(100, 2))
FULL = tuple(Case(keys, overlap) for keys in (1, 100, 10_000) for overlap in (1, 2, 10))


class Measured(NamedTuple):
    """``rate``: events per second; 0 if the engine was stopped before it had written all windows."""

    rate: float
    ran: Ran
    judged: Judged


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.engines")
    parser.add_argument("--events", type=int, default=40_000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds of a run; default: %(default)s")
    parser.add_argument("--full", action="store_true", help="all cases")
    parser.add_argument("--keys", type=int, nargs="+", help="only cases with so many keys")
    arguments, versions = parse(parser, (*ENGINES, DRIFTLINE, ONE_GROUP))
    figures: list[Figure] = []
    for case in FULL if arguments.full else FAST:
        if not arguments.keys or case.keys in arguments.keys:
            figures += measure(case, arguments.engines, arguments.events, arguments.rounds, arguments.limit)
    report(figures, versions)


def measure(case: Case, engines: Sequence[str], events: int, rounds: int, limit_s: float) -> list[Figure]:
    """The figures of one case. Prints a table of the engines."""
    lengths = min(LENGTHS, max(LEAST_LENGTHS, events // (case.keys * ROWS)))
    made = stream(events, case.keys, lengths * LENGTH_S, DISORDER_S)
    truth = members(made, case.shape.length_s, case.shape.slide_s)
    right = distances(made, truth)
    done: dict[str, list[Measured]] = defaultdict(list)
    for _ in range(rounds):
        for name in engines:
            with tempfile.TemporaryDirectory() as folder:
                ran = run(name, [*made, end(made)], case.shape, len(truth), Path(folder) / "run", limit_s)
            judged = judge(ran.windows, truth, right)
            rate = events / ran.seconds if ran.complete and not judged.missing else 0.0
            done[name].append(Measured(rate, ran, judged))
    table(
        f"{case}, {events:,} events, {len(truth):,} windows, {rounds} rounds",
        ("", "events/s", "CPU s", "memory MB", "windows that are whole", "difference"),
        [_row(name, each) for name, each in done.items()],
    )
    return [*_ratios(case, done), *_shares(case, done)]


def _row(name: str, each: Sequence[Measured]) -> tuple[str, ...]:
    rate = statistics.median(one.rate for one in each)
    judged = each[0].judged
    return (
        name,
        f"{rate:,.0f}" if rate else "stopped",
        f"{statistics.median(one.ran.cpu_s for one in each):.1f}",
        f"{max(one.ran.peak_bytes for one in each) / 1e6:,.0f}",
        f"{judged.whole:,} of {judged.windows:,}",
        f"{judged.difference:.1g}",
    )


def _ratios(case: Case, done: dict[str, list[Measured]]) -> list[Figure]:
    return [
        ratio(f"{mine} / {name}, events/s, {case}", [one.rate for one in ours], [one.rate for one in each])
        for mine, ours in done.items()
        for name, each in done.items()
        if mine in (DRIFTLINE, ONE_GROUP) and name in ENGINES and all(one.rate for one in (*ours, *each))
    ]


def _shares(case: Case, done: dict[str, list[Measured]]) -> list[Figure]:
    return [
        middle(
            f"{name}, share of windows that are whole, {case}",
            [one.judged.whole / one.judged.windows for one in each],
            goal=1.0 if name in (DRIFTLINE, ONE_GROUP) else None,
        )
        for name, each in done.items()
    ]


if __name__ == "__main__":
    main()
