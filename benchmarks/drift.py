"""``python -m benchmarks.drift``: how often do the tests of drift alarm falsely, and what do they find?

Streams of SMS are in random order. Streams of logs are blocks of 25 or 100 lines in random order, with
replacement: neighbouring lines depend on each other, and there is no drift, unless a part of the last window
gives way to lines of one kind. Each test has a stream of its own: a past of which 1,000 rows are the
reference, 8 windows that say how long blocks are, the window before, and the window.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans

from benchmarks.kit.corpus import SHARED
from benchmarks.kit.labelled import LOGS, embedded_texts, log
from benchmarks.kit.measure import median, race, table
from dataflow.drift.blocks import Blocks, cut, with_clusters
from dataflow.drift.comparison import Comparison, Sample, beside_reference, beside_window
from dataflow.drift.correction import corrected
from dataflow.drift.dependence import Dependence, Learnt, dependence, learn
from dataflow.drift.permutation import permuted
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.items.fixed import Fixed, to_fixed
from dataflow.settings import Embed, load

ALPHA = 0.05
STREAMS = ("sms", "openssh", "bgl")
CLUSTERS = 8
REFERENCE, PAST, HISTORY = 1000, 10_000, 8
#: The columns. Permutations of single rows take long, so ``PLAIN`` has a quarter of the streams.
PLAIN = ("plain, before", "plain, reference")
TESTS = ("centroid, before", "clusters, before", "centroid, reference", "clusters, reference")

Rows = npt.NDArray[np.int64]


class Corpus(NamedTuple):
    """The vectors of all texts, the cluster and the label of each."""

    vectors: Fixed
    clusters: Rows
    labels: npt.NDArray[np.bool_]

    def sample(self, rows: Rows) -> Sample:
        """Some rows."""
        return Sample(self.vectors[rows], self.clusters[rows])


class Stream(NamedTuple):
    """Rows of a corpus: the reference, and windows in the order of time; the last is tested."""

    reference: Rows
    windows: list[Rows]


def corpus(name: str, embedder: Embedder) -> Corpus:
    """The clusters are those of 1,000 rows without a label."""
    events = log(name)
    texts = embedded_texts(events, load({} if name == "sms" else LOGS))
    vectors = embedder.embed(texts).vectors
    labels = np.array([bool(event.label) for event in events])
    some = np.random.default_rng(0).permutation(np.flatnonzero(~labels))[:1000]
    fit = KMeans(CLUSTERS, n_init=1, random_state=0).fit(vectors[some])
    return Corpus(to_fixed(vectors), fit.predict(vectors).astype(np.int64), labels)


def sms(of: Corpus, n: int, surge: float, seed: int) -> Stream:
    """Ham in random order; the last window has a share ``surge`` of spam."""
    rng = np.random.default_rng(seed)
    ham, spam = (rng.permutation(np.flatnonzero(of.labels == label)) for label in (False, True))
    reference, rest = ham[:REFERENCE], ham[REFERENCE:]
    windows = [rest[i * n : (i + 1) * n] for i in range(HISTORY + 2)]
    count = round(surge * n)
    windows[-1] = rng.permutation(np.concatenate([windows[-1][count:], spam[:count]]))
    return Stream(reference, windows)


def blocks_of(
    of: Corpus, n: int, block: int, seed: int, surge: float = 0.0, *, at_once: bool = False
) -> Stream:
    """Blocks of ``block`` neighbouring lines in random order. In the last window, a share ``surge`` of the
    lines gives way to lines of one kind: in blocks of ``block`` rows, or in one stretch (``at_once``).
    """
    rng = np.random.default_rng([seed, block])
    length = PAST + (HISTORY + 2) * n
    starts = rng.integers(len(of.vectors) // block, size=length // block + 2) * block
    rows = (starts[:, None] + np.arange(block)).ravel()[rng.integers(block) :][:length]
    reference = rows[np.sort(rng.permutation(PAST)[:REFERENCE])]
    windows = list(rows[PAST:].reshape(-1, n))
    if surge:
        count, alike = round(surge * n), one_kind(of, rng)
        run = count if at_once else block
        firsts = rng.permutation(n // run)[: round(count / run)] * run
        for first, start in zip(firsts.tolist(), rng.integers(len(alike), size=len(firsts)), strict=True):
            windows[-1][first : first + run] = alike[(start + np.arange(run)) % len(alike)]
    return Stream(reference, windows)


def one_kind(of: Corpus, rng: np.random.Generator) -> Rows:
    """The lines of a cluster with a quarter of all lines at most, in their order."""
    counts = np.bincount(of.clusters, minlength=CLUSTERS)
    kinds = np.flatnonzero((counts > 0) & (counts <= len(of.clusters) / 4))
    return np.flatnonzero(of.clusters == rng.choice(kinds))


def compared(of: Corpus, stream: Stream, seed: int) -> list[Comparison | None]:
    """The last window beside the window before, and beside the reference."""
    windows = [cut(*of.sample(rows)) for rows in stream.windows]
    learnt: Learnt = {}
    for window in windows:
        learnt = learn(learnt, window)
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


def alarms(of: Corpus, n: int, streams: Sequence[Stream]) -> list[str]:
    """The cells of a case: shares of all streams, and the highest share of the streams that have p-values."""
    single = [plain(of, stream, seed) for seed, stream in enumerate(streams[::4])] if n == 200 else []
    found = [compared(of, stream, seed) for seed, stream in enumerate(streams)]
    tested = [[p for c in each if c for p in (c.p_centroid, c.p_clusters)] for each in found if all(each)]
    alarm = np.array(tested).reshape(-1, len(TESTS)) <= ALPHA
    any_of_four = sum(min(corrected(values)) <= ALPHA for values in tested)
    counts = [len(streams) - len(tested), *alarm.sum(axis=0), any_of_four]
    cells = [f"{share:.3f}" for share in (np.array(single) <= ALPHA).mean(axis=0)] if single else ["-", "-"]
    cells += [f"{count / len(streams):.3f}" for count in counts]
    return [*cells, f"{alarm.mean(axis=0).max():.3f}" if len(tested) >= len(streams) / 10 else "-"]


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
            "learn": partial(learn, {}, now),
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
    if not SHARED.exists():
        print(f"{SHARED} does not exist; there is nothing to measure")
        return
    embedder = open_embedder(Embed(kind="onnx", cache_rows=100_000))
    of = {name: corpus(name, embedder) for name in arguments.streams}
    if not arguments.no_costs:
        costs(next(iter(of.values())))
    heads = ("stream", "rows", *PLAIN, "no p-value", *TESTS, "any of four (Holm)", "most, if tested")
    lines = []
    for name, n, texts, streams in cases(of, range(arguments.first, arguments.first + arguments.seeds)):
        lines.append((name, n, *alarms(texts, n, streams)))
        print(*lines[-1], sep=" | ", flush=True)
    table(f"Shares of windows that alarm at {ALPHA}", heads, lines)


if __name__ == "__main__":
    main()
