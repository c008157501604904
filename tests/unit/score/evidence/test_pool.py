"""A key without enough events of its own is compared with the events of all keys of its group."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.score.evidence.features import Features
from dataflow.score.evidence.judge import Evidence, judge
from dataflow.score.evidence.messages import Candidates
from dataflow.score.evidence.reference import Reference
from tests.support.evidence import MINUTE, Group, Text, candidates, options, stream

KEYS = "abcdef"
MINUTES = 14
SCORE = options(reference_least=25, half_life="10m")


def made(seed: int, keys: str = KEYS) -> list[list[Text]]:
    return stream(seed, MINUTES, keys=keys, rate=30)


def reference_of(events: Features, released: np.ndarray) -> Reference:
    reference = Reference(8, rows=SCORE.reference_rows, neighbours=1, with_window=False)
    reference.enter(events, released)
    return reference


def by_definition(group: Group, taken: Candidates) -> tuple[list[float], list[str]]:
    """The anomaly of each event, and what each key is compared with: its own events, the pool, or nothing."""
    own = group.sampled()
    assert all(len(events) < SCORE.reference_rows for events, _ in own.values())
    start, end = int(taken.events.starts[0]), int(taken.events.ends[0])
    anomalies: list[float] = []
    kinds = []
    for key, first, last in taken.segments():
        mine = taken.events.take(slice(first, last))
        evidence: Evidence | None = None
        kind = "nothing"
        if key in own and (evidence := judge(reference_of(*own[key]), mine, start, end, SCORE)):
            kind = "own"
        elif own:
            every = Features.concat([events for events, _ in own.values()])
            released = np.concatenate([until for _, until in own.values()])
            lowest = np.argsort(every.priority)[: SCORE.reference_rows]
            pool = reference_of(every.take(lowest), released[lowest])
            if evidence := judge(pool, mine, start, end, SCORE):
                kind = "pool"
        kinds.append(kind)
        anomalies += (evidence or Evidence.unknown(len(mine))).anomaly.tolist()
    return anomalies, kinds


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_evidence_is_that_of_the_own_events_or_of_the_pool_by_definition(seed: int) -> None:
    group, seen = Group(SCORE), set()
    for number, texts in enumerate(made(seed)):
        taken = candidates(number, texts, SCORE)
        expected, kinds = by_definition(group, taken)
        seen.update(kinds)
        before = len(group.rows)
        group.take(taken)
        found = [np.nan if row["anomaly"] is None else row["anomaly"] for row in group.rows[before:]]
        assert np.allclose(found, expected, equal_nan=True)
    assert seen == {"nothing", "pool", "own"}
    assert sum(len(events) for events, _ in group.sampled().values()) > 2 * SCORE.reference_rows


@settings(max_examples=8)
@given(st.integers(0, 1000), st.sets(st.integers(0, MINUTES - 1)), st.sampled_from([10**9, 90_000]))
def test_no_restart_changes_a_row(seed: int, crashes: set[int], most_bytes: int) -> None:
    once, restarted = Group(SCORE, most_bytes=most_bytes), Group(SCORE, most_bytes=most_bytes)
    for number, texts in enumerate(made(seed)):
        taken = candidates(number, texts, SCORE)
        once.take(taken)
        restarted.take(taken)
        if number in crashes:
            restarted.crash()
    assert restarted.rows == once.rows


def test_the_names_of_keys_make_no_difference() -> None:
    found = []
    for keys in (KEYS, KEYS[::-1]):
        group, renamed = Group(SCORE), dict(zip(KEYS, keys, strict=True))
        for number, texts in enumerate(made(4)):
            group.take(candidates(number, [text._replace(key=renamed[text.key]) for text in texts], SCORE))
        found.append({row["id"]: row["anomaly"] for row in group.rows})
    assert found[0] == found[1]
    assert any(found[0].values())


def test_a_new_key_borrows_only_if_it_may() -> None:
    for pooled in (False, True):
        score = SCORE.model_copy(update={"pooled": pooled})
        group = Group(score)
        for number, texts in enumerate(made(5, keys="ab")):
            group.take(candidates(number, texts, score))
        before = len(group.rows)
        new = [Text(f"new {i}", "new", MINUTES * MINUTE + i, i) for i in range(5)]
        group.take(candidates(MINUTES, new, score))
        assert [row["anomaly"] is not None for row in group.rows[before:]] == [pooled] * 5


def test_a_pool_that_no_key_needs_is_given_up() -> None:
    group = Group(SCORE)
    for number, texts in enumerate(stream(6, 12, keys="a", rate=100)):
        group.take(candidates(number, texts, SCORE))
        assert group.comparison._pool._reference is None
    group.take(candidates(12, [Text("new", "new", 12 * MINUTE, 1)], SCORE))
    assert group.comparison._pool._reference is not None
    for number, texts in enumerate(stream(7, 40, keys="a", rate=100)):
        later = [text._replace(id=f"later {text.id}", ts=text.ts + 13 * MINUTE) for text in texts]
        group.take(candidates(13 + number, later, SCORE))
    assert group.comparison._pool._reference is None
