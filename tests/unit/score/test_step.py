"""The score step: scores, summaries and dead letters of windows, and what is measured."""

from datetime import datetime, timezone

import bytewax.operators as op
import numpy as np
import pyarrow as pa
import pytest
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream
from bytewax.testing import TestingSink, TestingSource, run_main
from prometheus_client import REGISTRY

from dataflow.items.early import Arrived
from dataflow.items.marks import Marked
from dataflow.items.rows import Rows
from dataflow.items.schemas import EVIDENCE, SCORED, WINDOW_SUMMARY, dead_letters
from dataflow.items.windows import KeyWindow, WholeWindows, WindowRef
from dataflow.score.emission import OneModel
from dataflow.score.scorers import open_scorer
from dataflow.score.step import score
from dataflow.settings import Score, Settings, Sink, Window
from dataflow.telemetry.watch import UNWATCHED
from tests.support.batches import embedded_batch, events

DIM, SECOND = 4, 1_000_000
#: Without a reference, the step takes windows in any order.
SETTINGS = Settings(score=Score(kind="mean", reference=False))
Keyed = list[tuple[str, Marked]]


def unify(rows: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Refuses the rows before 10 s."""
    early = np.array([ts.value < 10 * SECOND for ts in rows.column("ts")])
    refused = rows.filter(pa.array(early))
    letters = [("embedding", "", "p", offset, b"") for offset in refused.column("offset").to_pylist()]
    return rows.filter(pa.array(~early)), dead_letters(letters)


def scored(windows: list[WholeWindows], settings: Settings = SETTINGS) -> tuple[Keyed, Keyed, Keyed]:
    out: tuple[Keyed, Keyed, Keyed] = ([], [], [])
    flow = Dataflow("score")
    up = op.input("in", flow, TestingSource([("g", window) for window in windows]))
    scorer, model = open_scorer(settings.score), OneModel(DIM, unify)
    now = datetime.fromtimestamp(100, timezone.utc)
    none: KeyedStream[Arrived] = op.flat_map_value("none", up, lambda _: [])
    step = score("score", up, none, scorer, settings, model, lambda: now, UNWATCHED)
    for name, stream, items in zip("abc", (step.scores, step.windows, step.dead_letters), out, strict=True):
        op.output(name, stream, TestingSink(items))
    run_main(flow)
    return out


def window(*seconds: int, keys: str = "", arrival_us: int | None = None) -> WholeWindows:
    """A window of each key, with a row for each second. The window of ``j`` is a revision."""
    of_rows = keys or "k" * len(seconds)
    rows = events(["a text"] * len(seconds), keys=list(of_rows), times_us=[ts * SECOND for ts in seconds])
    vectors = np.arange(len(seconds) * DIM, dtype=np.float32).reshape(-1, DIM)
    windows = {key: KeyWindow(WindowRef(0, 30 * SECOND, int(key == "j"))) for key in of_rows}
    return WholeWindows(windows, [Rows(embedded_batch(rows, vectors))], arrival_us)


def measured(*names: str) -> list[float]:
    return [REGISTRY.get_sample_value(f"driftline_{name}") or 0 for name in names]


def test_each_row_is_scored_or_a_dead_letter() -> None:
    scores, summaries, letters = scored([window(1, 10, 20), window(1, 2), window(11)])
    assert [len(batch) for _, batch in scores] == [2, 1]
    assert [batch.rows.column("rows").to_pylist() for _, batch in summaries] == [[2], [1]]
    assert [batch.rows.column("rows_seen").to_pylist() for _, batch in summaries] == [[3], [1]]
    assert [(key, len(batch)) for key, batch in letters] == [("dead_letters", 1), ("dead_letters", 2)]
    assert {key for key, _ in (*scores, *summaries)} == {"g"}
    assert scores[0][1].rows.schema == SCORED
    assert summaries[0][1].rows.schema == WINDOW_SUMMARY


def test_the_windows_of_an_item_are_one_batch() -> None:
    scores, summaries, letters = scored([window(11, 12, 1, 13, 2, keys="kjjki")])
    ((_, rows),), ((_, summary),), ((_, refused),) = scores, summaries, letters
    assert rows.rows.column("key").to_pylist() == ["j", "k", "k"]
    assert summary.rows.column("key").to_pylist() == ["j", "k"]
    assert summary.rows.column("rows_seen").to_pylist() == [2, 2]
    assert len(refused) == 2


def test_the_settings_add_columns() -> None:
    more = {"window": Window(max_window_rows=100), "sink": Sink(embeddings=True)}
    ((_, batch),), *_ = scored([window(10, 20)], SETTINGS.model_copy(update=more))
    assert batch.rows.schema.names == [*SCORED.names, "sample_share", "embedding"]
    evidence = [field.name for field in EVIDENCE]
    for explain, explanation in ((3.0, ["explanation"]), (None, [])):
        options = Score(kind="mean", explain=explain)
        ((_, batch),), *_ = scored([window(10, 20)], SETTINGS.model_copy(update={**more, "score": options}))
        names = [*SCORED.names, "sample_share", *evidence, *explanation, "embedding"]
        assert batch.rows.schema.names == names
    assert batch.rows.schema.field("embedding").type.list_size == DIM


def test_windows_are_counted_by_key_and_by_revision() -> None:
    names = ("windows_closed_total", "window_revisions_total", "scored_rows_total", "score_count")
    before = measured(*names)
    scored([window(11, 12, 13, 14, keys="kjiz"), window(11, 12, keys="kj"), window(1)])
    assert [new - old for new, old in zip(measured(*names), before, strict=True)] == [4, 2, 6, 6]


@pytest.mark.parametrize("arrival_us", [95 * SECOND, None])
def test_latencies_are_of_event_time_and_of_arrival(arrival_us: int | None) -> None:
    kinds = ("event_latency_seconds", "arrival_latency_seconds")
    names = [f"{kind}_{what}" for kind in kinds for what in ("count", "sum")]
    before = measured(*names)
    scored([window(10, 20, arrival_us=arrival_us)])
    arrival = [1, 5] if arrival_us else [0, 0]
    found = [new - old for new, old in zip(measured(*names), before, strict=True)]
    assert found == pytest.approx([2, 90 + 80, *arrival])  # what earlier tests counted makes the sums round
