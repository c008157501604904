"""What the score stage says of the events that stand out."""

from itertools import groupby

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataflow.items.embedding import embeddings
from dataflow.items.fixed import to_fixed
from dataflow.items.schemas import POSITION
from dataflow.score.evidence.candidates import no_candidates
from dataflow.score.evidence.standing_out import MOST_EXPLAINED, to_explain
from dataflow.settings import Alert
from tests.support.evidence import MINUTE, Group, Text, candidates, embedded, options

LEAST = Alert().least_anomaly


def stream(minute: int) -> list[Text]:
    """Forty usual events of two keys, and from the fifth minute on some odd ones."""
    rng = np.random.default_rng(minute)
    usual = [
        Text(f"{minute}-{i}", "ab"[i % 2], minute * MINUTE + i, int(rng.integers(20))) for i in range(40)
    ]
    odd = [Text(f"{minute}-odd-{i}", "a", minute * MINUTE + 50 + i, 500 + minute) for i in range(3)]
    return usual + odd * (minute >= 5)


def test_events_that_stand_out_are_named_with_their_window_and_embedding() -> None:
    group = Group(options())
    for minute in range(8):
        group.take(candidates(minute, stream(minute), options(), revision=int(minute == 7)))
    found = {}
    for judged in group.judged:
        minute = judged.emission
        assert judged.keys == ["a", "b"]
        assert judged.rows.tolist() == [23 if minute >= 5 else 20, 20]
        assert judged.starts.tolist() == [minute * MINUTE] * 2
        assert judged.ends.tolist() == [(minute + 1) * MINUTE] * 2
        assert judged.late.tolist() == [minute == 7] * 2
        rows = embedded(stream(minute))
        vectors = dict(zip(rows.column("id").to_pylist(), to_fixed(embeddings(rows)), strict=True))
        events = judged.events.to_pylist()
        assert [judged.keys[window] for window in judged.windows] == [event["key"] for event in events]
        for event, vector in zip(events, judged.vectors, strict=True):
            assert (vector == vectors[event["id"]]).all()
            found[event["id"], event["window_start"]] = event
    above = [row for row in group.rows if row["anomaly"] is not None and row["anomaly"] >= LEAST]
    assert len(above) > 3
    assert set(found) == {(row["id"], row["window_start"]) for row in above}
    for row in above:
        event = found[row["id"], row["window_start"]]
        names = row.keys() - {"explanation", *POSITION}
        assert {name: event[name] for name in names} == {name: row[name] for name in names}
        assert row["explanation"] is None
    explained = [event for event in found.values() if event["explanation"]]
    assert {event["text"] for event in explained} == {event["text"] for event in found.values()}


def test_an_emission_without_rows_is_counted() -> None:
    group, score = Group(options()), options()
    group.take(candidates(0, stream(0), score))
    group.take(no_candidates(1, 8, score))
    assert [judged.emission for judged in group.judged] == [0, 1]
    assert group.judged[1].keys == []
    assert len(group.judged[1].events) == 0


events = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.sampled_from([np.nan, 1.0, 2.0, 3.0])))


@given(events)
def test_the_highest_of_each_form_is_explained(rows: list[tuple[int, int, float]]) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    keys, forms = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
    anomaly = np.array([row[2] for row in rows], np.float64)
    expected = []
    for _, mine in groupby(range(len(rows)), key=lambda row: rows[row][0]):
        tops: dict[int, int] = {}
        for row in mine:
            top = tops.get(rows[row][1])
            if anomaly[row] >= 2 and (top is None or anomaly[row] > anomaly[top]):
                tops[rows[row][1]] = row
        expected += sorted(sorted(tops.values()), key=lambda row: -anomaly[row])[:MOST_EXPLAINED]
    found = to_explain(anomaly, keys, forms.astype(np.uint64), least=2.0)
    assert np.flatnonzero(found).tolist() == sorted(expected)
