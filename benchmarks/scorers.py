"""``python -m benchmarks.scorers [SCORER ...]``: how fast are the scorers, on one core?"""

import argparse
import itertools
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from benchmarks.kit.figures import Figure, ratio, report
from benchmarks.kit.measure import medians, race, table
from dataflow.items.arrays import Int64s
from dataflow.items.embedding import embeddings
from dataflow.score.scorers import SCORERS, open_scorer, score_segments
from dataflow.settings import Score

DIM = 384
PLAIN = "scikit-learn's KMeans, one window after the other"


class Case(NamedTuple):
    """``keys`` windows of ``rows`` distinct events each."""

    keys: int
    rows: int


#: Many small windows that close together, and one window of one key.
CASES = (Case(10_000, 30), Case(1, 1000), Case(1, 10_000))


def events(case: Case) -> pa.RecordBatch:
    """Embeddings of length 1 in random directions."""
    vectors = np.random.default_rng(7).standard_normal((case.keys * case.rows, DIM), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return pa.record_batch({"embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM)})


def plain_kmeans(rows: pa.RecordBatch, offsets: Int64s) -> None:
    """What the scorer ``kmeans`` stands for: a fit of each window."""
    from sklearn.cluster import KMeans  # noqa: PLC0415  takes 2 s to import

    options, vectors = Score(), embeddings(rows)
    for start, stop in itertools.pairwise(offsets.tolist()):
        KMeans(min(options.clusters, stop - start), random_state=options.seed).fit(vectors[start:stop])


def candidates(case: Case, kinds: list[str]) -> dict[str, Callable[[], object]]:
    rows, offsets = events(case), np.arange(0, case.keys * case.rows + 1, case.rows)
    of_kinds: dict[str, Callable[[], object]] = {
        kind: partial(score_segments, open_scorer(Score(kind=kind)), rows, offsets) for kind in kinds
    }
    return of_kinds | {PLAIN: partial(plain_kmeans, rows, offsets)}


def measure(case: Case, kinds: list[str], runs: int) -> list[Figure]:
    """Prints a table of one case. The time is that of the CPU: on one core, with a machine of its own.
    Returns the figure of ``kmeans``.
    """
    racers = candidates(case, kinds)
    # Limits the libraries that the scorers have loaded.
    with ThreadpoolController().limit(limits=1):
        raced = race(runs, racers)
    took = medians(raced)
    slow = took[PLAIN].cpu
    lines = [
        (
            name,
            f"{case.keys / t.cpu:,.1f}",
            f"{case.keys * case.rows / t.cpu:,.0f}",
            f"{slow / t.cpu:.1f}",
        )
        for name, t in took.items()
    ]
    title = f"{case.keys:,} windows of {case.rows:,} rows of {DIM} floats, {Score().clusters} clusters"
    table(title, ("scorer", "windows/s", "rows/s", "to scikit-learn's KMeans"), lines)
    if "kmeans" not in kinds:
        return []
    plain, own = ([each.cpu for each in raced[name]] for name in (PLAIN, "kmeans"))
    name = f"kmeans / scikit-learn's KMeans, {case.keys:,} windows of {case.rows:,} rows"
    return [ratio(name, plain, own)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scorers")
    parser.add_argument("kinds", nargs="*", metavar="SCORER", help=f"{', '.join(SCORERS)}; default: all")
    parser.add_argument("--keys", type=int, help="how many windows of 30 rows; default: 10,000")
    parser.add_argument(
        "--rows", type=int, help="how many rows the window of one key has; default: 1,000, 10,000"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each scorer; default: %(default)s")
    arguments = parser.parse_args()
    for kind in arguments.kinds:
        if kind not in SCORERS:
            parser.error(f"unknown scorer {kind!r}; the scorers are {', '.join(SCORERS)}")
    many, *single = CASES
    cases = [many._replace(keys=arguments.keys or many.keys)]
    cases += [Case(1, arguments.rows)] if arguments.rows else single
    kinds = arguments.kinds or list(SCORERS)
    report([figure for case in cases for figure in measure(case, kinds, arguments.runs)])


if __name__ == "__main__":
    main()
