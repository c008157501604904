"""Rows of windows get the embeddings of one version, as far as they were recorded."""

from typing import Any

import pyarrow as pa

from dataflow.backtest.versions import Versions
from dataflow.items.schemas import embedded_schema

MODELS = ["m 1", "m 2"]


def rows(*events: tuple[str, str]) -> pa.RecordBatch:
    """Events with an id and a version, at the time that the id says."""
    found: list[dict[str, Any]] = [
        {"id": id, "key": "k", "ts": int(id), "text": f"text {id}", "partition": "p", "offset": int(id)}
        | {
            "attributes": "{}",
            "model": "m",
            "model_version": version,
            "embedding": [float(id), float(version)],
        }
        for id, version in events
    ]
    return pa.RecordBatch.from_pylist(found, schema=embedded_schema(2))


def versions(*others: tuple[str, str]) -> Versions:
    return Versions(pa.Table.from_batches([rows(*others)]), MODELS)


def test_rows_of_one_version_stay_as_they_are() -> None:
    one = rows(("1", "1"), ("2", "1"))
    found, letters = versions(("1", "2")).unify(one)
    assert found is one
    assert not len(letters)


def test_the_version_that_embedded_most_events_is_taken() -> None:
    found, letters = versions(("1", "2"), ("2", "2")).unify(rows(("1", "1"), ("2", "1"), ("3", "2")))
    assert found.equals(rows(("1", "2"), ("2", "2"), ("3", "2")))
    assert not len(letters)


def test_an_event_without_an_embedding_of_this_version_is_a_dead_letter() -> None:
    found, letters = versions(("2", "2")).unify(rows(("1", "1"), ("2", "1"), ("3", "2")))
    assert found.equals(rows(("2", "2"), ("3", "2")))
    assert letters.select(["reason", "offset", "raw"]).to_pylist() == [
        {"reason": "embedding", "offset": 1, "raw": b"text 1"}
    ]


def test_the_newest_version_is_taken_of_two_that_embedded_equally_many() -> None:
    found, letters = versions().unify(rows(("1", "2"), ("2", "1")))
    assert found.column("model_version").to_pylist() == ["2"]
    assert letters.column("offset").to_pylist() == [2]
