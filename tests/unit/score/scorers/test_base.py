"""Scoring segments with a scorer that knows single windows only."""

import numpy as np
import pyarrow as pa
import pytest

from dataflow.score.scorers import Scores, score_segments
from tests.support.batches import embedded, unit_vectors


class Counting:
    """Scores a window with the number of its rows."""

    def __init__(self) -> None:
        self.windows: list[pa.RecordBatch] = []

    def score(self, rows: pa.RecordBatch) -> Scores:
        self.windows.append(rows)
        return Scores.of(np.full(len(rows), len(rows)), np.arange(len(rows)))


def test_it_gets_one_segment_after_the_other() -> None:
    rows, scorer = embedded(unit_vectors(6)), Counting()
    scores = score_segments(scorer, rows, np.array([0, 1, 4, 6]))
    assert [window.column("id").to_pylist() for window in scorer.windows] == [
        ["p:0"],
        ["p:1", "p:2", "p:3"],
        ["p:4", "p:5"],
    ]
    assert scores.values.tolist() == [1, 3, 3, 3, 2, 2]
    assert scores.cluster.tolist() == [0, 0, 1, 2, 0, 1]


@pytest.mark.parametrize("n", [1, 5])
def test_one_segment_is_the_batch_itself(n: int) -> None:
    rows, scorer = embedded(unit_vectors(n)), Counting()
    score_segments(scorer, rows, np.array([0, n]))
    assert scorer.windows[0] is rows
