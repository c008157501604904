"""The three machines of evidence together: order, restarts, what is kept, and what is lost."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.errors import LostRowsError
from dataflow.items.hashes import hashes
from dataflow.score.evidence import sample as module
from dataflow.score.evidence.candidates import no_candidates
from dataflow.score.evidence.compare import Comparison
from dataflow.score.evidence.members import priorities, sampled
from dataflow.score.evidence.messages import Placed
from dataflow.settings import Alert
from tests.support.evidence import MINUTE, Group, Text, candidates, options, stream

MINUTES = 14


def undisturbed(seed: int, **fields: object) -> list[dict[str, Any]]:
    score = options(**fields)
    group = Group(score)
    for number, texts in enumerate(stream(seed, MINUTES)):
        group.take(candidates(number, texts, score))
    return group.rows


@settings(max_examples=20)
@given(
    st.integers(0, 1000),
    st.permutations(range(4)),
    st.sets(st.integers(0, MINUTES - 1)),
    st.sampled_from([(100, 10), (100, 40), (150, 10)]),
)
def test_neither_restarts_nor_the_order_of_arrival_change_a_row(
    seed: int, order: list[int], crashes: set[int], size: tuple[int, int]
) -> None:
    rows, least = size
    score = options(reference_rows=rows, reference_least=least, half_life="5m")
    group = Group(score)
    made = [candidates(number, texts, score) for number, texts in enumerate(stream(seed, MINUTES))]
    # All emissions of an epoch come before its snapshot, in any order.
    for first in range(0, MINUTES, 4):
        for place in order:
            if first + place < MINUTES:
                group.take(made[first + place])
        if first in crashes:
            group.crash()
    assert group.rows == undisturbed(seed, reference_rows=rows, reference_least=least, half_life="5m")


def test_evidence_is_null_until_the_reference_knows_enough() -> None:
    rows = undisturbed(1, reference_least=20)
    known = [row["anomaly"] is not None for row in rows]
    assert 0 < sum(known) < len(rows)
    assert not any(known[:40])
    for row in rows:
        values = [row[name] for name in ("novelty", "surge", "rarity", "p_value", "anomaly")]
        assert all(value is None for value in values) or all(np.isfinite(value) for value in values)
        assert row["p_value"] is None or 0 < row["p_value"] <= 1


@pytest.mark.parametrize("evidence", ["novelty", "surge", "rarity", "score", "sum"])
def test_planted_events_are_rarer_than_all_others(evidence: str) -> None:
    score = options(evidence=evidence, reference_least=50, reference_rows=500)
    group = Group(score)
    rng = np.random.default_rng(0)
    for minute in range(20):
        texts = [Text(f"{minute}-{i}", "a", minute * MINUTE + i, int(rng.integers(20))) for i in range(40)]
        if minute == 19:
            texts += [Text(f"planted {i}", "a", minute * MINUTE + 50 + i, 900) for i in range(8)]
        group.take(candidates(minute, texts, score))
    last = [row for row in group.rows if row["window_start"].minute == 19]
    planted = [row["anomaly"] for row in last if str(row["id"]).startswith("planted")]
    others = [row["anomaly"] for row in last if not str(row["id"]).startswith("planted")]
    if evidence == "score":
        assert np.mean(planted) > np.mean(others)
    else:
        assert min(planted) > max(others)


def test_shelves_hold_the_sample_and_little_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEAL_EVENTS", 10)
    score = options(half_life="2m", reference_rows=100)
    group, every = Group(score), []
    for number, texts in enumerate(stream(5, 60, rate=40)):
        group.take(candidates(number, texts, score))
        every += texts
        in_sample = [of_key.priority for of_key in group.samples._keys.values()]
        assert set(np.concatenate(in_sample).tolist()) <= set(group.held("priority"))
        if number % 7 == 0:
            group.crash()
    assert len(group.samples) == 200
    assert 200 <= len(group.held("key")) <= 300
    for key in "ab":
        mine = [text for text in every if text.key == key]
        ts = np.array([text.ts for text in mine])
        ids = hashes(pa.array([text.id for text in mine]))
        best = sampled(priorities(ids, ts, 2 * MINUTE), 100)
        reference = group.comparison._references.large[key]
        reference.prepare(60 * MINUTE, 61 * MINUTE)
        assert sorted(reference.events.ts.tolist()) == sorted(ts[best].tolist())


def test_another_model_starts_the_references_again() -> None:
    score = options(reference_least=10, model_change="restart")
    group = Group(score)
    made = [candidates(number, texts, score) for number, texts in enumerate(stream(2, 12))]
    for number, each in enumerate(made):
        model = "new" if number >= 6 else "old"
        group.take(type(each)(**{**each.__dict__, "model": model}))
        if number == 7:
            group.crash()
    null = [row["anomaly"] is None for row in group.rows]
    of_new = null[120:]
    assert all(of_new[:20])
    assert not all(of_new)
    fresh = Group(score)
    for number, each in enumerate(made[6:]):
        fresh.take(type(each)(**{**each.__dict__, "emission": number}))
    assert [row["anomaly"] for row in fresh.rows] == [row["anomaly"] for row in group.rows[120:]]


def test_an_event_of_a_revision_is_compared_but_not_sampled() -> None:
    score = options()
    group = Group(score)
    texts = stream(3, 1)[0]
    group.take(candidates(0, texts, score))
    group.take(candidates(1, texts, score, revision=1))
    assert len(group.samples) == len(texts)
    assert len(group.rows) == 2 * len(texts)


def test_an_emission_whose_rows_are_all_refused_is_counted() -> None:
    score = options()
    group = Group(score)
    group.take(no_candidates(0, 8, score))
    group.take(candidates(1, stream(3, 1)[0], score))
    assert len(group.rows) == 20


def test_an_emission_that_did_not_come_stops_the_flow() -> None:
    score = options()
    group = Group(score)
    group.take(candidates(1, stream(3, 1)[0], score))
    with pytest.raises(LostRowsError, match="emission 0 of a key group did not come"):
        group.samples.snapshot()


def test_a_shelf_that_did_not_come_stops_the_flow() -> None:
    score = options()
    comparison = Comparison(score, Alert(), 0, 0, pooled=True)
    made = candidates(0, stream(3, 1)[0], score)
    assert not list(comparison.take(Placed(made, np.zeros(20, np.bool_), recalled=(0,))))
    with pytest.raises(LostRowsError, match="a shelf of a reference did not come"):
        comparison.snapshot()
