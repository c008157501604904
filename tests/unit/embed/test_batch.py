"""Batches of events become batches with embeddings, and no window mixes versions."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.embed.base import Embedded, Embedder
from dataflow.embed.batch import embed_batches, one_version
from dataflow.embed.null import NullEmbedder
from dataflow.items.embedding import embeddings
from dataflow.items.schemas import DEAD_LETTER, EVENT, embedded_schema
from tests.support.batches import TEXTS, events
from tests.support.versions import Version


def embed_one(embedder: Embedder, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    (embedded,), dead = embed_batches(embedder, [batch])
    return embedded, dead


class Picky(NullEmbedder):
    """Refuses texts that hold "bad"; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(8)
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Embedded:
        self.asked += texts
        failed = {row: f"{text!r} is bad" for row, text in enumerate(texts) if "bad" in text}
        return Embedded(super().embed(texts).vectors, self.version, failed)


def test_embedded_batch_keeps_rows_and_adds_columns() -> None:
    batch, dead = embed_one(NullEmbedder(8), events(["b", "a", "b"]))
    assert batch.schema == embedded_schema(8)
    assert batch.select(EVENT.names).equals(events(["b", "a", "b"]))
    assert embeddings(batch).tolist() == NullEmbedder(8).embed(["b", "a", "b"]).vectors.tolist()
    assert set(batch.column("model").to_pylist()) == {"null"}
    assert set(batch.column("model_version").to_pylist()) == {"1"}
    assert dead.num_rows == 0
    assert dead.schema == DEAD_LETTER


def test_a_refused_text_becomes_a_dead_letter_with_its_position() -> None:
    batch, dead = embed_one(Picky(), events(["good", "bad \x00 ü", "good"], first=7))
    assert batch.column("offset").to_pylist() == [7, 9]
    assert dead.to_pylist() == [
        {
            "reason": "embedding",
            "message": "'bad \\x00 ü' is bad",
            "partition": "p",
            "offset": 8,
            "raw": "bad \x00 ü".encode(),
            "envelope": '{"format":"event","id":"p:8","key":"all","ts":"1970-01-01T00:00:00.000001Z",'
            '"attributes":{}}',
        }
    ]


def test_the_masked_text_is_embedded_where_there_is_one() -> None:
    embedder = Picky()
    rows = events(["port 1", "port 2", "port", "1"], masked=["port <n>", "port <n>", None, ""])
    batch, _ = embed_one(embedder, rows)
    assert sorted(embedder.asked) == ["", "port", "port <n>"]
    assert embeddings(batch)[0].tolist() == embeddings(batch)[1].tolist()
    assert batch.select(EVENT.names).equals(rows)


def test_a_dead_letter_keeps_the_text_itself() -> None:
    batch, dead = embed_one(Picky(), events(["bad 1", "good 1", "bad 2"], masked=["bad", "good", None]))
    assert batch.column("masked").to_pylist() == ["good"]
    assert dead.column("raw").to_pylist() == [b"bad 1", b"bad 2"]


def test_equal_texts_are_embedded_once_over_all_batches() -> None:
    embedder = Picky()
    embed_batches(embedder, [events(["a", "b", "a"]), events([]), events(["b", "c"])])
    assert sorted(embedder.asked) == ["a", "b", "c"]


@pytest.mark.parametrize("batches", [[], [events([])], [events([]), events([])]])
def test_nothing_in_nothing_out(batches: list[pa.RecordBatch]) -> None:
    embedder = Picky()
    embedded, dead = embed_batches(embedder, batches)
    assert [batch.num_rows for batch in embedded] == [0] * len(batches)
    assert all(batch.schema == embedded_schema(8) for batch in embedded)
    assert dead.num_rows == 0
    assert embedder.asked == []


@given(st.lists(st.lists(st.one_of(TEXTS, st.sampled_from(["bad", "bad too", "x"])), max_size=8), max_size=5))
def test_every_row_ends_in_one_place_with_its_own_vector(lists: list[list[str]]) -> None:
    firsts = np.cumsum([0, *map(len, lists)])[:-1]
    batches = [events(texts, int(first)) for texts, first in zip(lists, firsts, strict=True)]
    embedded, dead = embed_batches(Picky(), batches)
    for batch, texts in zip(embedded, lists, strict=True):
        good = [text for text in texts if "bad" not in text]
        assert batch.column("text").to_pylist() == good
        assert embeddings(batch).tolist() == NullEmbedder(8).embed(good).vectors.tolist()
    offsets = [offset for batch in embedded for offset in batch.column("offset").to_pylist()]
    assert sorted(offsets + dead.column("offset").to_pylist()) == list(range(sum(map(len, lists))))


def test_a_slice_of_a_batch_is_embedded_as_that_slice() -> None:
    batch, _ = embed_one(NullEmbedder(8), events(["a", "b", "c", "d"]).slice(1, 2))
    assert batch.column("text").to_pylist() == ["b", "c"]
    assert embeddings(batch).tolist() == NullEmbedder(8).embed(["b", "c"]).vectors.tolist()


def window(*parts: tuple[Version, list[str]]) -> pa.RecordBatch:
    batches, first = [], 0
    for embedder, texts in parts:
        rows = embed_one(embedder, events(texts))[0]
        offset = [pa.array([f"p:{first + i:03}" for i in range(len(rows))])]
        batches.append(pa.RecordBatch.from_arrays(offset + rows.columns[1:], schema=rows.schema))
        first += len(rows)
    return pa.concat_batches(batches)


def test_a_window_of_one_version_is_left_as_it_is() -> None:
    old, new = Version("1"), Version("2")
    rows = window((old, ["a", "b"]))
    uniform, dead = one_version(new, rows)
    assert uniform is rows
    assert dead.schema == DEAD_LETTER
    assert new.asked == []


def test_a_window_that_would_mix_is_embedded_again_where_it_is_old() -> None:
    old, new = Version("1"), Version("2")
    rows = window((old, ["a", "b", "a"]), (new, ["c", "a"]))
    new.asked.clear()
    uniform, dead = one_version(new, rows)
    assert sorted(new.asked) == ["a", "b"]
    assert set(uniform.column("model_version").to_pylist()) == {"2"}
    assert len(dead) == 0
    by_id = {row["id"]: row for row in uniform.to_pylist()}
    assert {id: row["text"] for id, row in by_id.items()} == dict(
        zip(rows.column("id").to_pylist(), rows.column("text").to_pylist(), strict=True)
    )
    assert embeddings(uniform).tolist() == new.embed(uniform.column("text").to_pylist()).vectors.tolist()
    order = [(row["ts"], row["id"]) for row in uniform.to_pylist()]
    assert order == sorted(order)


def test_the_masked_text_is_embedded_again_and_a_refused_row_keeps_its_text() -> None:
    old, new = Version("1"), Version("2", refused="x <n>")
    rows = events(["a 1", "a 2", "x 3", "b"], masked=["a <n>", "a <n>", "x <n>", None])
    mixed = pa.concat_batches([embed_one(old, rows)[0], embed_one(new, events(["c"], first=4))[0]])
    new.asked.clear()
    uniform, dead = one_version(new, mixed)
    assert sorted(new.asked) == ["a <n>", "b", "x <n>"]
    assert sorted(uniform.column("text").to_pylist()) == ["a 1", "a 2", "b", "c"]
    assert sorted(uniform.column("masked").to_pylist(), key=str) == [None, None, "a <n>", "a <n>"]
    assert dead.column("raw").to_pylist() == [b"x 3"]


def test_rows_of_the_version_in_use_win_even_if_it_is_the_lower_one() -> None:
    uniform, _ = one_version(Version("1"), window((Version("2"), ["a"]), (Version("1"), ["b"])))
    assert set(uniform.column("model_version").to_pylist()) == {"1"}


def test_what_the_newer_version_refuses_becomes_a_dead_letter() -> None:
    rows = window((Version("1"), ["a", "b"]), (Version("2"), ["c"]))
    uniform, dead = one_version(Version("2", refused="a"), rows)
    assert sorted(uniform.column("text").to_pylist()) == ["b", "c"]
    assert dead.column("raw").to_pylist() == [b"a"]


def test_a_change_of_version_while_a_window_is_embedded_again_starts_again() -> None:
    rows = window((Version("1"), ["a"]), (Version("2"), ["b"]))
    embedder = Version("2")
    embedder.becomes = "3"
    uniform, _ = one_version(embedder, rows)
    assert uniform.column("model_version").to_pylist() == ["3", "3"]


def test_a_window_of_an_old_version_alone_is_embedded_again_if_the_newest_is_wanted() -> None:
    old, new = Version("1"), Version("2")
    rows = window((old, ["a", "b"]))
    uniform, _ = one_version(new, rows, newest=True)
    assert uniform.column("model_version").to_pylist() == ["2", "2"]
    assert embeddings(uniform).tolist() == new.embed(["a", "b"]).vectors.tolist()
    assert one_version(new, uniform, newest=True)[0] is uniform
