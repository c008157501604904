"""Pinned events in place of sampled ones: which keys have them, and versions of the model."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.clock import NEVER
from dataflow.errors import OutageError
from dataflow.items.embedding import embeddings
from dataflow.items.fixed import to_fixed, to_unit
from dataflow.items.pinned import PINNED, pinned_schema
from dataflow.score.evidence.pinned import Pinned
from tests.support.evidence import Group, Text, candidates, embedded, options, stream

MINUTES = 10
WIDTH = 16


class Model:
    """A model of the texts of ``tests.support.evidence``; each version turns the vectors by some places."""

    def __init__(self, version: int = 1) -> None:
        self.version, self.asked = version, 0

    def name(self) -> str:
        return f"m {self.version}"

    def embed(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        self.asked += 1
        numbers = [int(text.removeprefix("text ")) for text in rows.column("text").to_pylist()]
        vectors = embeddings(embedded([Text(f"{i:04}", "a", i, n) for i, n in enumerate(numbers)]))
        unit = to_unit(to_fixed(np.roll(vectors, self.version, axis=1)))
        schema = pinned_schema(unit.shape[1])
        embedding = pa.FixedSizeListArray.from_arrays(
            pa.array(unit.reshape(-1)), type=schema.field("embedding").type
        )
        model = [pa.array([each] * len(rows), pa.string()) for each in ("m", str(self.version))]
        return pa.RecordBatch.from_arrays([*rows.columns, embedding, *model], schema=schema)


def rows(texts: int = 20, keys: str = "") -> pa.RecordBatch:
    """Texts for each of ``keys``, or for all keys."""
    made = [{"key": key or None, "text": f"text {n}"} for key in (keys or [""]) for n in range(texts)]
    return pa.RecordBatch.from_pylist(made, PINNED)


def pinned(model: Model, of: pa.RecordBatch | None = None) -> Pinned:
    return Pinned(rows() if of is None else of, model.embed, model.name, 8, WIDTH)


def run(
    made: Pinned | None,
    *,
    crashes: set[int] = frozenset(),  # type: ignore[assignment]
    versions: Callable[[int], int] = lambda _: 1,
    seed: int = 4,
    **fields: object,
) -> Group:
    score = options(reference_least=20, **fields)
    group = Group(score, pinned=made)
    for number, texts in enumerate(stream(seed, MINUTES)):
        item = candidates(number, texts, score)
        vectors = np.roll(item.events.vectors, versions(number), axis=1)
        events = replace(item.events, vectors=vectors)
        group.take(replace(item, events=events, model=f"m {versions(number)}"))
        if number in crashes:
            group.crash()
    return group


@settings(max_examples=15)
@given(st.integers(0, 1000), st.sets(st.integers(0, MINUTES - 1)))
def test_restarts_change_no_row_though_the_texts_are_embedded_again(seed: int, crashes: set[int]) -> None:
    score: dict[str, Any] = {"reference_rows": 100, "half_life": "3m", "explain": 0.0}
    undisturbed = run(pinned(Model()), seed=seed, **score).rows
    group = run(pinned(Model()), seed=seed, crashes=crashes, **score)
    assert group.rows == undisturbed
    assert any(row["anomaly"] is not None for row in undisturbed)


def test_what_is_there_from_the_start_stays_rare() -> None:
    made = run(pinned(Model(), rows(30))).rows
    for row in made:
        assert (row["novelty"] == 0) == (int(row["text"].removeprefix("text ")) < 30)
    assert any(row["novelty"] > 0 for row in made)


def test_the_anomaly_alone_is_null_until_there_are_enough_usual_values() -> None:
    made = run(pinned(Model())).rows
    assert all(np.isfinite(row[name]) for row in made for name in ("novelty", "surge", "rarity"))
    null = [row["anomaly"] is None for row in made]
    assert null == [row["p_value"] is None for row in made]
    assert all(null[:40])
    assert not all(null)


def test_a_key_without_pinned_texts_has_a_reference_of_its_own() -> None:
    mixed, alone = run(pinned(Model(), rows(keys="a"))).rows, run(None, pooled=False).rows
    for key, same in (("b", True), ("a", False)):
        of_key = [[row for row in made if row["key"] == key] for made in (mixed, alone)]
        assert (of_key[0] == of_key[1]) == same


def test_texts_are_embedded_once_for_all_groups_and_restarts() -> None:
    model = Model()
    made = pinned(model)
    run(made)
    run(made, crashes={3})
    assert model.asked == 1


def test_a_saved_embedding_is_taken_if_the_version_is_the_same() -> None:
    model = Model()
    saved = model.embed(rows())
    model.asked = 0
    assert run(pinned(model, saved)).rows == run(pinned(Model())).rows
    assert model.asked == 0


def test_another_version_embeds_the_texts_again() -> None:
    model = Model()

    def versions(number: int) -> int:
        model.version = 1 if number < 4 else 2
        return model.version

    group = run(pinned(model, model.embed(rows())), versions=versions)
    only_second = run(pinned(Model(2)), versions=lambda _: 2)
    novelty = [[row["novelty"] for row in each.rows] for each in (group, only_second)]
    known = [pair for pair in zip(*novelty, strict=True) if None not in pair]
    assert len(known) > 20
    assert all(one == other for one, other in known)
    # The saved embeddings of version 1, and once version 2.
    assert model.asked == 2


def test_rows_are_never_compared_with_another_version() -> None:
    model = Model(2)
    made = pinned(model)
    group = run(made, versions=lambda number: 1 if number < 6 else 2)
    assert all(row["novelty"] is None for row in group.rows[:120])
    assert any(row["novelty"] is not None for row in group.rows[120:])
    assert model.asked == 1


def test_the_columns_are_null_until_the_version_embeds_the_texts() -> None:
    model = Model(2)
    made = pinned(model)
    score = options(reference_least=20)
    group = Group(score, pinned=made)
    for number, texts in enumerate(stream(4, MINUTES)):
        item = candidates(number, texts, score)
        if number == 5:
            model.version = 1
        vectors = np.roll(item.events.vectors, 1, axis=1)
        group.take(replace(item, events=replace(item.events, vectors=vectors), model="m 1"))
    assert all(row["novelty"] is None for row in group.rows[:100])
    assert group.rows[100:] == run(pinned(Model())).rows[100:]


def test_an_outage_is_raised_and_the_next_call_asks_again() -> None:
    model, down = Model(), [True]

    def embed(of: pa.RecordBatch) -> pa.RecordBatch:
        if down.pop():
            raise OutageError("the server is down")
        return model.embed(of)

    made = Pinned(rows(), embed, model.name, 8, WIDTH)
    with pytest.raises(OutageError):
        made.of("a", "m 1")
    down.append(False)
    assert len(made.of("a", "m 1") or ()) == 20


def test_a_text_without_a_time_has_none_in_its_explanation() -> None:
    made = run(pinned(Model()), explain=0.0).rows
    explained = [row["explanation"] for row in made if row["explanation"]]
    assert explained
    assert all(each["nearest_ts"] is None for each in explained)
    assert all(each["sentence"].startswith("nearest of 20 pinned events: ") for each in explained)
    members = pinned(Model()).of("a", "m 1")
    assert members is not None
    assert set(members.ts.tolist()) == {NEVER}


def test_texts_that_are_all_refused_leave_no_members() -> None:
    model = Model()
    made = Pinned(rows(), lambda of: model.embed(of).slice(0, 0), model.name, 8, WIDTH)
    found = made.of("a", "m 1")
    assert found is not None
    assert not len(found)
