"""A scored window: a row for each event, and a summary."""

import numpy as np
import pytest

from dataflow.items.rows import Rows
from dataflow.items.schemas import SAMPLE_SHARE, SCORED
from dataflow.items.windows import WholeWindow, WindowRef
from dataflow.score.scorers import open_scorer
from dataflow.score.window import score_window
from dataflow.settings import Score
from tests.support.batches import embedded, unit_vectors


def test_a_scored_row_has_the_columns_of_its_event_and_its_window() -> None:
    scorer = open_scorer(Score(kind="kmeans"))
    window = WholeWindow(WindowRef(0, 600_000_000, 2), [Rows(embedded(unit_vectors(12)))], seen=24)
    gathered = window.gather()
    embedding = gathered.schema.field("embedding")
    plain = score_window(scorer, "tenant", window, gathered)
    full = score_window(scorer, "tenant", window, gathered, [SAMPLE_SHARE, embedding])
    assert plain.rows.schema == SCORED
    assert full.rows.schema.names == [*SCORED.names, "sample_share", "embedding"]
    row = full.rows.to_pylist()[3]
    assert (row["key"], row["id"], row["text"], row["revision"]) == ("tenant", "p:3", "text 3", 2)
    assert (row["window_end"] - row["window_start"]).total_seconds() == 600
    assert row["sample_share"] == 0.5
    (summary,) = plain.summary.to_pylist()
    values = plain.rows.column("score").to_pylist()
    assert (summary["rows"], summary["rows_seen"], summary["score_max"]) == (12, 24, max(values))
    assert summary["score_p50"] == pytest.approx(np.median(values))
