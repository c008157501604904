"""``python -m benchmarks.drift_bursts``: bursts that are normal, and windows after a surge.

Streams are blocks of 25 lines of a log in random order. In a share of the windows, a stretch of a quarter of
the window has lines of one kind. If that happens again and again, it is no drift: how many windows alarm? If
it happens once, how many windows after it have no p-value?
"""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.drift import ALPHA, TESTS
from benchmarks.kit.corpus import SHARED, is_here
from benchmarks.kit.drift_streams import REFERENCE, Corpus, Rows, corpus, lines_of, with_stretch
from benchmarks.kit.figures import Figure, report
from benchmarks.kit.measure import table
from dataflow.drift.blocks import cut
from dataflow.drift.comparison import beside_reference, beside_window
from dataflow.drift.correction import corrected
from dataflow.drift.dependence import Learnt, dependence, learn, taught
from dataflow.embed import open_embedder
from dataflow.settings import Embed

#: Windows of a stream, and those that only say how long blocks are.
WINDOWS, HISTORY = 250, 60
#: Windows of the past that the reference is a sample of, and the part of a window that a burst takes.
PAST, BURST = 20, 0.25
#: So many windows after a surge are looked at.
AFTER = (1, 5, 10, 20, 40)


class Streams(NamedTuple):
    """``windows``: how many there were. ``tested``: ``(t, 4)``, the p-values of those that have some."""

    windows: int
    tested: npt.NDArray[np.float64]


def p_values(of: Corpus, reference: Rows, windows: list[Rows], seed: int) -> Iterator[list[float] | None]:
    """Of each window from the second on; ``None``: the window has none."""
    learnt: Learnt = {}
    before = cut(*of.sample(windows[0]))
    for number, rows in enumerate(windows[1:]):
        learnt, now = learn(learnt, taught(before)), cut(*of.sample(rows))
        blocks, drawn = dependence(learnt, now.length), seed * len(windows) + number
        found = (
            beside_window(before, now, blocks, seed=drawn, most=199),
            beside_reference(of.sample(reference), now, blocks, seed=drawn, most=199),
        )
        yield [p for c in found if c for p in (c.p_centroid, c.p_clusters)] if all(found) else None
        before = now


def bursts(of: Corpus, n: int, share: float, seeds: range) -> Streams:
    """Streams with a burst in a ``share`` of the windows."""
    windows, tested = 0, []
    for seed in seeds:
        rng = np.random.default_rng([seed, n, round(1000 * share)])
        lines = lines_of(of, n, PAST + WINDOWS, 25, rng)
        for at in np.flatnonzero(rng.random(len(lines)) < share):
            lines[at] = with_stretch(of, lines[at], BURST, rng)
        reference = np.sort(rng.permutation(PAST * n)[:REFERENCE])
        found = list(p_values(of, lines[:PAST].ravel()[reference], list(lines[PAST:]), seed))[HISTORY:]
        windows += len(found)
        tested += [each for each in found if each]
    return Streams(windows, np.array(tested).reshape(-1, len(TESTS)))


def surge(of: Corpus, n: int, seeds: range) -> tuple[float, list[float]]:
    """One surge after ``HISTORY`` windows: the share of surges that the tests find (Holm), and the share of
    the windows ``AFTER`` it that have p-values.
    """
    found, known = [], []
    for seed in seeds:
        rng = np.random.default_rng([seed, n, 7])
        lines = lines_of(of, n, PAST + HISTORY + 1 + max(AFTER), 25, rng)
        lines[PAST + HISTORY] = with_stretch(of, lines[PAST + HISTORY], BURST, rng)
        reference = np.sort(rng.permutation(PAST * n)[:REFERENCE])
        all_p = list(p_values(of, lines[:PAST].ravel()[reference], list(lines[PAST:]), seed))
        at = all_p[HISTORY - 1]
        found.append(at is not None and min(corrected(at)) <= ALPHA)
        known.append([all_p[HISTORY - 1 + after] is not None for after in AFTER])
    return float(np.mean(found)), np.mean(known, axis=0).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift_bursts")
    parser.add_argument("--seeds", type=int, default=6, help="streams of each kind; default: %(default)s")
    parser.add_argument("--surges", type=int, default=40, help="surges of each kind; default: %(default)s")
    arguments = parser.parse_args()
    if not is_here(SHARED):
        return
    embedder = open_embedder(Embed(kind="onnx", cache_rows=100_000))
    lines, after, figures = [], [], list[Figure]()
    for name in ("openssh", "bgl"):
        of = corpus(name, embedder)
        for n in (500, 2000):
            for share in (0.0, 0.02, 0.05, 0.1):
                some = bursts(of, n, share, range(arguments.seeds))
                alarms = (some.tested <= ALPHA).sum(axis=0) / some.windows
                any_of_four = sum(min(corrected(p)) <= ALPHA for p in some.tested.tolist()) / some.windows
                known = len(some.tested) / some.windows
                shares = (f"{each:.3f}" for each in (known, *alarms, any_of_four))
                lines.append((name, n, f"{share:.0%}", some.windows, *shares))
                print(*lines[-1], sep=" | ", flush=True)
                what = f"windows that alarm (Holm), bursts in {share:.0%}, {name}, {n:,} rows"
                figures.append(Figure(what, any_of_four, any_of_four, any_of_four, goal=0.075, at_most=True))
            found, have = surge(of, n, range(arguments.surges))
            after.append((name, n, f"{found:.2f}", *(f"{each:.2f}" for each in have)))
            what = f"surges in one stretch that are found, {name}, {n:,} rows"
            figures.append(Figure(what, found, found, found))
    heads = ("stream", "rows", "with a burst", "windows", "with p-values", *TESTS, "any of four (Holm)")
    table(f"Shares of all windows that alarm at {ALPHA}", heads, lines)
    later = ("stream", "rows", "found", *(f"{each} later" for each in AFTER))
    table("One surge, and windows after it that have p-values", later, after)
    report(figures)


if __name__ == "__main__":
    main()
