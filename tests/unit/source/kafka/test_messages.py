"""Messages as batches: headers, and messages without a value."""

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from dataflow.items.schemas import raw_schema
from dataflow.source.kafka.messages import Messages
from tests.support.kafka_fakes import Message

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
SENT: list[tuple[str, bytes | None]] = [
    ("trace", b"a"),
    ("tenant", "é".encode()),
    ("trace", b"b"),
    ("none", None),
    ("bytes", b"\xff"),
]


def headers(*names: str) -> list[Any]:
    made = Messages(raw_schema("jsonl"), lambda: NOW, names, skip_tombstones=True)
    batch = made.batch("t:0", [Message(0, headers=SENT), Message(1, headers=[("other", b"x")]), Message(2)])
    assert batch is not None
    return [each and json.loads(each) for each in batch["message_headers"].to_pylist()]


def test_the_chosen_headers_are_passed_on() -> None:
    assert headers() == [None, None, None]
    assert headers("trace", "none") == [{"trace": "b", "none": None}, None, None]
    every = {"trace": "b", "tenant": "é", "none": None, "bytes": "\\xff"}
    assert headers("*") == [every, {"other": "x"}, None]


@pytest.mark.parametrize("skip", [True, False])
def test_tombstones_are_left_out_or_empty_records(skip: bool) -> None:
    made = Messages(raw_schema("jsonl"), lambda: NOW, (), skip_tombstones=skip)
    batch = made.batch("t:0", [Message(0, value=None), Message(1, value=b"")])
    assert batch is not None
    assert batch["offset"].to_pylist() == ([1] if skip else [0, 1])
    assert (made.batch("t:0", [Message(2, value=None)]) is None) == skip
