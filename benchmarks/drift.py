"""``python -m benchmarks.drift``: how often do the tests of drift alarm falsely, and what do they find?

Streams of SMS are in random order. Streams of logs are blocks of 25 or 100 lines in random order, with
replacement: neighbouring lines depend on each other, and there is no drift, unless a part of the last window
gives way to lines of one kind. Each test has a stream of its own: a past of which 1,000 rows are the
reference, 8 windows and the window before, which say how long blocks are, and the window.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.kit.corpus import SHARED, is_here
from benchmarks.kit.drift_streams import (
    CLUSTERS,
    REFERENCE,
    Corpus,
    Rows,
    Stream,
    blocks_of,
    corpus,
    grown,
    sms,
)
from benchmarks.kit.figures import Figure, report
from benchmarks.kit.measure import median, race, table
from dataflow.drift.blocks import Blocks, cut, with_clusters
from dataflow.drift.comparison import Comparison, beside_reference, beside_window
from dataflow.drift.correction import corrected
from dataflow.drift.dependence import Dependence, Learnt, dependence, learn, taught
from dataflow.drift.permutation import permuted
from dataflow.embed import open_embedder
from dataflow.settings import Embed

ALPHA = 0.05
STREAMS = ("sms", "openssh", "bgl")
#: The most windows without drift that may alarm, and the least share of surges of 25 % spam to find.
FALSE, POWER = {"sms": 0.065, "logs": 0.075}, 0.95
#: The columns. Permutations of single rows take long, so ``PLAIN`` has a quarter of the streams.
PLAIN = ("plain, before", "plain, reference")
TESTS = ("centroid, before", "clusters, before", "centroid, reference", "clusters, reference")


def compared(of: Corpus, stream: Stream, seed: int) -> list[Comparison | None]:
    """The last window beside the window before, and beside the reference."""
    windows = [cut(*of.sample(rows)) for rows in stream.windows]
    learnt: Learnt = {}
    for window in windows[:-1]:
        learnt = learn(learnt, taught(window))
    blocks = dependence(learnt, windows[-1].length)
    return [
        beside_window(windows[-2], windows[-1], blocks, seed=seed, most=999),
        beside_reference(of.sample(stream.reference), windows[-1], blocks, seed=seed, most=999),
    ]


def plain(of: Corpus, stream: Stream, seed: int) -> list[float]:
    """P-values of the centroid if single rows are exchanged: beside the window before, and the reference."""

    def rows(some: Rows) -> Blocks:
        return with_clusters(cut(*of.sample(some), length=1, most=len(some)), np.arange(CLUSTERS))

    now = rows(stream.windows[-1])
    others = rows(stream.windows[-2]), rows(stream.reference)
    return [permuted(other, now, inflation=1.0, seed=seed, most=199).centroid for other in others]


def cases(of: dict[str, Corpus], seeds: range) -> Iterator[tuple[str, int, Corpus, list[Stream]]]:
    """Name, rows of a window, corpus and streams."""
    for surge in (0.0, 0.1, 0.25) if "sms" in of else ():
        name = f"sms, {surge:.0%} spam" if surge else "sms, ham"
        yield name, 200, of["sms"], [sms(of["sms"], 200, surge, seed) for seed in seeds]
    for surge in (0.1, 0.25) if "sms" in of else ():
        streams = [sms(of["sms"], 200, surge, seed, at_once=True) for seed in seeds]
        yield f"sms, {surge:.0%} spam at once", 200, of["sms"], streams
    for name in [name for name in of if name != "sms"]:
        for block in (25, 100):
            for n in (200, 500, 2000):
                streams = [blocks_of(of[name], n, block, seed) for seed in seeds]
                yield f"{name}, blocks of {block}", n, of[name], streams
        for surge, at_once in ((0.1, False), (0.25, False), (0.25, True)):
            for n in (500, 2000):
                streams = [blocks_of(of[name], n, 25, seed, surge, at_once=at_once) for seed in seeds]
                how = " at once" if at_once else ""
                yield f"{name}, blocks of 25, {surge:.0%} of one kind{how}", n, of[name], streams
        for surge in (0.0, 0.75):
            streams = [grown(of[name], 500, 2000, seed, surge) for seed in seeds]
            how = f", {surge:.0%} of one kind at once" if surge else ""
            yield f"{name}, blocks of 25, after windows of 500{how}", 2000, of[name], streams


class Alarms(NamedTuple):
    """Of the streams of a case. ``plain``: ``(s, 2)``, which of some streams alarm if single rows are
    exchanged. ``streams``: how many there are. ``tested``: ``(t, 4)``, which tests alarm, of the streams that
    have p-values. ``any_of_four``: how many of these alarm if the four tests are one.
    """

    plain: npt.NDArray[np.bool_]
    streams: int
    tested: npt.NDArray[np.bool_]
    any_of_four: int

    @property
    def are_few(self) -> bool:
        """Whether too few streams have p-values to say how many of these alarm."""
        return len(self.tested) < self.streams / 10

    def cells(self) -> list[str]:
        """Shares of all streams, and the highest share of the streams that have p-values."""
        plain = [f"{share:.3f}" for share in self.plain.mean(axis=0)] if len(self.plain) else ["-", "-"]
        counts = [self.streams - len(self.tested), *self.tested.sum(axis=0).tolist(), self.any_of_four]
        shares = [f"{count / self.streams:.3f}" for count in counts]
        return [*plain, *shares, "-" if self.are_few else f"{self.tested.mean(axis=0).max():.3f}"]

    def figures(self, name: str, n: int) -> Iterator[Figure]:
        """The shares that the goals are about. A case whose ``name`` has a percentage has a drift."""
        of, is_sms, has_drift = f"{name}, {n:,} rows", name.startswith("sms"), "%" in name
        yield _figure(f"windows without a p-value, {of}", 1 - len(self.tested) / self.streams)
        if has_drift:
            goal = POWER if name == "sms, 25% spam" else None
            found = self.tested[:, TESTS.index("centroid, reference")].sum() / self.streams
            yield _figure(f"windows that the centroid beside the reference finds, {of}", found, goal)
            yield _figure(f"windows that any test finds (Holm), {of}", self.any_of_four / self.streams)
        elif not self.are_few:
            highest = self.tested.mean(axis=0).max()
            goal = FALSE["sms" if is_sms else "logs"]
            yield _figure(
                f"windows that alarm falsely, highest of four tests, {of}", highest, goal, at_most=True
            )


def _figure(name: str, value: float, goal: float | None = None, *, at_most: bool = False) -> Figure:
    return Figure(name, float(value), float(value), float(value), goal=goal, at_most=at_most)


def alarms(of: Corpus, n: int, streams: Sequence[Stream]) -> Alarms:
    """Test the streams of a case."""
    single = [plain(of, stream, seed) for seed, stream in enumerate(streams[::4])] if n == 200 else []
    found = [compared(of, stream, seed) for seed, stream in enumerate(streams)]
    tested = [[p for c in each if c for p in (c.p_centroid, c.p_clusters)] for each in found if all(each)]
    alarm = np.array(tested).reshape(-1, len(TESTS)) <= ALPHA
    any_of_four = sum(min(corrected(values)) <= ALPHA for values in tested)
    return Alarms(np.array(single).reshape(-1, 2) <= ALPHA, len(streams), alarm, any_of_four)


def costs(of: Corpus) -> None:
    """The time of each part."""
    rng = np.random.default_rng(0)
    reference = of.sample(rng.integers(len(of.vectors), size=REFERENCE))
    lines = []
    for n in (200, 500, 2000, 50_000):
        rows = of.sample(rng.integers(len(of.vectors), size=n))
        before, now = cut(*of.sample(rng.integers(len(of.vectors), size=n))), cut(*rows)
        blocks = Dependence(now.length, 1.0)
        # A window that differs from the window before needs all permutations.
        other = now._replace(sums=-now.sums)
        runs: dict[str, Callable[[], object]] = {
            "cut": partial(cut, *rows),
            "learn": partial(taught, now),
            "before, 999": partial(beside_window, before, now, blocks, seed=0, most=999),
            "reference, 999": partial(beside_reference, reference, now, blocks, seed=0, most=999),
            "before, 99,999": partial(beside_window, before, other, blocks, seed=0, most=99_999),
            "reference, 99,999": partial(beside_reference, reference, other, blocks, seed=0, most=99_999),
        }
        took = race(3, runs, warm_up=True)
        lines.append((n, *(f"{1000 * median(times).cpu:.1f}" for times in took.values())))
    table("ms of CPU, 384 dimensions, by the number of permutations", ("rows", *runs), lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift")
    parser.add_argument("--seeds", type=int, default=400, help="streams of each case; default: %(default)s")
    parser.add_argument("--first", type=int, default=0, help="the first seed; default: %(default)s")
    parser.add_argument("--no-costs", action="store_true", help="leave out the time of each part")
    parser.add_argument("--streams", nargs="+", default=STREAMS, choices=STREAMS)
    arguments = parser.parse_args()
    if not is_here(SHARED):
        return
    embedder = open_embedder(Embed(kind="onnx", cache_rows=100_000))
    of = {name: corpus(name, embedder) for name in arguments.streams}
    if not arguments.no_costs:
        costs(next(iter(of.values())))
    heads = ("stream", "rows", *PLAIN, "no p-value", *TESTS, "any of four (Holm)", "most, if tested")
    lines, figures = [], list[Figure]()
    for name, n, texts, streams in cases(of, range(arguments.first, arguments.first + arguments.seeds)):
        found = alarms(texts, n, streams)
        lines.append((name, n, *found.cells()))
        figures += found.figures(name, n)
        print(*lines[-1], sep=" | ", flush=True)
    table(f"Shares of windows that alarm at {ALPHA}", heads, lines)
    report(figures)


if __name__ == "__main__":
    main()
