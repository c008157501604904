"""Incidents of two runs are matched: compared with the definition, pair by pair."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dataflow.backtest.comparison import COMPARED, compare
from dataflow.backtest.incidents import Incident


def incident(id: str, key: str, first: int, length: int, examples: Any, **more: Any) -> Incident:
    fields: dict[str, Any] = {
        "kind": "events",
        "state": "closed",
        "count": 1,
        "peak": 2.0,
        "message": "m",
        "merged_into": None,
        "opened": first,
    }
    fields |= more
    found = tuple({"id": each, "text": f"text of {each}"} for each in sorted(examples))
    return Incident(id=id, key=key, first_ts=first, last_ts=first + length, examples=found, **fields)


@st.composite
def runs(draw: st.DrawFn, names: str = "abcdef") -> list[Incident]:
    ids = draw(st.lists(st.sampled_from(names), unique=True))
    return [
        incident(
            id,
            draw(st.sampled_from("kl")),
            draw(st.integers(0, 10)),
            draw(st.integers(0, 5)),
            draw(st.sets(st.sampled_from("123456"), min_size=1, max_size=3)),
            count=draw(st.integers(1, 2)),
        )
        for id in ids
    ]


def in_common(old: Incident, new: Incident) -> tuple[bool, int, int]:
    """Whether the ids are equal; how many examples are common; how long both last."""
    if old.id == new.id:
        return True, 0, 0
    if old.key != new.key or old.overlap(new) < 0:
        return False, 0, -1
    return False, len(old.example_ids & new.example_ids), old.overlap(new)


@given(runs(), runs("fghijk"))
def test_each_incident_is_in_one_place_and_no_better_match_is_left(
    before: list[Incident], after: list[Incident]
) -> None:
    found = compare(before, after)
    assert sorted([pair.before.id for pair in found.pairs] + [each.id for each in found.gone]) == sorted(
        each.id for each in before
    )
    assert sorted([pair.after.id for pair in found.pairs] + [each.id for each in found.new]) == sorted(
        each.id for each in after
    )
    for pair in found.pairs:
        is_same, events, time = in_common(pair.before, pair.after)
        assert {"id": is_same, "events": events > 0, "time": time >= 0}[pair.matched]
    # A pair that was not matched is worse than what one of the two was matched with.
    strength = {("before", pair.before.id): in_common(pair.before, pair.after) for pair in found.pairs}
    strength |= {("after", pair.after.id): in_common(pair.before, pair.after) for pair in found.pairs}
    nothing = (False, 0, -1)
    for old in before:
        for new in after:
            best = max(strength.get(("before", old.id), nothing), strength.get(("after", new.id), nothing))
            assert ranked(in_common(old, new)) <= ranked(best)


def ranked(common: tuple[bool, int, int]) -> tuple[bool, int, int]:
    """Time only counts among incidents without a common example."""
    return (common[0], common[1], 0 if common[1] else common[2])


@given(runs())
def test_a_run_compared_with_itself_has_no_differences(run: list[Incident]) -> None:
    found = compare(run, run)
    assert [pair.before for pair in found.pairs] == [pair.after for pair in found.pairs]
    assert (found.gone, found.new, found.changed) == ([], [], [])


def test_what_differs_is_named_but_not_an_explanation() -> None:
    old = incident("a", "k", 0, 5, "1")
    new = incident("b", "k", 1, 6, "12", count=3, message="another explanation")
    (pair,) = compare([old], [new]).pairs
    assert pair.changes == ["count", "first_ts", "last_ts"]
    assert set(pair.changes) < set(COMPARED)
    assert not compare([old], [incident("a", "k", 0, 5, "1", message="another explanation")]).changed
