"""Scored windows: a row for each event, and a summary of each window."""

import numpy as np
import pyarrow as pa
import pytest

from dataflow.items.rows import Rows
from dataflow.items.schemas import SAMPLE_SHARE, SCORED, TIMESTAMP, WINDOW_SUMMARY
from dataflow.items.windows import KeyWindow, WholeWindows, WindowRef
from dataflow.score.scorers import open_scorer
from dataflow.score.window import quantiles, score_windows, with_seen
from dataflow.settings import Score
from tests.support.batches import embedded_batch, events, unit_vectors

MINUTE = 60_000_000
MEAN = open_scorer(Score(kind="mean"))


def keyed(keys: str) -> pa.RecordBatch:
    """An embedded event for each letter of ``keys``, which is its key."""
    rows = events([f"text {i}" for i in range(len(keys))], keys=list(keys))
    return embedded_batch(rows, unit_vectors(len(keys)))


def test_a_scored_row_has_the_columns_of_its_event_and_its_window() -> None:
    scorer = open_scorer(Score(kind="kmeans"))
    windows = WholeWindows(KeyWindow(WindowRef(0, 10 * MINUTE, 2), seen=24), [Rows(keyed("k" * 12))])
    gathered = windows.gather()
    embedding = gathered.schema.field("embedding")
    plain = score_windows(scorer, windows, gathered)
    full = score_windows(scorer, windows, gathered, [SAMPLE_SHARE, embedding])
    assert plain.rows.schema == SCORED
    assert full.rows.schema.names == [*SCORED.names, "sample_share", "embedding"]
    row = full.rows.to_pylist()[3]
    assert (row["key"], row["id"], row["text"], row["revision"]) == ("k", "p:3", "text 3", 2)
    assert (row["window_end"] - row["window_start"]).total_seconds() == 600
    assert row["sample_share"] == 0.5
    (summary,) = plain.summary.to_pylist()
    values = plain.rows.column("score").to_pylist()
    assert (summary["rows"], summary["rows_seen"], summary["score_max"]) == (12, 24, max(values))
    assert summary["score_p50"] == pytest.approx(np.median(values))


def test_each_key_has_its_own_window_and_is_scored_alone() -> None:
    a, b, c = (
        KeyWindow(WindowRef(0, MINUTE, 0)),
        KeyWindow(WindowRef(MINUTE, 3 * MINUTE, 1), seen=10),
        KeyWindow(WindowRef(2 * MINUTE, 3 * MINUTE, 0)),
    )
    rows = keyed("cabcaacc")
    windows = WholeWindows({"b": b, "c": c, "a": a}, [Rows(rows)])
    result = score_windows(MEAN, windows, windows.gather(), [SAMPLE_SHARE])
    assert result.summary.schema == WINDOW_SUMMARY
    assert result.rows.column("key").to_pylist() == list("aaabcccc")
    starts = result.rows.column("window_start").view(pa.int64()).to_pylist()
    assert starts == [0, 0, 0, MINUTE, *[2 * MINUTE] * 4]
    assert result.rows.column("revision").to_pylist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert result.rows.column("sample_share").to_pylist() == [1, 1, 1, 0.1, 1, 1, 1, 1]
    for key, (first, n) in {"a": (0, 3), "b": (3, 1), "c": (4, 4)}.items():
        of_key = rows.filter(pa.array([each == key for each in rows.column("key").to_pylist()]))
        alone = score_windows(MEAN, WholeWindows(windows.window(key), [Rows(of_key)]), of_key, [SAMPLE_SHARE])
        assert result.rows.slice(first, n).equals(alone.rows)
        assert result.summary.slice("abc".index(key), 1).equals(alone.summary)


def test_one_window_may_be_that_of_all_keys() -> None:
    windows = WholeWindows(KeyWindow(WindowRef(0, MINUTE, 0)), [Rows(keyed("bab"))])
    summary = score_windows(MEAN, windows, windows.gather()).summary
    assert summary.select(["key", "rows", "rows_seen"]).to_pylist() == [
        {"key": "a", "rows": 1, "rows_seen": 1},
        {"key": "b", "rows": 2, "rows_seen": 2},
    ]
    assert set(summary.column("window_end").view(pa.int64()).to_pylist()) == {MINUTE}


def test_rows_that_are_taken_out_are_seen() -> None:
    seven = KeyWindow(WindowRef(0, MINUTE, 0), seen=7)
    windows = WholeWindows({"a": KeyWindow(WindowRef(0, MINUTE, 0)), "b": seven}, [Rows(keyed("aaabb"))])
    gathered = windows.gather()
    result = score_windows(MEAN, with_seen(windows, gathered), gathered.slice(1), [SAMPLE_SHARE])
    assert result.rows.column("sample_share").to_pylist() == [2 / 3] * 2 + [2 / 7] * 2
    assert result.summary.column("rows_seen").to_pylist() == [3, 7]


def test_large_text_columns_are_scored_too() -> None:
    windows = WholeWindows(KeyWindow(WindowRef(0, MINUTE, 0)), [Rows(keyed("ab"))])
    rows = windows.gather()
    large = rows.set_column(1, "key", rows.column("key").cast(pa.large_string()))
    result = score_windows(MEAN, windows, large)
    assert result.rows.schema.field("key").type == pa.large_string()
    assert result.summary.schema == WINDOW_SUMMARY


def test_times_before_the_year_1_are_kept() -> None:
    start = -(1 << 56)
    windows = WholeWindows(KeyWindow(WindowRef(start, 0, 0)), [Rows(keyed("a"))])
    rows = score_windows(MEAN, windows, windows.gather()).rows
    assert rows.column("window_start").type == TIMESTAMP
    assert rows.column("window_start").view(pa.int64()).to_pylist() == [start]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.99, 1.0])
def test_a_quantile_of_one_value_is_the_value(share: float) -> None:
    assert quantiles(np.array([2.0, 3.0]), np.array([0, 1, 2]), share).tolist() == [2, 3]
