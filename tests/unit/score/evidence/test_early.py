"""What events are found to be before their windows end."""

import itertools
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.items.early import EARLY, Arrived
from dataflow.score.evidence import before as module
from dataflow.score.evidence.messages import Candidates
from dataflow.settings import Score
from tests.support.evidence import MINUTE, Group, Text, arrived, candidates, options, stream

LAST = 5
#: The last minute of the stream is what arrives.
STREAM = stream(3, LAST + 1, rate=30)
SCORES = {
    "surge": options(),
    "window": options(novelty_window=True, novelty_neighbours=5),
    "novelty": options(columns=("novelty", "rarity"), evidence="novelty"),
}


def group(score: Score, minutes: Sequence[Sequence[Text]]) -> Group:
    """A group that has seen whole windows. All events stand out."""
    made = Group(score)
    made.comparison._early._least = 0.0
    for emission, texts in enumerate(minutes):
        made.take(candidates(emission, texts, score))
    return made


GROUPS = {name: group(score, STREAM[:LAST]) for name, score in SCORES.items()}


def by_id(made: Group) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for early in made.early for row in early.events.to_pylist()}


def arrive(made: Group, texts: Sequence[Text], cuts: Sequence[int] = (), first: int = 0) -> None:
    """Events of the last minute arrive, cut into batches."""
    bounds = sorted({0, len(texts), *(cut for cut in cuts if 0 < cut < len(texts))})
    for number, (start, stop) in enumerate(itertools.pairwise(bounds), first):
        made.take(arrived(number, LAST, LAST, texts[start:stop]))


def as_large_as_usual(made: Group, small: Candidates) -> Candidates:
    """The same events, as if their windows had at least as many events as windows usually have."""
    others, sizes = small.events.near.others.copy(), small.events.sizes.copy()
    for key, first, last in small.segments():
        reference = made.comparison._references.large[key]
        reference.take_in()
        usual = int(np.median(reference.events.sizes))
        sizes[first:last] = np.maximum(sizes[first:last], usual)
        # Where it is 0, no evidence reads it.
        others[first:last] = np.where(others[first:last] > 0, sizes[first:last] - 1, others[first:last])
    near = small.events.near._replace(others=others)
    return replace(small, events=replace(small.events, near=near, sizes=sizes))


@pytest.mark.parametrize("name", SCORES)
def test_an_event_is_judged_as_the_last_one_of_the_window_so_far(name: str) -> None:
    made = deepcopy(GROUPS[name])
    arrive(made, STREAM[LAST])
    found = by_id(made)
    for last, event in enumerate(STREAM[LAST]):
        whole = deepcopy(GROUPS[name])
        whole.take(as_large_as_usual(whole, candidates(LAST, STREAM[LAST][: last + 1], SCORES[name])))
        [row] = [row for row in whole.rows if row["id"] == event.id]
        assert found[event.id]["anomaly"] == row["anomaly"]
        assert found[event.id]["key"] == event.key
        assert found[event.id]["explanation"]["sentence"]
    assert len({row["anomaly"] for row in found.values()}) > 3


@settings(max_examples=20)
@given(st.lists(st.integers(1, 29), max_size=4), st.lists(st.integers(1, 29), max_size=2))
def test_batches_and_restarts_change_nothing(cuts: list[int], crashes: list[int]) -> None:
    one, other, crashes = deepcopy(GROUPS["surge"]), deepcopy(GROUPS["surge"]), sorted(set(crashes))
    arrive(one, STREAM[LAST])
    for start, stop in itertools.pairwise([0, *crashes, len(STREAM[LAST])]):
        arrive(other, STREAM[LAST][start:stop], [cut - start for cut in cuts], len(other.early))
        other.crash()
        other.comparison._early._least = 0.0
    assert by_id(other) == by_id(one)
    assert len(by_id(one)) > 20


def test_the_windows_are_found_to_be_the_same_as_without_arrivals() -> None:
    score, early = SCORES["surge"], Group(SCORES["surge"])
    for emission, texts in enumerate(STREAM):
        early.take(arrived(2 * emission, emission, emission, texts[:20]))
        early.take(arrived(2 * emission + 1, emission, emission, texts[20:]))
        early.take(candidates(emission, texts, score, arrived=2 * emission + 2))
    assert early.rows == group(score, STREAM).rows
    assert len(early.early) == 2 * len(STREAM)


def test_an_emission_waits_for_the_events_that_came_before() -> None:
    made = Group(SCORES["surge"])
    made.take(candidates(0, STREAM[0], SCORES["surge"], arrived=1))
    assert not made.judged
    made.take(arrived(0, 0, 0, STREAM[0]))
    assert (len(made.early), len(made.judged)) == (1, 1)


def test_what_is_far_back_or_of_an_older_window_is_no_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    score, rng = options(evidence="surge"), np.random.default_rng(1)
    usual = [
        [Text(f"{minute} {i}", "a", minute * MINUTE + i, int(rng.integers(500))) for i in range(40)]
        for minute in range(LAST)
    ]
    burst = [Text(f"b{i}", "a", LAST * MINUTE + i, 900) for i in range(8)]
    others = [Text(f"o{i}", "a", LAST * MINUTE + 10 + i, 600 + i) for i in range(20)]

    def anomaly(*texts: Text) -> float:
        """Of the last event of the burst."""
        made = group(score, usual)
        arrive(made, [*texts, burst[-1]])
        found: float = by_id(made)[burst[-1].id]["anomaly"]
        return found

    near, alone = anomaly(*burst[:-1], *others), anomaly(*others)
    assert near > alone
    old = [text._replace(ts=text.ts - MINUTE) for text in burst[:-1]]
    assert anomaly(*old, *others) == alone
    monkeypatch.setattr(module, "MOST_BEFORE", 20)
    assert anomaly(*burst[:-1], *others) == alone


def test_an_event_is_judged_for_its_own_window() -> None:
    """The events of the window before are no neighbours. When that has ended, they count as members."""
    score, rng = options(evidence="novelty"), np.random.default_rng(1)
    usual = [
        [Text(f"{minute} {i}", "a", minute * MINUTE + i, int(rng.integers(500))) for i in range(40)]
        for minute in range(LAST)
    ]

    def evidence(*texts: Text) -> tuple[Group, float]:
        """Of the last one, which comes when the window of the others has ended."""
        made = group(score, usual)
        made.take(arrived(0, LAST, LAST, texts[:-1]))
        made.take(arrived(1, LAST, LAST + 1, texts[-1:]))
        return made, by_id(made)[texts[-1].id]["anomaly"]

    other = Text("other", "a", (LAST + 1) * MINUTE, 800)
    last = Text("last", "a", (LAST + 2) * MINUTE, 700)
    # Of texts that were never seen, some are suspect, because all usual texts are far from them.
    for text in range(700, 760):
        last, same = last._replace(text=text), other._replace(text=text)
        made, beside_same = evidence(same, last)
        [suspect] = made.comparison._early._before["a"].suspect[:1]
        _, beside_other = evidence(other, last)
        assert (beside_same < beside_other) == (not suspect)
        if not suspect:
            break
    assert not suspect


def test_events_of_a_window_that_comes_first_are_no_neighbours_of_a_later_one() -> None:
    score = options(evidence="surge")
    made, plain = group(score, STREAM[:LAST]), group(score, STREAM[:LAST])
    burst = [Text(f"b{i}", "a", LAST * MINUTE + i, 900) for i in range(8)]
    last = Text("last", "a", (LAST + 1) * MINUTE, 900)
    arrive(made, [*burst, last])
    arrive(plain, [last])
    assert by_id(made)["last"]["anomaly"] == by_id(plain)["last"]["anomaly"]
    assert by_id(made)["b7"]["anomaly"] > by_id(plain)["last"]["anomaly"]


def test_events_of_another_model_are_forgotten() -> None:
    made = deepcopy(GROUPS["surge"])
    arrive(made, STREAM[LAST])
    early, message = made.comparison._early, arrived(1, LAST, LAST, STREAM[LAST])
    assert early._before
    early.judge(message, None, "another model")
    assert not early._before


def test_events_that_cannot_be_judged_are_left_out() -> None:
    """Those of a key without a reference, of another model, and all before there is a reference."""
    made, fresh = deepcopy(GROUPS["surge"]), Group(SCORES["surge"])
    arrive(made, [STREAM[LAST][0]._replace(key="new")])
    message = arrived(1, LAST, LAST, STREAM[LAST])
    renamed = [{**row, "model_version": "2"} for row in message.rows.to_pylist()]
    other = pa.RecordBatch.from_pylist(renamed, message.rows.schema)
    made.take(Arrived(1, LAST, message.start, message.end, message.passed, other))
    arrive(fresh, STREAM[LAST])
    for early in (*made.early, *fresh.early):
        assert early.events.schema == EARLY
        assert (len(early.events), early.vectors.shape) == (0, (0, 8))
    assert len(made.early) == 2
    assert made.early[0].model is not None
