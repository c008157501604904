"""The store of scored rows holds what a simple dictionary would hold."""

from typing import Any

import numpy as np
import pytest

from dashboard.rows import of_objects
from dashboard.store import scores as stored
from dashboard.store import texts
from dashboard.store.scores import Scores, Snapshot
from tests.support.page import Row, scored

Identity = tuple[str, str, str, int]


def identity(row: Row) -> Identity:
    return row["key"], row["window_start"], row["id"], row["revision"]


def shown(snapshot: Snapshot) -> list[tuple[Any, ...]]:
    """Key, window, id, revision, score and text of the rows that live, in their order."""
    columns = snapshot.columns
    places = np.flatnonzero(columns["live"])
    texts = snapshot.texts.take(places + snapshot.first, ("id", "text"))
    return [
        (
            snapshot.keys[columns["key"][place]],
            int(columns["window_start"][place]),
            texts["id"][at].as_py(),
            int(columns["revision"][place]),
            float(columns["score"][place]),
            texts["text"][at].as_py(),
        )
        for at, place in enumerate(places.tolist())
    ]


def random_rows(seed: int, n: int) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [
        scored(
            int(rng.integers(0, 40)),
            int(rng.integers(0, 4)),
            revision=int(rng.integers(0, 3)),
            key=f"k{rng.integers(0, 3)}",
            score=float(number),
            text=f"row {number}",
        )
        for number in range(n)
    ]


def filled(rows: list[Row], batch: int, most: int = 1000) -> Scores:
    scores = Scores(most)
    for at in range(0, len(rows), batch):
        scores.add(of_objects(rows[at : at + batch]), 0)
    return scores


@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_the_last_row_of_each_identity_stays(seed: int, batch: int) -> None:
    rows = random_rows(seed, 600)
    expected = {identity(row): row for row in rows}
    found = shown(filled(rows, batch).snapshot())
    assert len(found) == len(expected)
    assert {each[5] for each in found} == {row["text"] for row in expected.values()}
    assert all(each[5] == f"row {each[4]:.0f}" for each in found)


@pytest.mark.parametrize("batch", [1, 13, 1000])
def test_latest_rows_are_those_of_the_newest_revision_of_their_window(batch: int) -> None:
    rows = random_rows(5, 300)
    newest: dict[tuple[str, int], int] = {}
    columns = filled(rows, batch).snapshot().columns
    places = zip(columns["key"].tolist(), columns["window_start"].tolist(), strict=True)
    of_row = list(places)
    for window, revision in zip(of_row, columns["revision"].tolist(), strict=True):
        newest[window] = max(revision, newest.get(window, 0))
    expected = [
        newest[window] == revision
        for window, revision in zip(of_row, columns["revision"].tolist(), strict=True)
    ]
    assert columns["latest"].tolist() == expected


@pytest.mark.parametrize("batch", [1, 9, 250])
def test_the_newest_rows_stay(batch: int) -> None:
    rows = [scored(event, event // 100) for event in range(1000)]
    snapshot = filled(rows, batch, most=120).snapshot()
    assert [each[2] for each in shown(snapshot)] == [f"e{event}" for event in range(880, 1000)]
    assert snapshot.dropped == 880
    assert len(snapshot) <= 120 * 1.2 + batch


def test_a_snapshot_does_not_change() -> None:
    rows = [scored(event, event // 100) for event in range(1000)]
    scores = filled(rows[:300], 50, most=400)
    snapshot = scores.snapshot()
    before = shown(snapshot)
    for row in rows[200:]:
        scores.add(of_objects([row | {"revision": 1}]), 0)
    assert shown(snapshot) == before


def test_rows_of_a_source_can_be_forgotten() -> None:
    scores = Scores(1000)
    scores.add(of_objects([scored(event) for event in range(10)]), 0)
    scores.add(of_objects([scored(event) for event in range(10, 20)]), 1)
    scores.forget(0)
    assert [each[2] for each in shown(scores.snapshot())] == [f"e{event}" for event in range(10, 20)]


def test_windows_that_left_memory_are_counted_anew() -> None:
    """The numbers of windows do not grow with the stream."""
    scores = Scores(100)
    for window in range(500):
        scores.add(of_objects([scored(event, window) for event in range(10)]), 0)
    assert scores.snapshot().columns["window"].max() < 150
    scores.add(of_objects([scored(3, 499, revision=1)]), 0)
    snapshot = scores.snapshot()
    newest = snapshot.columns["window_start"] == snapshot.columns["window_start"][-1]
    assert snapshot.columns["latest"][newest].sum() == 1


def test_keys_that_left_memory_are_forgotten() -> None:
    """A stream may have a new key for each event."""
    scores = Scores(100)
    for event in range(0, 6000, 20):
        scores.add(of_objects([scored(n, key=f"k{n}") for n in range(event, event + 20)]), 0)
    old = scores.snapshot()
    found = shown(old)
    assert [(each[0], each[2]) for each in found] == [(f"k{n}", f"e{n}") for n in range(5900, 6000)]
    assert len(old.keys) < 2000
    scores.add(of_objects([scored(5990, key="k5990", text="again")]), 0)
    after = [each[5] for each in shown(scores.snapshot()) if each[2] == "e5990"]
    assert after == ["again"]
    assert shown(old) == found


def test_long_texts_push_out_the_oldest_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "_WHOLE_BYTES", 100_000)
    monkeypatch.setattr(stored, "MOST_TEXT_BYTES", 1_000_000)
    scores = Scores(100_000)
    for event in range(0, 1000, 10):
        rows = [scored(n, text=f"{n} " * 1000) for n in range(event, event + 10)]
        scores.add(of_objects(rows), 0)
        assert scores.snapshot().texts.nbytes < 1_100_000
    ids = [each[2] for each in shown(scores.snapshot())]
    assert ids == [f"e{n}" for n in range(1000 - len(ids), 1000)]
    assert len(ids) > 150
    assert scores.snapshot().dropped == 1000 - len(ids)
