"""Streams of SMS and of logs for tests of drift."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans

from benchmarks.kit.labelled import LOGS, embedded_texts, log
from dataflow.drift.comparison import Sample
from dataflow.embed.base import Embedder
from dataflow.items.fixed import Fixed, to_fixed
from dataflow.settings import load

CLUSTERS = 8
REFERENCE, PAST, HISTORY = 1000, 10_000, 8

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


def sms(of: Corpus, n: int, surge: float, seed: int, *, at_once: bool = False) -> Stream:
    """Ham in random order; the last window has a share ``surge`` of spam, in one stretch with ``at_once``."""
    rng = np.random.default_rng(seed)
    ham, spam = (rng.permutation(np.flatnonzero(of.labels == label)) for label in (False, True))
    reference, rest = ham[:REFERENCE], ham[REFERENCE:]
    windows = [rest[i * n : (i + 1) * n] for i in range(HISTORY + 2)]
    count = round(surge * n)
    if at_once:
        first = int(rng.integers(n - count + 1))
        windows[-1] = np.concatenate([windows[-1][:first], spam[:count], windows[-1][first : n - count]])
    else:
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


def lines_of(of: Corpus, n: int, windows: int, block: int, rng: np.random.Generator) -> Rows:
    """``(windows, n)``: blocks of ``block`` neighbouring lines in random order."""
    starts = rng.integers(len(of.vectors) // block, size=windows * n // block + 2) * block
    rows: Rows = (starts[:, None] + np.arange(block)).ravel()[rng.integers(block) :][: windows * n]
    return rows.reshape(windows, n)


def with_stretch(of: Corpus, window: Rows, share: float, rng: np.random.Generator) -> Rows:
    """``window``, ``(n,)``, a ``share`` of which gives way to a stretch of lines of one kind."""
    count, alike = round(share * len(window)), one_kind(of, rng)
    first, start = rng.integers(len(window) - count + 1), rng.integers(len(alike))
    found = window.copy()
    found[first : first + count] = alike[(start + np.arange(count)) % len(alike)]
    return found


def grown(of: Corpus, rows: int, n: int, seed: int, surge: float = 0.0) -> Stream:
    """As :func:`blocks_of` with blocks of 25 lines, but only the last window has ``n`` rows, the others have
    ``rows``. A surge comes in one stretch.
    """
    stream = blocks_of(of, n, 25, seed, surge, at_once=True)
    return stream._replace(windows=[*(each[:rows] for each in stream.windows[:-1]), stream.windows[-1]])


def one_kind(of: Corpus, rng: np.random.Generator) -> Rows:
    """The lines of a cluster with a quarter of all lines at most, in their order."""
    counts = np.bincount(of.clusters, minlength=CLUSTERS)
    kinds = np.flatnonzero((counts > 0) & (counts <= len(of.clusters) / 4))
    return np.flatnonzero(of.clusters == rng.choice(kinds))
