"""Rows of each stream, for tests of all sinks."""

import json
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa

from dataflow.items.alerts import ALERT
from dataflow.items.drift import DRIFT
from dataflow.items.schemas import CLUSTERS, DEAD_LETTER, LATE, SCORED, TIMESTAMP, WINDOW_SUMMARY
from dataflow.sink import Stream
from dataflow.sink.encoding import json_rows

SCHEMAS: dict[Stream, pa.Schema] = {
    "scores": SCORED,
    "alerts": ALERT,
    "drift": DRIFT,
    "late": LATE,
    "dead_letters": DEAD_LETTER,
    "windows": pa.schema([*WINDOW_SUMMARY, CLUSTERS]),
}
#: A field of each schema that is no part of a row's identity.
NUMBERED: dict[Stream, str] = {
    "scores": "cluster",
    "alerts": "count",
    "drift": "rows",
    "late": "offset",
    "dead_letters": "message",
    "windows": "rows",
}
VALUES: dict[pa.DataType, Any] = {
    pa.string(): "[]",
    TIMESTAMP: datetime(2026, 11, 23, 12, tzinfo=timezone.utc),
    pa.int32(): 1,
    pa.int64(): 2,
    pa.float64(): 0.5,
    pa.binary(): b"raw",
    ALERT.field("event_ids").type: ["a", "é"],
    ALERT.field("examples").type: [
        {
            "id": "a",
            "ts": datetime(2026, 11, 23, 12, tzinfo=timezone.utc),
            "text": "é",
            "anomaly": 3.5,
            "nearest": None,
            "nearest_ts": None,
            "explanation": None,
        }
    ],
    DRIFT.field("clusters").type: [
        {
            "cluster": 1,
            "share": 1.0,
            "before": 0.5,
            "p_before": 0.25,
            "reference": None,
            "p_reference": None,
        }
    ],
    CLUSTERS.type: [{"cluster": 1, "state": "new", "share": 1.0, "before": 0.0, "examples": ["a", "é"]}],
}


def batch(stream: Stream, *numbers: int, field: str | None = None) -> pa.RecordBatch:
    """Rows that differ in one ``field``; by default one that is no part of the identity."""
    schema, field = SCHEMAS[stream], field or NUMBERED[stream]
    row = {each.name: VALUES[each.type] for each in schema}
    values = pa.array(numbers).cast(schema.field(field).type).to_pylist()
    return pa.RecordBatch.from_pylist([row | {field: value} for value in values], schema=schema)


def parsed(*batches: pa.RecordBatch) -> list[Any]:
    return [json.loads(row) for each in batches for row in json_rows(each)]
