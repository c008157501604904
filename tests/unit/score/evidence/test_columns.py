"""Columns that ``score.columns`` does not name: they are null and cost nothing, and others do not change."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from dataflow.score.evidence import beside
from dataflow.score.evidence import candidates as made_of
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.judge import NOVELTY_QUANTILE, SURGE, judge
from dataflow.score.evidence.reference import Reference
from dataflow.settings import Score
from tests.support.evidence import MINUTE, Group, candidates, options, stream

ALL = ("novelty", "surge", "rarity")
some_columns = pytest.mark.parametrize(
    "columns", [names for size in range(4) for names in combinations(ALL, size)], ids=" ".join
)
MINUTES = 12


def with_columns(columns: tuple[str, ...], evidence: str = "score", **fields: object) -> Score:
    return options(columns=columns, evidence=evidence, **fields)


def rows(score: Score) -> list[dict[str, Any]]:
    group = Group(score)
    for minute, texts in enumerate(stream(1, MINUTES)):
        group.take(candidates(minute, texts, score))
    return group.rows


def carried_on(score: Score) -> tuple[Reference, Features]:
    """A reference as it is for the last of several windows, and the events of this window."""
    reference = Reference(
        8,
        rows=60,
        neighbours=score.novelty_neighbours,
        with_window=score.novelty_window,
        columns=score.columns,
    )
    for minute, texts in enumerate(stream(2, MINUTES, keys="a")):
        events = candidates(minute, texts, score).events
        assert reference.prepare(minute * MINUTE, (minute + 1) * MINUTE) or not minute
        if minute < MINUTES - 1:
            reference.enter(events, np.zeros(len(events), np.int64))
    return reference, events


@some_columns
@pytest.mark.parametrize("with_window", [False, True])
def test_values_of_a_column_do_not_depend_on_the_other_columns(
    columns: tuple[str, ...], with_window: bool
) -> None:
    few, every = (
        carried_on(with_columns(names, novelty_neighbours=3, novelty_window=with_window))
        for names in (columns, ALL)
    )
    for found, expected in (
        (few[0].values(few[1]), every[0].values(every[1])),
        (few[0].usual(0), every[0].usual(0)),
    ):
        for name in ALL:
            value = getattr(found, name)
            is_same = np.array_equal(value, getattr(expected, name))
            assert is_same if name in columns else np.isnan(value).all(), name


@some_columns
def test_only_the_columns_that_are_named_have_values(columns: tuple[str, ...]) -> None:
    known = [row for row in rows(with_columns(columns, explain=0.0)) if row["anomaly"] is not None]
    assert known
    for row in known:
        assert {name for name in ALL if row[name] is not None} == set(columns)
        assert 0 < row["p_value"] <= 1
        assert row["explanation"]["nearest"]


def test_novelty_can_be_switched_on_later() -> None:
    few, every = (
        with_columns(columns, "rarity", novelty_window=True, novelty_neighbours=3)
        for columns in (("rarity",), ("novelty", "rarity"))
    )
    later, always = Group(few), Group(every)
    for minute, texts in enumerate(stream(1, MINUTES)):
        if minute == MINUTES - 1:
            later.crash(every)
        later.take(candidates(minute, texts, few if minute < MINUTES - 1 else every))
        always.take(candidates(minute, texts, every))
    usual = [group.comparison._references.large["a"].usual(10) for group in (later, always)]
    assert len(usual[0])
    assert usual[0].novelty.tolist() == usual[1].novelty.tolist()


def test_rarity_makes_no_event_suspect_so_it_changes_no_other_column() -> None:
    every, few = rows(options()), rows(with_columns(("novelty", "surge"), "sum"))
    assert any(row["rarity"] for row in every)
    assert few == [row | {"rarity": None} for row in every]


@some_columns
def test_an_event_is_suspect_for_its_novelty_and_its_surge_where_they_are_known(
    columns: tuple[str, ...],
) -> None:
    score = with_columns(columns)
    reference, events = carried_on(with_columns(ALL))
    novelty, surge = reference.values(events).novelty, reference.values(events).surge
    expected = np.zeros(len(events), np.bool_)
    if "novelty" in columns:
        expected |= novelty > np.quantile(reference.usual(10).novelty, NOVELTY_QUANTILE)
    if "surge" in columns:
        expected |= surge > SURGE
    evidence = judge(*carried_on(score), (MINUTES - 1) * MINUTE, MINUTES * MINUTE, score)
    assert evidence is not None
    assert evidence.suspect.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("columns", "saved"),
    [
        (("novelty", "rarity"), [(made_of, "near"), (beside, "within")]),
        (("surge", "rarity"), [(beside, "smallest")]),
        (("rarity",), [(made_of, "near"), (beside, "squared")]),
        (("novelty", "surge"), [(beside, "_alike")]),
    ],
    ids=["surge", "novelty", "novelty and surge", "rarity"],
)
def test_the_work_for_a_column_that_is_not_named_is_saved(
    columns: tuple[str, ...], saved: list[tuple[Any, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("this work is not needed")

    for module, name in saved:
        monkeypatch.setattr(module, name, fail)
    assert any(row["anomaly"] for row in rows(with_columns(columns)))
