"""The step that scores with ``score.start = warm``: order, restarts, what is refused, and the reference."""

import pickle
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import bytewax.operators as op
import numpy as np
import pyarrow as pa
import pytest
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream
from bytewax.testing import TestingSink, TestingSource, run_main
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.errors import LostRowsError
from dataflow.items.early import Arrived
from dataflow.items.marks import Marked
from dataflow.items.schemas import CLUSTERS, EVIDENCE, WINDOW_SUMMARY
from dataflow.items.windows import WholeWindows
from dataflow.score.clusters import ClusterTracker, column
from dataflow.score.emission import Emissions, OneModel, Scored, Unified
from dataflow.score.logics import ClustersLogic
from dataflow.score.scorers import open_scorer
from dataflow.score.step import score
from dataflow.settings import Settings
from dataflow.telemetry.watch import UNWATCHED
from tests.support.clusters import DIM, MINUTE, emission, emissions, plain, unify, warm

SETTINGS = warm()
TRACKER = ClusterTracker(SETTINGS.score)
MODEL = OneModel(DIM, unify)
EMISSIONS = Emissions(SETTINGS, MODEL, lambda: datetime.fromtimestamp(0, timezone.utc), UNWATCHED)


def unified(windows: WholeWindows) -> Unified:
    return EMISSIONS.unify(windows)


def new_logic(state: dict[str, Any] | None = None) -> ClustersLogic:
    return ClustersLogic(TRACKER, EMISSIONS, (), state)


def outputs(found: Sequence[Scored]) -> list[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """The scored rows and the summary of each emission that has rows."""
    return [(each.scores[0].rows, each.windows[0].rows) for each in found if each.scores]


def expected(made: Sequence[WholeWindows]) -> list[tuple[list[float], list[int], list[object]]]:
    """The scores, the cluster of each row, and the column ``clusters``, from a plain loop."""
    return [
        (
            np.concatenate([each.scores.values for each in tracked]).tolist(),
            np.concatenate([each.scores.cluster for each in tracked]).tolist(),
            column([each.changes for each in tracked]).to_pylist(),
        )
        for tracked in plain(TRACKER, made, 5 * MINUTE)
        if tracked
    ]


def columns(
    found: Sequence[tuple[pa.RecordBatch, pa.RecordBatch]],
) -> list[tuple[list[float], list[int], list[object]]]:
    return [
        (
            rows.column("score").to_pylist(),
            rows.column("cluster").to_pylist(),
            summary.column("clusters").to_pylist(),
        )
        for rows, summary in found
    ]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.permutations(range(4)), st.sets(st.integers(0, 3)))
def test_neither_restarts_nor_the_order_of_arrival_change_a_row(
    seed: int, order: list[int], restarts: set[int]
) -> None:
    made, logic = emissions(seed, 16), new_logic()
    found: list[Scored] = []
    for epoch in range(4):
        items = [unified(made[4 * epoch + place]) for place in order]
        # A batch of a step can end anywhere.
        for values in (items[:3], items[3:]):
            scored, is_over = logic.on_batch(values)
            found += scored
            assert not is_over
        if epoch in restarts:
            logic = new_logic(pickle.loads(pickle.dumps(logic.snapshot())))
    assert columns(outputs(found)) == expected(made)
    # Each emission, in order, is passed on to the reference, also if the model refuses all its rows.
    assert len(found) == 16
    assert sum(bool(each.dead_letters) for each in found) == 16 - len(outputs(found))


def test_windows_go_to_another_process() -> None:
    windows = unified(emission(0, MINUTE, {"a": 0, "b": 0}))
    ((scored,), _), ((sent,), _) = (
        new_logic().on_batch([each]) for each in (windows, pickle.loads(pickle.dumps(windows)))
    )
    assert outputs([scored]) == outputs([sent])
    assert windows.windows.parts == []


def test_an_emission_that_did_not_come_stops_the_flow() -> None:
    logic = new_logic()
    assert list(logic.on_batch([unified(emission(1, MINUTE, {"a": 0}))])[0]) == []
    with pytest.raises(LostRowsError, match="emission 0 of a key group did not come"):
        logic.snapshot()


def run(made: Sequence[WholeWindows], options: Settings) -> list[list[tuple[str, Marked]]]:
    """The scores, the summaries and the dead letters of the whole step."""
    found: list[list[tuple[str, Marked]]] = [[], [], []]
    flow = Dataflow("score")
    up = op.input("in", flow, TestingSource([("g", windows) for windows in made]))
    scorer = open_scorer(options.score)
    none: KeyedStream[Arrived] = op.flat_map_value("none", up, lambda _: [])
    out = score("score", up, none, scorer, options, MODEL, EMISSIONS.clock, UNWATCHED)
    for name, stream, items in zip("abc", (out.scores, out.windows, out.dead_letters), found, strict=True):
        op.output(name, stream, TestingSink(items))
    run_main(flow)
    return found


def test_only_warm_summaries_have_clusters() -> None:
    made = emissions(3, 6)
    scores, summaries, letters = run(list(reversed(made)), SETTINGS)
    found = [(rows.rows, summary.rows) for (_, rows), (_, summary) in zip(scores, summaries, strict=True)]
    assert columns(found) == expected(made)
    assert {key for key, _ in (*scores, *summaries)} == {"g"}
    assert all(summary.schema == pa.schema([*WINDOW_SUMMARY, CLUSTERS]) for _, summary in found)
    _, summaries, cold_letters = run(made, warm(start="cold"))
    assert all(summary.rows.schema == WINDOW_SUMMARY for _, summary in summaries)
    assert len(letters) == len(cold_letters) == 6 - len(found)
    assert letters


def test_events_are_compared_with_a_reference_too() -> None:
    made = emissions(3, 12)
    reference = {"reference": True, "explain": None, "reference_rows": 100, "reference_least": 10}
    (with_reference, *_), (alone, *_) = run(made, warm(**reference)), run(made, SETTINGS)
    names = [field.name for field in EVIDENCE]
    anomalies = [value for _, marked in with_reference for value in marked.rows.column("anomaly").to_pylist()]
    assert any(value is not None for value in anomalies)
    assert [marked.rows.drop_columns(names) for _, marked in with_reference] == [
        marked.rows for _, marked in alone
    ]
