"""``python -m benchmarks.clusters``: what does a start from the clusters of the window before save?"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa

from benchmarks.kit.figures import middle, report
from benchmarks.kit.measure import medians, race, table
from benchmarks.kit.topics import Topics
from dataflow.items.arrays import Vectors
from dataflow.score.clusters import ClusterTracker
from dataflow.score.scorers import Scores
from dataflow.score.scorers.kmeans import KMeansScorer
from dataflow.score.scorers.quiet import Quiet
from dataflow.settings import Score

DIM = 768
#: Fewer topics than the most clusters, and more.
TOPICS = (12, 40)
COLD, WARM = "cold: the scorer `kmeans`", "warm: scores, stable numbers and changes"
PLAIN = "a plain warm KMeans of scikit-learn, the fit alone"
HEADS = (
    "topics",
    "clusters",
    "cold s",
    "warm s",
    "cold/warm time",
    "warm/cold inertia",
    "cold/plain time",
    "plain/cold inertia",
)


def window(vectors: Vectors) -> pa.RecordBatch:
    columns = {
        "text": [f"event {row}" for row in range(len(vectors))],
        "model": pa.repeat("m", len(vectors)),
        "model_version": pa.repeat("1", len(vectors)),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM),
    }
    return pa.record_batch(columns)


def plain_fit(quiet: Quiet, vectors: Vectors, centroids: Vectors) -> float:
    from sklearn.cluster import KMeans  # noqa: PLC0415  takes 2 s to import

    with quiet():
        return float(KMeans(len(centroids), init=centroids, n_init=1).fit(vectors).inertia_)


def inertia(scores: Scores) -> float:
    """The sum of the squared distances to the centroids: the scores are these distances."""
    return float(np.sum(scores.values**2))


def measure(topics: Topics, rows: int, clusters: int, runs: int) -> tuple[object, ...]:
    """One line of the table. The time is that of the CPU: each candidate uses one thread."""
    options = Score(clusters=clusters)
    tracker, cold, quiet = ClusterTracker(options), KMeansScorer(options), Quiet()
    old, new = topics.two_windows(rows)
    before = tracker.track(window(old), None).clusters
    batch = window(new)
    found: dict[str, float] = {}

    def run(name: str, score: Callable[[], float]) -> None:
        found[name] = score()

    scores: dict[str, Callable[[], float]] = {
        COLD: lambda: inertia(cold.score(batch)),
        WARM: lambda: inertia(tracker.track(batch, before).scores),
        PLAIN: lambda: plain_fit(quiet, new, before.centroids),
    }
    runners = {name: partial(run, name, score) for name, score in scores.items()}
    took = medians(race(runs, runners, warm_up=True))
    return (
        topics.count,
        clusters,
        f"{took[COLD].cpu:.2f}",
        f"{took[WARM].cpu:.2f}",
        f"{took[COLD].cpu / took[WARM].cpu:.1f}",
        f"{found[WARM] / found[COLD]:.4f}",
        f"{took[COLD].cpu / took[PLAIN].cpu:.1f}",
        f"{found[PLAIN] / found[COLD]:.4f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clusters")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000], help="default: both sizes")
    parser.add_argument("--clusters", type=int, nargs="+", default=[8, 16, 32], help="default: %(default)s")
    parser.add_argument("--topics", type=int, nargs="+", default=list(TOPICS), help="default: %(default)s")
    parser.add_argument("--runs", type=int, default=3, help="runs of each; default: %(default)s")
    arguments = parser.parse_args()
    figures = []
    for rows in arguments.rows:
        lines = [
            measure(Topics(topics, DIM), rows, clusters, arguments.runs)
            for topics in arguments.topics
            for clusters in arguments.clusters
        ]
        title = f"{rows:,} rows of {DIM} floats, half of them new; {COLD}; {WARM}; plain: {PLAIN}"
        table(title, HEADS, lines)
        ratios = [float(str(line[4])) for line in lines]
        print(f"\nThe median of the ratios of times is {statistics.median(ratios):.1f}.")
        kept = [float(str(line[5])) for line in lines]
        figures += [
            middle(f"a cold start / a warm start, time, {rows:,} rows", ratios),
            middle(f"inertia of a warm start / of a cold start, {rows:,} rows", kept, at_most=True),
        ]
    report(figures)


if __name__ == "__main__":
    main()
