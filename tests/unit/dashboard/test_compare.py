"""Two outputs side by side."""

from pathlib import Path

import numpy as np

from dashboard.projection import fitted
from dashboard.queries.compare import compared, matched
from dashboard.queries.filters import Filter, Filters
from dashboard.queries.ranking import Rankings
from dashboard.rows import of_objects
from dashboard.store.incidents import checked
from dashboard.store.store import Moment, Store
from tests.support.page import START, WINDOW, Row, alert, scored


def side(rows: list[Row], alerts: list[Row]) -> tuple[Moment, Rankings]:
    store = Store(10_000, fitted)
    store.add("scores", 0, of_objects(rows))
    store.add("alerts", 1, [checked(each) for each in alerts])
    store.publish()
    return store.now, Rankings(Filters())


def rows(seed: int, keys: tuple[str, ...] = ("a",)) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [scored(n, key=keys[n % len(keys)], anomaly=float(rng.random())) for n in range(300)]


def test_an_output_equals_itself() -> None:
    here = side(rows(0), [alert("i1"), alert("i2", window=3, examples=(7,))])
    found = compared(here, here, Filter())
    assert (found["only_a"], found["only_b"]) == ([], [])
    assert [each["changes"] for each in found["both"]] == [[], []]
    assert all(row["a"] == row["b"] for row in found["ranks"])
    assert [row["a"] for row in found["ranks"]] == list(range(200))


def test_incidents_of_one_run_alone_and_changes() -> None:
    a = side(rows(0), [alert("i1"), alert("gone", window=5, examples=(9,), key="b")])
    later = alert("j", examples=(2, 3), count=9, state="closed")
    b = side(
        rows(0),
        [
            later,
            alert(
                "new",
                window=8,
                examples=(11,),
                first_ts="2026-01-01T02:00:00Z",
                last_ts="2026-01-01T02:01:00Z",
            ),
        ],
    )
    found = compared(a, b, Filter())
    assert [each["incident"] for each in found["only_a"]] == ["gone"]
    assert [each["incident"] for each in found["only_b"]] == ["new"]
    ((pair),) = found["both"]
    assert (pair["a"]["incident"], pair["b"]["incident"]) == ("i1", "j")
    assert pair["changes"] == ["state", "count"]
    assert compared(a, b, Filter(key="b"))["both"] == []


def test_each_incident_has_one_partner_the_most_alike() -> None:
    store_a, _ = side([scored(1)], [alert("a1", examples=(1, 2)), alert("a2", examples=(2, 3))])
    store_b, _ = side([scored(1)], [alert("b1", examples=(3,)), alert("b2", examples=(1, 2))])
    pairs = matched(list(store_a.incidents.values()), list(store_b.incidents.values()))
    names = {(one.row["incident"], other.row["incident"]) for one, other in pairs}
    assert names == {("a1", "b2"), ("a2", "b1")}


def test_ranks_are_those_of_each_side_whatever_the_order_of_keys() -> None:
    first, second = rows(1, ("a", "b")), rows(2, ("a", "b"))[::-1]
    found = compared(side(first, []), side(second, []), Filter())["ranks"]
    expected = {}
    for name, some in (("a", first), ("b", second)):
        ordered = sorted(some, key=lambda row: -row["anomaly"])
        expected[name] = {(row["key"], row["id"]): rank for rank, row in enumerate(ordered)}
    for row in found:
        assert row["a"] == expected["a"][row["key"], row["id"]]
        assert row["b"] == expected["b"][row["key"], row["id"]]
    assert {0, 1, 2} <= {row["a"] for row in found}
    assert {0, 1, 2} <= {row["b"] for row in found}


def test_a_row_that_one_side_lacks_has_no_rank_there(tmp_path: Path) -> None:
    a, b = side(rows(1), []), side(rows(1)[:-1], [])
    missing = [row for row in compared(a, b, Filter())["ranks"] if row["b"] is None]
    assert {row["id"] for row in missing} <= {"e299"}
    late = compared(a, b, Filter(start=START + WINDOW))
    assert late["ranks"] == []
