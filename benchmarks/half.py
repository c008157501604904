"""``python -m benchmarks.half``: do the ranks of scores hold with ``embed.store=fp16``?

The real flow reads SMS and a BlueGene log twice, with the model of ``model_repo/`` in this process: with
embeddings of fp32, and with the same embeddings rounded to fp16. Each window ranks its events by a column. A
rank correlation of 1 means that both runs rank them alike. The top 20 of a window are its 20 highest events.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, spearmanr

from benchmarks.kit.corpus import SHARED, is_here
from benchmarks.kit.figures import Figure, middle, report
from benchmarks.kit.labelled import Case, Event
from benchmarks.kit.measure import table
from benchmarks.quality import scored
from dataflow.embed import open_embedder
from dataflow.embed.half import HalfEmbedder
from dataflow.settings import Embed

FILES = ("sms.jsonl", "bgl.jsonl")
COLUMNS = ("score", "novelty", "surge", "anomaly")
TOP = 20
#: Each window has 300 events.
START, PACE = datetime(2026, 1, 1, tzinfo=timezone.utc), timedelta(seconds=2)
HEADS = (
    "stream",
    "column",
    "windows",
    "Spearman, median",
    "least",
    "Kendall, median",
    "least",
    f"top {TOP} shared, mean",
    "largest difference",
)
HALF = {"DRIFTLINE_EMBED__STORE": "fp16"}
Numbers = npt.NDArray[np.float64]


class Agreement(NamedTuple):
    """How two runs rank the events of a window. All are at most 1."""

    spearman: float
    kendall: float
    top: float


def agreement(one: Numbers, other: Numbers) -> Agreement:
    """``one``, ``other``: ``(n,)`` the values of the same events, in the same order.

    >>> agreement(np.arange(40.0), np.arange(40.0) * 2)
    Agreement(spearman=1.0, kendall=1.0, top=1.0)
    """
    highest = [set(np.argsort(-values, kind="stable")[:TOP].tolist()) for values in (one, other)]
    shared = len(highest[0] & highest[1]) / len(highest[0])
    return Agreement(
        round(float(spearmanr(one, other).statistic), 12), float(kendalltau(one, other).statistic), shared
    )


def windows(rows: Sequence[Mapping[str, Any]], column: str) -> dict[str, dict[str, float]]:
    """Start of a window -> id -> value, for the rows that have a value."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row[column] is not None:
            found[row["window_start"]][row["id"]] = row[column]
    return found


def compared(
    full: Sequence[Mapping[str, Any]], half: Sequence[Mapping[str, Any]], column: str
) -> Iterator[tuple[Agreement, float]]:
    """For each window with more than ``TOP`` different values: the agreement, and the largest difference."""
    others = windows(half, column)
    for start, values in windows(full, column).items():
        pairs = [(value, others[start][each]) for each, value in values.items() if each in others[start]]
        one, other = np.array(pairs).T
        if len(np.unique(one)) > TOP:
            yield agreement(one, other), float(np.abs(one - other).max())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.half")
    parser.add_argument("--events", type=int, default=10_000, help="most events of a file")
    most = parser.parse_args().events
    embedder = open_embedder(Embed(kind="onnx"))
    found, figures = [], []
    for path in (SHARED / name for name in FILES):
        if not is_here(path, what=path.stem):
            continue
        lines = path.read_text("utf-8").splitlines()[:most]
        events = [
            Event(json.loads(line) | {"ts": (START + number * PACE).isoformat()}, None)
            for number, line in enumerate(lines)
        ]
        full = scored(Case(path.stem, events, {}), embedder)
        half = scored(Case(path.stem, events, HALF), HalfEmbedder(embedder))
        for column in COLUMNS:
            pairs = list(compared(full, half, column))
            found.append(row(path.stem, column, pairs))
            figures += figures_of(path.stem, column, [pair[0] for pair in pairs])
    table("Ranks with embed.store=fp16 beside those with fp32", HEADS, found)
    report(figures)


def figures_of(stream: str, column: str, pairs: Sequence[Agreement]) -> list[Figure]:
    """The agreement of the windows of a stream; none without windows."""
    if not pairs:
        return []
    of = f"of `{column}` with embed.store=fp16 and fp32, {stream}"
    shared = sum(pair.top for pair in pairs) / len(pairs)
    return [
        middle(f"Spearman {of}", [pair.spearman for pair in pairs]),
        middle(f"top {TOP} events of a window that stay, mean, {of}", [shared]),
    ]


def row(stream: str, column: str, pairs: Sequence[tuple[Agreement, float]]) -> tuple[object, ...]:
    if not pairs:
        return (stream, column, 0, *[""] * 6)
    each = [np.array(values) for values in zip(*(pair[0] for pair in pairs), strict=True)]
    ranks = [f"{of(values):.5f}" for values in each[:2] for of in (np.median, np.min)]
    difference = max(pair[1] for pair in pairs)
    return (stream, column, len(pairs), *ranks, f"{each[2].mean():.4f}", f"{difference:.2g}")


if __name__ == "__main__":
    main()
