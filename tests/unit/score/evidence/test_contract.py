"""What evidence must be, whatever ``score.evidence`` and the neighbours of novelty are."""

import pickle
import tracemalloc
from collections.abc import Sequence
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest

from dataflow.items.schemas import EVIDENCE
from dataflow.score.evidence import near as module
from dataflow.score.evidence.candidates import make_candidates, no_candidates
from dataflow.score.evidence.compare import Compared
from dataflow.settings import Score
from tests.support.evidence import (
    DIM,
    MINUTE,
    WINDOW,
    Group,
    Text,
    candidates,
    embedded,
    options,
    scored,
    whole,
)

COLUMNS = [field.name for field in EVIDENCE]
KINDS = get_args(Score.model_fields["evidence"].annotation)
#: ``score.novelty_neighbours`` and ``score.novelty_window``.
NOVELTY = [(1, False), (5, False), (1, True), (5, True), (20, True)]
every_kind = pytest.mark.parametrize("kind", KINDS)
every_novelty = pytest.mark.parametrize("novelty", NOVELTY, ids=str)
#: The window that is looked at. Those before fill the reference.
LAST = 6


def texts(minute: int, which: Sequence[int]) -> list[Text]:
    return [Text(f"{minute}-{i:06d}", "a", minute * MINUTE + i, each) for i, each in enumerate(which)]


def usual(minute: int, n: int = 40) -> list[Text]:
    return texts(minute, np.random.default_rng(minute).integers(20, size=n).tolist())


@cache
def _pickled(score: Score) -> bytes:
    group = Group(score)
    for minute in range(LAST):
        group.take(candidates(minute, usual(minute), score))
    return pickle.dumps(group)


def after_history(score: Score) -> Group:
    """A group with the history, of its own. To unpickle one takes a fifth of the time of a deep copy."""
    group: Group = pickle.loads(_pickled(score))
    return group


def rows_of(kind: str, novelty: tuple[int, bool], last: Sequence[Text]) -> list[dict[str, Any]]:
    """The rows of a window after the history. Its events are ``last``."""
    score = options(
        evidence=kind,
        novelty_neighbours=novelty[0],
        novelty_window=novelty[1],
        reference_rows=500,
        reference_least=50,
    )
    group = after_history(score)
    group.rows.clear()
    made = candidates(LAST, last, score) if last else no_candidates(LAST, DIM, score)
    group.take(made)
    assert group.rows == [
        {name: row[name] if name in COLUMNS else value for name, value in before.items()}
        for before, row in zip(made.scored.rows.to_pylist(), group.rows, strict=True)
    ]
    return group.rows


def column(rows: Sequence[dict[str, Any]], name: str) -> list[float]:
    return [row[name] for row in rows]


@every_kind
@every_novelty
@pytest.mark.parametrize("n", [0, 1, 2, 3, 200])
@pytest.mark.parametrize("equal", [False, True], ids=["distinct", "equal"])
def test_one_finite_value_a_row_whatever_the_window(
    kind: str, novelty: tuple[int, bool], n: int, equal: bool
) -> None:
    rows = rows_of(kind, novelty, texts(LAST, [7] * n if equal else list(range(n))))
    assert len(rows) == n
    for row in rows:
        assert all(np.isfinite(row[name]) for name in COLUMNS)
        assert 0 <= row["novelty"] <= 2
        assert row["surge"] >= 0
        assert row["rarity"] >= 0
        assert 0 <= row["p_value"] <= 1
        assert row["anomaly"] >= 0
        assert np.isclose(row["p_value"], 10 ** -row["anomaly"], rtol=1e-12, atol=0)
    if equal:
        assert all(len(set(column(rows, name))) <= 1 for name in COLUMNS)
    if n < 3:
        assert not any(column(rows, "surge"))


@every_kind
def test_all_columns_are_null_or_none_is(kind: str) -> None:
    group = after_history(options(evidence=kind, reference_least=50))
    nulls = [{row[name] is None for name in COLUMNS} for row in group.rows]
    assert {True} in nulls
    assert {False} in nulls
    assert {True, False} not in nulls


@every_kind
@every_novelty
def test_a_value_belongs_to_its_event_and_not_to_its_place(kind: str, novelty: tuple[int, bool]) -> None:
    which = np.random.default_rng(1).integers(40, size=60)
    places = np.random.default_rng(2).permutation(60)
    first = rows_of(kind, novelty, texts(LAST, which.tolist()))
    moved = rows_of(kind, novelty, texts(LAST, which[places].tolist()))
    for name in COLUMNS if kind != "score" else COLUMNS[:3]:
        # A score may differ in its last bits.
        assert column(moved, name) == [column(first, name)[place] for place in places], name


@every_kind
@every_novelty
def test_equal_events_have_equal_evidence(kind: str, novelty: tuple[int, bool]) -> None:
    rows = rows_of(kind, novelty, texts(LAST, [1, 2, 900, 1, 900, 2, 1, 3]))
    for name in COLUMNS:
        found = column(rows, name)
        assert found[0] == found[3] == found[6]
        assert found[1] == found[5]
        assert found[2] == found[4]


@every_kind
@every_novelty
def test_where_all_events_are_equal_none_is_unusual(kind: str, novelty: tuple[int, bool]) -> None:
    score = options(
        evidence=kind, novelty_neighbours=novelty[0], novelty_window=novelty[1], reference_least=50
    )
    group = Group(score)
    for minute in range(LAST):
        group.take(candidates(minute, texts(minute, [5] * 40), score))
    rows = group.rows[-40:]
    assert column(rows, "novelty") == [0.0] * 40
    assert max(column(rows, "rarity")) == 0.0
    assert max(column(rows, "anomaly")) < 0.5


@pytest.mark.parametrize("kind", ["novelty", "rarity", "sum"])
@every_novelty
def test_a_stranger_is_rarer_than_all_others(kind: str, novelty: tuple[int, bool]) -> None:
    rows = rows_of(kind, novelty, [*usual(LAST), Text("z", "a", LAST * MINUTE + 50, 900)])
    for name in ("novelty", "rarity", "anomaly"):
        *others, stranger = column(rows, name)
        assert stranger > max(others), name
    assert rows[-1]["p_value"] < min(column(rows[:-1], "p_value"))


@pytest.mark.parametrize("kind", ["surge", "sum"])
@pytest.mark.parametrize("novelty", [(1, False), (5, False)], ids=str)
def test_a_burst_is_rarer_than_all_others(kind: str, novelty: tuple[int, bool]) -> None:
    burst = [Text(f"z{i}", "a", LAST * MINUTE + 50 + i, 900) for i in range(8)]
    rows = rows_of(kind, novelty, [*usual(LAST), *burst])
    for name in ("surge", "anomaly"):
        found = column(rows, name)
        assert min(found[-8:]) > max(found[:-8]), name


def test_a_higher_score_is_rarer() -> None:
    rows = rows_of("score", (1, False), usual(LAST))
    order = np.argsort(column(rows, "score"))
    assert (np.diff(np.array(column(rows, "anomaly"))[order]) >= 0).all()


def peak_of(rows: int, dim: int) -> int:
    """The most bytes that the comparison of a window with ``rows`` events takes."""
    score = options(novelty_neighbours=5, novelty_window=True)
    group = Group(score)
    for minute in range(2):
        before = embedded(usual(minute), dim)
        group.take(
            make_candidates(whole(before, emission=minute), before, scored(before, score), score, WINDOW)
        )
    large = embedded(usual(2, rows), dim)
    of_large = scored(large, score)
    tracemalloc.start()
    try:
        made = make_candidates(whole(large, emission=2), large, of_large, score, WINDOW)
        for placed in group.samples.take(made)[0]:
            (found,) = group.comparison.take(placed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(found, Compared)
    assert found.scores
    assert len(found.scores) == rows
    assert not found.scores.rows.column("anomaly").null_count
    return peak


def test_a_large_window_takes_no_more_memory_than_the_documentation_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What an event takes is the same in windows of any size; all buffers of a fixed size take little."""
    # The test is faster with fewer events to compare with. They do not change the memory of an event.
    monkeypatch.setattr(module, "SAMPLE", 100)
    dim, small, large = 64, 10_000, 20_000
    of_small, of_large = peak_of(small, dim), peak_of(large, dim)
    of_event = (of_large - of_small) / (large - small)
    assert of_event < 2 * dim + 600
    assert of_small - of_event * small < 10_000_000
