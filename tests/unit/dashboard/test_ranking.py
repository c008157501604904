"""Filters and orders give the rows that a loop over all rows would give."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dashboard.projection import fitted
from dashboard.queries import ranking
from dashboard.queries.filters import Filter, Filters
from dashboard.queries.ranking import Rankings, Sorting
from dashboard.queries.rows import place_of
from dashboard.rows import of_objects
from dashboard.store.incidents import checked
from dashboard.store.orders import SORTS
from dashboard.store.store import Store
from tests.support.page import START, WINDOW, Row, alert, scored

MIDDLE = 200_000
WORDS = ("Refund", "ledger", "STRIPE", "lag", "straße")


def stream(n: int, seed: int = 0) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [
        scored(
            event,
            event // 80,
            revision=int(rng.integers(0, 2)),
            key=f"k{rng.integers(0, 3)}",
            text=" ".join(rng.choice(WORDS, 2)),
            anomaly=None if event % 7 == 0 else float(rng.integers(0, 20)),
            score=float(rng.integers(0, 10)),
        )
        for event in range(n)
    ]


def store_of(rows: list[Row], batch: int = 50) -> Store:
    store = Store(10_000, fitted)
    for at in range(0, len(rows), batch):
        store.add("scores", 0, of_objects(rows[at : at + batch]))
        store.publish()
    return store


def ids(store: Store, rankings: Rankings, wanted: Filter, sorting: Sorting) -> list[str]:
    total = rankings.page(store.now, wanted, sorting, 0, 0)["total"]
    found: list[dict[str, Any]] = []
    for offset in range(0, total, 37):
        found += rankings.page(store.now, wanted, sorting, offset, 37)["rows"]
    assert len(found) == total
    return [row["id"] for row in found]


CONDITIONS: dict[str, tuple[Filter, Callable[[Row, int], bool]]] = {
    "key": (Filter(key="k1"), lambda row, ts: row["key"] == "k1"),
    "unknown key": (Filter(key="k9"), lambda row, ts: False),
    "from": (Filter(start=START + MIDDLE), lambda row, ts: ts >= START + MIDDLE),
    "to": (Filter(end=START + MIDDLE), lambda row, ts: ts < START + MIDDLE),
    "text": (Filter(text="refund"), lambda row, ts: "refund" in row["text"].lower()),
    "text of two words": (Filter(text="stripe LAG"), lambda row, ts: "stripe lag" in row["text"].lower()),
    "text beyond ASCII": (Filter(text="STRASSE"), lambda row, ts: False),
    "cluster": (Filter(cluster=2), lambda row, ts: row["cluster"] == 2),
    "window": (
        Filter(window=START + WINDOW),
        lambda row, ts: row["window_start"].endswith("00:10:00.000000Z"),
    ),
    "several": (
        Filter(key="k0", cluster=1, text="lag"),
        lambda row, ts: row["key"] == "k0" and row["cluster"] == 1 and "lag" in row["text"].lower(),
    ),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_filter_is_its_condition(name: str) -> None:
    rows = stream(500)
    store = store_of(rows)
    wanted, condition = CONDITIONS[name]
    every = Filter(**{**vars(wanted), "all_revisions": True})
    found = ids(store, Rankings(Filters()), every, Sorting("ts", falling=False))
    times = {row["id"]: START + number * 1000 for number, row in enumerate(rows)}
    assert found == [row["id"] for row in rows if condition(row, times[row["id"]])]


def test_only_the_newest_revision_of_a_window_is_shown_if_not_all_are_asked_for() -> None:
    rows = stream(300)
    newest: dict[tuple[str, str], int] = {}
    for row in rows:
        window = row["key"], row["window_start"]
        newest[window] = max(newest.get(window, 0), row["revision"])
    found = ids(store_of(rows), Rankings(Filters()), Filter(), Sorting("ts", falling=False))
    kept = [row["id"] for row in rows if newest[row["key"], row["window_start"]] == row["revision"]]
    assert found == kept


def sort_key(sort: str) -> Callable[[Row], tuple[Any, ...]]:
    def key(row: Row) -> tuple[Any, ...]:
        if sort == "window":
            known = row["anomaly"] is not None
            return row["window_start"], known, row["anomaly"] if known else row["score"]
        return (-math.inf if row[sort] is None else row[sort], row["ts"])

    return key


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("falling", [True, False])
def test_the_order_is_that_of_a_sort(sort: str, falling: bool) -> None:
    rows = stream(400)
    store = store_of(rows)
    found = ids(store, Rankings(Filters()), Filter(all_revisions=True), Sorting(sort, falling))
    by_id = {row["id"]: row for row in rows}
    values = [by_id[id] for id in found]
    column = sort if sort != "window" else "window_start"
    known = [row for row in values if row[column] is not None]
    # Rows without a value come last, whatever the direction.
    assert values[: len(known)] == known
    keys = [sort_key(sort)(row) for row in known]
    if sort == "window" and not falling:
        keys = [key[:1] for key in keys]
    expected = sorted(keys, reverse=falling)
    assert keys == expected


@pytest.mark.parametrize("sort", SORTS)
def test_merged_orders_equal_orders_of_all_rows_at_once(sort: str) -> None:
    rows = stream(500)
    store, rankings = Store(10_000, fitted), Rankings(Filters())
    for at in range(0, 500, 31):
        store.add("scores", 0, of_objects(rows[at : at + 31]))
        store.publish()
        ids(store, rankings, Filter(), Sorting(sort))
    fresh = ids(store, Rankings(Filters()), Filter(), Sorting(sort))
    assert ids(store, rankings, Filter(), Sorting(sort)) == fresh


@pytest.mark.parametrize("sort", ["score", "anomaly", "window"])
def test_orders_follow_rows_that_leave_memory(sort: str) -> None:
    rows = stream(2000)
    store, rankings = Store(150, fitted), Rankings(Filters())
    for at in range(0, 2000, 50):
        store.add("scores", 0, of_objects(rows[at : at + 50]))
        store.publish()
        found = ids(store, rankings, Filter(all_revisions=True), Sorting(sort))
        assert found == ids(store, Rankings(Filters()), Filter(all_revisions=True), Sorting(sort))
        assert len(found) == min(150, at + 50)


@pytest.mark.parametrize("falling", [True, False])
@pytest.mark.parametrize("wanted", [Filter(), Filter(key="k1"), Filter(text="no row has this")])
def test_a_part_of_the_rows_is_that_of_the_whole_order(
    monkeypatch: pytest.MonkeyPatch, falling: bool, wanted: Filter
) -> None:
    monkeypatch.setattr(ranking, "_PART", 16)
    store = store_of(stream(400))
    sorting = Sorting("anomaly", falling)
    whole = Rankings(Filters()).ranked(store.now, wanted, sorting)
    for offset, limit in ((0, 1), (0, 7), (3, 20), (15, 1), (15, 2), (16, 5), (0, 500), (390, 50)):
        page = Rankings(Filters()).page(store.now, wanted, sorting, offset, limit)
        found = [row["row"] - store.now.scores.first for row in page["rows"]]
        assert found == whole[offset : offset + limit].tolist()
        assert page["total"] == len(whole)


def test_an_older_moment_can_be_asked_after_a_newer_one() -> None:
    rows = stream(300)
    store, rankings = store_of(rows[:200]), Rankings(Filters())
    old = store.now
    before = ids(store, rankings, Filter(), Sorting("score"))
    store.add("scores", 0, of_objects(rows[200:]))
    store.publish()
    rankings.page(store.now, Filter(), Sorting("score"), 0, 1)
    assert ids(store, rankings, Filter(), Sorting("score")) != before
    # The rankings that are kept do not know this text.
    page = rankings.page(old, Filter(text="t"), Sorting("score"), 0, 500)
    expected = Rankings(Filters()).page(old, Filter(text="t"), Sorting("score"), 0, 500)
    assert [row["row"] for row in page["rows"]] == [row["row"] for row in expected["rows"]]
    assert page["total"] == expected["total"] > 0


def test_a_longer_text_finds_what_it_finds_without_the_shorter_one() -> None:
    store = store_of(stream(600))
    filters = Filters()
    typed = [filters.mask(store.now, Filter(text="stripe lag"[: n + 1])) for n in range(10)]
    for n, mask in enumerate(typed):
        assert (mask == Filters().mask(store.now, Filter(text="stripe lag"[: n + 1]))).all()


def test_the_position_of_each_row_is_its_offset() -> None:
    rows = stream(200)
    store, rankings = store_of(rows), Rankings(Filters())
    wanted, sorting = Filter(all_revisions=True), Sorting("anomaly")
    for offset, row in enumerate(rankings.page(store.now, wanted, sorting, 0, 500)["rows"]):
        place = place_of(store.now, row["key"], row["id"], row["window_start"], row["revision"])
        assert place is not None
        assert rankings.position(store.now, wanted, sorting, place) == offset
    assert place_of(store.now, "k0", "none", START, 0) is None
    assert rankings.position(store.now, Filter(key="k9"), sorting, 3) is None


def test_rows_of_an_incident_and_of_a_selection() -> None:
    store = store_of([scored(event) for event in range(20)])
    store.add("alerts", 1, [checked(alert("i1", examples=(3, 5)))])
    store.publish()
    filters = Filters()
    rankings = Rankings(filters)
    assert ids(store, rankings, Filter(incident="i1"), Sorting("ts", False)) == ["e3", "e5"]
    name = filters.select(np.array([2, 4, 4, 999]))
    assert ids(store, rankings, Filter(selection=name), Sorting("ts", False)) == ["e2", "e4"]
    assert filters.has_selection(name)
    for _ in range(40):
        filters.select(np.array([1]))
    assert not filters.has_selection(name)
