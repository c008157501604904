"""The score step: scores, summaries and dead letters of windows, and what is measured."""

import bytewax.operators as op
import pyarrow as pa
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main
from prometheus_client import REGISTRY

from dataflow.items.marks import Marked
from dataflow.items.rows import Rows
from dataflow.items.schemas import SCORED, WINDOW_SUMMARY, dead_letters
from dataflow.items.windows import WholeWindow, WindowRef
from dataflow.score.scorers import open_scorer
from dataflow.score.step import OneModel, score
from dataflow.settings import Score, Settings, Sink, Window
from dataflow.telemetry.watch import UNWATCHED
from tests.support.windowing import DIM, Arrival, at, batch

SECOND = 1_000_000
SETTINGS = Settings(score=Score(kind="mean"))
Keyed = list[tuple[str, Marked]]


def unify(rows: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Refuses the rows before 10 s."""
    refused = rows.filter(pa.array([ts.value < 10 * SECOND for ts in rows.column("ts")]))
    letters = [("embedding", "", "p0", offset, b"") for offset in refused.column("offset").to_pylist()]
    return rows.slice(len(refused)), dead_letters(letters)


def scored(windows: list[WholeWindow], settings: Settings = SETTINGS) -> tuple[Keyed, Keyed, Keyed]:
    out: tuple[Keyed, Keyed, Keyed] = ([], [], [])
    flow = Dataflow("score")
    up = op.input("in", flow, TestingSource([("k", window) for window in windows]))
    scorer, model = open_scorer(settings.score), OneModel(DIM, unify)
    step = score("score", up, scorer, settings, model, lambda: at(100), UNWATCHED)
    for name, stream, items in zip("abc", (step.scores, step.windows, step.dead_letters), out, strict=True):
        op.output(name, stream, TestingSink(items))
    run_main(flow)
    return out


def window(*seconds: int, arrival_us: int | None = None) -> WholeWindow:
    rows = batch([Arrival(ts) for ts in seconds])
    return WholeWindow(WindowRef(0, 30 * SECOND, 0), [Rows(rows)], len(rows), arrival_us)


def test_each_row_is_scored_or_a_dead_letter() -> None:
    scores, summaries, letters = scored([window(1, 10, 20), window(1, 2), window(11)])
    assert [len(batch) for _, batch in scores] == [2, 1]
    assert [batch.rows.column("rows").to_pylist() for _, batch in summaries] == [[2], [1]]
    assert [(key, len(batch)) for key, batch in letters] == [("dead_letters", 1), ("dead_letters", 2)]
    assert {key for key, _ in (*scores, *summaries)} == {"k"}
    assert scores[0][1].rows.schema == SCORED
    assert summaries[0][1].rows.schema == WINDOW_SUMMARY


def test_the_settings_add_columns() -> None:
    more = SETTINGS.model_copy(update={"window": Window(max_window_rows=100), "sink": Sink(embeddings=True)})
    ((_, batch),), *_ = scored([window(10, 20)], more)
    assert batch.rows.schema.names == [*SCORED.names, "sample_share", "embedding"]
    assert batch.rows.schema.field("embedding").type.list_size == DIM


@pytest.mark.parametrize("arrival_us", [95 * SECOND, None])
def test_latencies_are_of_event_time_and_of_arrival(arrival_us: int | None) -> None:
    kinds = ("event_latency_seconds", "arrival_latency_seconds")
    names = [f"driftline_{kind}_{what}" for kind in kinds for what in ("count", "sum")]
    before = [REGISTRY.get_sample_value(name) or 0 for name in names]
    scored([window(10, 20, arrival_us=arrival_us)])
    after = [REGISTRY.get_sample_value(name) or 0 for name in names]
    arrival = [1, 5] if arrival_us else [0, 0]
    assert [new - old for new, old in zip(after, before, strict=True)] == [2, 90 + 80, *arrival]
