"""The tally sees a row that is lost, doubled, added or changed, and a record with a wrong outcome."""

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.chaos import stream
from benchmarks.chaos.delivery import Proof
from benchmarks.chaos.tally import Accounts, Output, SinkTally, account, canonical, compare
from dataflow.clock import rfc3339

Rows = list[dict[str, Any]]
RECORDS = stream.records(3, 400)
EXPECTED = stream.expected(RECORDS)


def scores() -> Rows:
    return [
        {
            "key": "k",
            "window_start": rfc3339(start),
            "id": id,
            "revision": 0,
            "score": number / 7,
            "more": [1.5],
        }
        for number, (id, start) in enumerate(sorted(EXPECTED.rows))
    ]


def late() -> Rows:
    return [{"key": "k", "id": id} for id in sorted(EXPECTED.late)]


def dead() -> Rows:
    return [{"partition": "p", "offset": n, "raw": f'"{id}"'} for n, id in enumerate(sorted(EXPECTED.dead))]


def found(rows: Rows, *, once: bool = True) -> SinkTally:
    return compare(Output("scores", rows, once), scores())


def test_equal_rows_are_good_in_any_order() -> None:
    tally = found(scores()[::-1])
    assert tally == SinkTally(rows=len(EXPECTED.rows))
    assert tally.good


def lose(rows: Rows) -> None:
    rows.pop(5)


def double(rows: Rows) -> None:
    rows.append(deepcopy(rows[5]))


def change_the_score(rows: Rows) -> None:
    rows[5]["score"] += 1e-12


def change_within(rows: Rows) -> None:
    rows[5]["more"] = [1.25]


def add(rows: Rows) -> None:
    rows.append(rows[5] | {"id": "another"})


def revise(rows: Rows) -> None:
    rows.append(rows[5] | {"revision": 1})


@pytest.mark.parametrize(
    ("break_", "wrong"),
    [
        (lose, SinkTally(missing=1)),
        (double, SinkTally(twice=1)),
        (change_the_score, SinkTally(different=1)),
        (change_within, SinkTally(different=1)),
        (add, SinkTally(extra=1)),
        (revise, SinkTally(extra=1)),
    ],
)
def test_a_broken_sink_is_seen(break_: Callable[[Rows], None], wrong: SinkTally) -> None:
    rows = scores()
    break_(rows)
    tally = found(rows)
    assert not tally.good
    assert [tally.missing, tally.extra, tally.twice, tally.different] == [
        wrong.missing,
        wrong.extra,
        wrong.twice,
        wrong.different,
    ]
    proof = Proof("files", Counter(), len(RECORDS), sinks={"scores": tally})
    assert not proof.good


def test_equal_copies_are_allowed_where_rows_come_at_least_once_and_others_are_not() -> None:
    copies = [*scores(), *deepcopy(scores()[:10])]
    tally = found(copies, once=False)
    assert (tally.repeated, tally.twice, tally.good) == (10, 0, True)
    copies[-1]["score"] = 99.0
    tally = found(copies, once=False)
    assert (tally.repeated, tally.different, tally.good) == (10, 1, False)


def test_a_tolerance_is_relative_and_only_for_numbers() -> None:
    rows = [row | {"score": row["score"] * (1 + 1e-9)} for row in scores()]
    tally = compare(Output("scores", rows, True), scores(), tolerance=1e-8)
    assert tally.good
    assert 0 < tally.worst < 1e-8
    rows[3]["more"] = ["text"]
    assert compare(Output("scores", rows, True), scores(), tolerance=1e-8).different == 1


def test_when_a_record_was_read_is_no_difference_but_its_bytes_are() -> None:
    rows = [row | {"envelope": {"arrival": "now"}} for row in dead()]
    calm = [row | {"envelope": {"arrival": "then"}} for row in dead()]
    assert compare(Output("dead_letters", rows, True), calm).good
    rows[0]["raw"] = "other"
    assert compare(Output("dead_letters", rows, True), calm).different == 1


def test_each_record_is_accounted_for() -> None:
    accounts, wrong = account(EXPECTED, scores(), late(), dead())
    assert wrong == []
    assert accounts.scored + accounts.late + accounts.dead == len(RECORDS)
    assert min(accounts.scored, accounts.late, accounts.dead) > 0


@given(st.data())
def test_one_row_that_is_lost_or_of_another_kind_is_a_wrong_record(data: st.DataObject) -> None:
    outputs = {"scores": scores(), "late": late(), "dead": dead()}
    name = data.draw(st.sampled_from(sorted(outputs)))
    row = outputs[name].pop(data.draw(st.integers(0, len(outputs[name]) - 1)))
    id = row.get("id") or stream.record_id(row)
    if name != "late" and data.draw(st.booleans()):
        outputs["late"].append({"key": "k", "id": id})
    accounts, wrong = account(EXPECTED, outputs["scores"], outputs["late"], outputs["dead"])
    assert wrong == [id]
    assert accounts.wrong == 1
    assert not Proof("files", Counter(), len(RECORDS), accounts).good


def test_a_record_that_ends_in_two_places_is_wrong() -> None:
    scored = scores()[0]["id"]
    for late_too, dead_too in (
        ([*late(), {"key": "k", "id": scored}], dead()),
        (late(), [*dead(), {"raw": scored}]),
    ):
        assert account(EXPECTED, scores(), late_too, dead_too)[1] == [scored]


def test_a_row_of_a_window_that_was_not_expected_is_wrong() -> None:
    rows = scores()
    rows.append(rows[0] | {"window_start": "2025-01-01T00:00:00.000000Z"})
    assert account(EXPECTED, rows, late(), dead())[1] == [rows[0]["id"]]


def test_a_sink_without_rows_proves_nothing() -> None:
    proof = Proof("files", Counter(), len(RECORDS), Accounts(scored=1), sinks={"alerts": SinkTally()})
    assert not proof.good


def test_times_are_those_of_json() -> None:
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    text = "2026-01-01T00:00:00.000000Z"
    assert canonical({"a": at, "b": [{"c": at}], "d": 1.5}) == {"a": text, "b": [{"c": text}], "d": 1.5}
