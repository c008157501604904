"""The pinned events of a flow: how many, which of them, and what the model says of them."""

import json
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.embed.null import NullEmbedder
from dataflow.errors import SettingsError
from dataflow.items.embedding import embeddings
from dataflow.items.fixed import of_unit, to_fixed
from dataflow.items.pinned import PINNED
from dataflow.reference.pinned import choose, embed_texts, open_pinned
from dataflow.settings import Score, Settings, Source
from tests.support.versions import Version


def rows(texts: list[str], keys: list[str | None] | None = None) -> pa.RecordBatch:
    keys = keys or [None] * len(texts)
    return pa.RecordBatch.from_pylist(
        [{"key": key, "text": text} for key, text in zip(keys, texts, strict=True)], PINNED
    )


def options(pinned: Path | str | None, least: int = 10) -> Settings:
    score = {"reference": True, "pinned": pinned and str(pinned), "reference_least": least}
    return Settings(
        score=Score.model_validate({**score, "reference_rows": 100}), source=Source(key_field="key")
    )


def write(path: Path, keys: str = "", texts: int = 12) -> Path:
    records = [
        {"text": f"text {n}"} | ({"key": key} if key else {}) for key in keys or [""] for n in range(texts)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), min_size=1), st.integers(1, 9))
def test_each_key_keeps_as_many_rows_as_it_may_in_their_order(made: list[tuple[str, str]], most: int) -> None:
    keys = [key for key, _ in made]
    texts = [f"{text} {number}" for number, (_, text) in enumerate(made)]
    chosen = choose(rows(texts, list(keys)), most)
    for key in set(keys):
        mine = [text for text, of in zip(texts, keys, strict=True) if of == key]
        kept = [row["text"] for row in chosen.to_pylist() if row["key"] == key]
        assert len(kept) == min(most, len(mine))
        assert kept == [text for text in mine if text in kept]


def test_the_choice_is_random_and_equal_texts_are_chosen_apart() -> None:
    chosen = choose(rows(["same"] * 500 + ["other"] * 500), 200).column("text").to_pylist()
    assert 70 < chosen.count("same") < 130


def test_too_few_texts_of_a_key_stop_the_start(tmp_path: Path) -> None:
    path = write(tmp_path / "pinned.jsonl", keys="ab")
    for of_key, settings in (
        (" of key 'a'", options(path, 13)),
        ("", options(write(tmp_path / "b.jsonl"), 13)),
    ):
        with pytest.raises(SettingsError) as caught:
            open_pinned(settings, NullEmbedder(8))
        assert str(caught.value) == (
            f"score.pinned={settings.score.pinned}: has 12 texts{of_key}, and needs "
            "score.reference_least=13; add texts, or lower that setting"
        )


def test_nothing_is_pinned_unless_the_setting_says_so() -> None:
    assert open_pinned(options(None), NullEmbedder(8)) is None


def test_the_members_are_embedded_by_the_model_of_the_rows(tmp_path: Path) -> None:
    embedder = NullEmbedder(8)
    made = open_pinned(options(write(tmp_path / "pinned.jsonl", keys="ab")), embedder)
    assert made
    members = made.of("a", "null 1")
    assert members is not None
    expected = to_fixed(embedder.embed([f"text {n}" for n in range(12)]).vectors)
    assert np.array_equal(members.vectors, expected)
    assert made.of("c", "null 1") is None


@pytest.mark.parametrize("dim", [4, 8])
def test_a_saved_embedding_of_another_dimension_is_made_again(tmp_path: Path, dim: int) -> None:
    saved = embed_texts(NullEmbedder(dim), rows([f"text {n}" for n in range(12)]))
    pq.write_table(pa.Table.from_batches([saved]), tmp_path / "saved.parquet")
    made = open_pinned(options(tmp_path / "saved.parquet"), NullEmbedder(8))
    assert made
    members = made.of("any", "null 1")
    assert members is not None
    assert np.array_equal(members.vectors, to_fixed(NullEmbedder(8).embed(members.texts.tolist()).vectors))


def test_the_masked_text_is_embedded_and_refused_texts_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    model = Version("1", refused="bad")
    of = pa.RecordBatch.from_pylist(
        [
            {"text": "port 1", "masked": "port <number>"},
            {"text": "bad"},
            {"text": "port 2", "masked": "port <number>"},
        ],
        PINNED,
    )
    with caplog.at_level(logging.WARNING):
        found = embed_texts(model, of)
    assert model.asked == ["port <number>", "bad"]
    assert found.column("text").to_pylist() == ["port 1", "port 2"]
    assert found.column("model_version").to_pylist() == ["1", "1"]
    one, two = of_unit(embeddings(found))
    assert np.array_equal(one, two)
    assert caplog.messages == ["the model refuses 1 pinned texts, which are left out: no"]
