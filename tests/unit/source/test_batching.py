"""Batches of undecoded records. How they are bounded: tests/property/test_sources.py."""

from datetime import datetime, timezone
from typing import Any

from dataflow.items.schemas import raw_schema
from dataflow.source.batching import raw_batch
from tests.support.sources import NOW


def test_a_raw_batch_has_one_row_for_each_record() -> None:
    schema = raw_schema("jsonl")
    messages: Any = {
        "message_keys": [b"k", None],
        "message_ts_ms": [5, None],
        "message_headers": [None, b"{}"],
    }
    batch = raw_batch([b"a", b"b"], [3, 9], "p", NOW, schema, **messages)
    assert batch.schema.equals(schema, check_metadata=True)
    stamp = datetime(1970, 1, 1, 0, 0, 0, 5000, tzinfo=timezone.utc)
    assert [tuple(row.values()) for row in batch.to_pylist()] == [
        (b"a", "p", 3, NOW, b"k", stamp, None),
        (b"b", "p", 9, NOW, None, None, "{}"),
    ]


def test_without_messages_their_columns_are_null() -> None:
    batch = raw_batch([b"a"], range(1), "p", NOW, raw_schema("text"))
    assert batch["message_key"].null_count == batch["message_ts"].null_count == 1
