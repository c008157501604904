"""A change of the model: the sample goes on as if the new model had embedded all events."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflow.items.fixed import Fixed, to_fixed
from dataflow.items.schemas import EVIDENCE
from dataflow.score.evidence import recalls
from dataflow.score.evidence import sample as module
from dataflow.score.evidence.candidates import make_candidates
from dataflow.score.evidence.messages import Candidates
from dataflow.settings import Score
from tests.support.evidence import DIM, WINDOW, Group, Text, embedded, options, scored, stream, whole

MINUTES = 14
NAMES = [field.name for field in EVIDENCE]
TABLES = {
    f"m {version}": np.random.default_rng(version).standard_normal((1000, DIM)).astype(np.float32)
    for version in (1, 2, 3)
}


class Model:
    """Embeds texts of ``tests.support.evidence`` by any version. ``refused``: version -> texts it refuses.

    ``served``: the versions that can be asked.
    """

    def __init__(
        self, refused: Mapping[str, Collection[int]] | None = None, served: Collection[str] = tuple(TABLES)
    ) -> None:
        self.refused, self.served = refused or {}, served
        self.asked: list[int] = []

    def __call__(self, texts: pa.Array, model: str) -> Fixed | None:
        if model not in self.served:
            return None
        numbers = [int(text.split()[1]) for text in texts.to_pylist()]
        self.asked.append(len(numbers))
        vectors = TABLES[model][numbers]
        vectors[np.isin(numbers, list(self.refused.get(model, ())))] = 0
        return to_fixed(vectors)


def of_model(number: int, texts: list[Text], score: Score, model: str) -> Candidates:
    rows = embedded(texts)
    vectors = TABLES[model][[int(text.split()[1]) for text in rows.column("text").to_pylist()]]
    at = rows.schema.get_field_index("embedding")
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), type=rows.schema.field(at).type)
    rows = rows.set_column(at, rows.schema.field(at), column)
    return replace(
        make_candidates(whole(rows, 0, number), rows, scored(rows, score), score, WINDOW), model=model
    )


def run(
    score: Score,
    models: list[str],
    seed: int = 1,
    crashes: Collection[int] = (),
    embed: Model | None = None,
    keys: str = "ab",
) -> Group:
    """``models``: of each emission."""
    group = Group(score, 0, embed=embed or Model())
    for number, texts in enumerate(stream(seed, len(models), keys)):
        group.take(of_model(number, texts, score, models[number]))
        if number in crashes:
            group.crash()
    return group


def changing(*changes: int, minutes: int = MINUTES) -> list[str]:
    return [f"m {1 + sum(minute >= change for change in changes)}" for minute in range(minutes)]


def evidence(group: Group, first: int) -> list[dict[str, Any]]:
    """The evidence of the emissions from ``first`` on."""
    return [{name: row[name] for name in ("id", *NAMES)} for row in group.rows[20 * first :]]


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(4, 10),
    st.sets(st.integers(0, MINUTES - 1)),
    st.sampled_from(["novelty", "rarity", "surge", "sum"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["ab", "abcdefghijklmnop"]),
)
def test_all_is_as_if_the_new_model_had_embedded_all_events(
    seed: int, change: int, crashes: set[int], kind: str, with_window: bool, is_alone: bool, keys: str
) -> None:
    """``is_alone``: no other column is computed. Some of 16 keys have too few events for a reference."""
    columns = ("novelty", "surge") if kind == "sum" else (kind,)
    some = {"columns": columns} if is_alone else {}
    score = options(evidence=kind, novelty_window=with_window, reference_rows=1000, **some)
    group = run(score, changing(change), seed, crashes, keys=keys)
    assert evidence(group, change) == evidence(run(score, ["m 2"] * MINUTES, seed, keys=keys), change)
    assert evidence(group, change)[0]["anomaly"] is not None
    before = run(score, ["m 1"] * change, seed, keys=keys)
    assert evidence(group, 0)[: 20 * change] == evidence(before, 0)


@pytest.mark.parametrize("columns", [("novelty", "rarity"), ("rarity",)], ids=" ".join)
def test_what_is_near_is_not_computed_again_if_no_column_needs_it(
    columns: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("this work is not needed")

    monkeypatch.setattr(recalls, "near_again", fail)
    score = options(evidence=columns[0], columns=columns, reference_rows=1000)
    group = run(score, changing(6))
    assert evidence(group, 6) == evidence(run(score, ["m 2"] * MINUTES), 6)


def test_novelty_may_begin_to_look_at_the_window_after_a_change_of_the_model() -> None:
    """With surge, the recovery store does not fix ``novelty_window``."""
    groups = []
    for models in (changing(6), ["m 2"] * MINUTES):
        score = options(reference_rows=1000, novelty_neighbours=7)
        group = Group(score, 0, embed=Model())
        for number, texts in enumerate(stream(1, MINUTES)):
            if number == 9:
                score = options(reference_rows=1000, novelty_neighbours=7, novelty_window=True)
                group.crash(score)
            group.take(of_model(number, texts, score, models[number]))
        groups.append(group)
    assert evidence(groups[0], 6) == evidence(groups[1], 6)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.sets(st.integers(0, 19)), st.sampled_from(["novelty", "score", "sum"]))
@example(1, {13, 15, 17}, "sum")
def test_restarts_change_nothing_although_the_sample_gets_thinner(
    seed: int, crashes: set[int], kind: str
) -> None:
    score = options(evidence=kind, half_life="20m", novelty_window=kind == "sum")
    models, embed = changing(3, 7, minutes=20), Model({"m 2": range(5), "m 3": range(3, 9)})
    assert run(score, models, seed, crashes, embed).rows == run(score, models, seed, (), embed).rows


def test_a_full_sample_knows_novelty_at_once_and_the_surge_of_new_events_alone() -> None:
    for kind in ("novelty", "rarity", "sum", "score"):
        score = options(evidence=kind, half_life="5m", reference_least=10)
        group = run(score, changing(10, minutes=16), keys="a")
        rows = group.rows[200:]
        assert all(row[name] is not None for row in rows for name in ("novelty", "surge", "rarity"))
        is_known = [row["anomaly"] is not None for row in rows]
        assert all(is_known) if kind in ("novelty", "rarity") else not any(is_known[:20])
        assert any(is_known)


def test_the_sample_stays_the_same() -> None:
    score = options(half_life="5m")
    embed = Model({"m 2": range(10)})
    groups = run(score, changing(8), embed=embed), run(score, ["m 1"] * MINUTES)
    changed, same = ({key: s.priority.tolist() for key, s in g.samples._keys.items()} for g in groups)
    assert changed == same
    assert sum(embed.asked) < 300


def test_refused_texts_are_left_out_and_asked_for_again_at_the_next_version() -> None:
    score = options(explain=0.0, reference_rows=1000)
    refused = {"m 2": range(30)}
    group = run(score, changing(6), embed=Model(refused))
    nearest = [r["explanation"]["nearest"] for r in group.rows[120:140] if r["explanation"]]
    assert nearest
    assert all(int(text.split()[1]) >= 30 for text in nearest)
    back = run(score, changing(6, 8), embed=Model(refused))
    assert evidence(back, 8) == evidence(run(score, ["m 3"] * MINUTES), 8)


def test_a_version_that_cannot_be_asked_leaves_the_columns_null_until_the_next_one() -> None:
    score = options(reference_rows=1000)
    group = run(score, changing(6, 7), embed=Model(served=["m 3"]))
    assert all(row["novelty"] is None for row in evidence(group, 6)[:20])
    assert evidence(group, 7) == evidence(run(score, ["m 3"] * MINUTES), 7)


@pytest.mark.parametrize("crashes", [(), range(MINUTES)])
def test_one_emission_embeds_a_part_and_nothing_is_compared_until_all_is_done(
    monkeypatch: pytest.MonkeyPatch, crashes: Collection[int]
) -> None:
    monkeypatch.setattr(module, "FULL_EVENTS", 40)
    monkeypatch.setattr(module, "RENEW_EVENTS", 30)
    score, embed = options(reference_rows=1000), Model()
    group = run(score, changing(6), crashes=crashes, embed=embed)
    assert embed.asked == [40, 40, 40]
    assert all(row[name] is None for row in evidence(group, 6)[:40] for name in NAMES)
    assert evidence(group, 8) == evidence(run(score, ["m 2"] * MINUTES), 8)


def test_events_go_on_waiting() -> None:
    score = options(reference_rows=1000)
    group = Group(score, 3 * 60_000_000, embed=Model())
    minutes = stream(1, 9)
    for number, texts in enumerate(minutes[:8]):
        group.take(of_model(number, texts, score, "m 1"))
    waiting = group.comparison._references.waiting()
    group.crash()
    group.take(of_model(8, minutes[8], score, "m 2"))
    assert waiting
    now = {key: set(priority) for key, priority, _ in group.comparison._references.waiting()}
    for key, priority, ends in waiting:
        assert set(priority[ends > 9 * 60_000_000]) <= now[key]


def test_with_restart_nothing_is_embedded_again() -> None:
    score, embed = options(model_change="restart"), Model()
    group = run(score, changing(6), embed=embed)
    assert not embed.asked
    assert all(row["anomaly"] is None for row in group.rows[120:140])
