"""A batch that is encoded column by column is what a plain writer of one row after the other writes."""

from base64 import b64encode
from typing import Any
from unittest.mock import patch

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflow.clock import rfc3339
from dataflow.items.alerts import ALERT
from dataflow.items.drift import DRIFT
from dataflow.items.embedding import embedding_field
from dataflow.items.schemas import (
    CLUSTERS,
    DEAD_LETTER,
    LATE,
    SAMPLE_SHARE,
    SCORED,
    TIMESTAMP,
    WINDOW_SUMMARY,
)
from dataflow.sink import encoding
from dataflow.sink.encoding import IDENTITY, json_lines, json_rows, row_ids

STREAMS = [
    ("scores", SCORED),
    ("scores", pa.schema([*SCORED, SAMPLE_SHARE])),
    ("scores", pa.schema([*SCORED, embedding_field(2)])),
    ("alerts", ALERT),
    ("drift", DRIFT),
    ("late", LATE),
    ("dead_letters", DEAD_LETTER),
    ("windows", WINDOW_SUMMARY),
    ("windows", pa.schema([*WINDOW_SUMMARY, CLUSTERS])),
]
#: Each character that JSON escapes, and characters of one, two, three and four bytes in UTF-8.
CHARACTERS = "".join(map(chr, range(32))) + '"\\/u0 \x7fé€😀\u2028'
JSON_COLUMNS = ("attributes", "missed", "envelope")
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): st.text(CHARACTERS, max_size=5) | st.text(st.characters(exclude_categories=["Cs"])),
    TIMESTAMP: st.integers(-62_135_596_800_000_001, 253_402_300_799_999_999),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(),
    pa.binary(): st.binary(max_size=5) | st.text(CHARACTERS, max_size=5).map(str.encode),
    DRIFT.field("clusters").type: st.lists(
        st.fixed_dictionaries(
            {
                "cluster": st.integers(0, 99),
                "share": st.floats(0, 1),
                **{
                    name: st.none() | st.floats(0, 1)
                    for name in ("before", "p_before", "reference", "p_reference")
                },
            }
        ),
        max_size=3,
    ),
    ALERT.field("event_ids").type: st.lists(st.sampled_from(["", "a", '"é\n']), max_size=3),
    ALERT.field("examples").type: st.lists(
        st.fixed_dictionaries(
            {
                "id": st.text(CHARACTERS, max_size=5),
                "ts": st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
                "text": st.text(CHARACTERS, max_size=5),
                "anomaly": st.none() | st.floats(0, 400),
                "nearest": st.none() | st.text(CHARACTERS, max_size=5),
                "nearest_ts": st.none() | st.integers(0, 253_402_300_799_999_999),
                "explanation": st.none() | st.text(CHARACTERS, max_size=5),
            }
        ),
        max_size=3,
    ),
    CLUSTERS.type: st.lists(
        st.fixed_dictionaries(
            {
                "cluster": st.integers(0, 2**31 - 1),
                "state": st.sampled_from(["new", "gone"]),
                "share": st.floats(0, 1),
                "before": st.floats(0, 1),
                "examples": st.lists(st.text(CHARACTERS, max_size=5), max_size=2),
            }
        ),
        max_size=3,
    ),
    embedding_field(2).type: st.lists(st.floats(width=32), min_size=2, max_size=2),
}
JSON = st.sampled_from(["{}", "[]", '{"a":"\\"\\n","b":[1,null,{}]}', '{"é":"😀\\\\"}'])


def value(field: pa.Field) -> st.SearchStrategy[Any]:
    if field.nullable and field.type in (pa.string(), pa.int64()):
        return st.none() | VALUES[field.type]
    return JSON if field.name in JSON_COLUMNS else VALUES[field.type]


@st.composite
def batches(draw: st.DrawFn, schema: pa.Schema) -> pa.RecordBatch:
    """Rows of a batch with few different values in a column."""
    rows = draw(st.integers(2, 8))
    columns = []
    for field in schema:
        pool = draw(st.lists(value(field), min_size=2, max_size=3))
        values = draw(st.lists(st.sampled_from(pool), min_size=rows, max_size=rows))
        columns.append(pa.array(values, field.type))
    if draw(st.booleans()):
        columns = [c.cast(pa.large_string()) if c.type == pa.string() else c for c in columns]
    fields = [field.with_type(c.type) for field, c in zip(schema, columns, strict=True)]
    whole = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
    return whole.slice(draw(st.integers(0, 2)), draw(st.integers(0, 8)))


def plain_value(name: str, scalar: pa.Scalar) -> Any:
    if scalar.type == TIMESTAMP:
        return None if scalar.value is None else rfc3339(scalar.value)
    if name == "examples":
        return [{part: plain_value(part, each[part]) for part in each} for each in scalar]
    if name == "embedding":
        return np.array(scalar.as_py(), np.float32)
    return orjson.Fragment(scalar.as_py()) if name in JSON_COLUMNS else scalar.as_py()


def plain_row(batch: pa.RecordBatch, number: int) -> bytes:
    row = {name: plain_value(name, batch.column(name)[number]) for name in batch.schema.names}
    if "raw" in row:
        raw, envelope = row.pop("raw"), row.pop("envelope")
        try:
            row["raw"] = raw.decode()
        except UnicodeDecodeError:
            row["raw_base64"] = b64encode(raw).decode()
        row["envelope"] = envelope
    return orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n"


def plain_id(batch: pa.RecordBatch, number: int, stream: str) -> bytes:
    return orjson.dumps([plain_value(name, batch.column(name)[number]) for name in IDENTITY[stream]])


@pytest.mark.parametrize(("stream", "schema"), STREAMS)
@settings(max_examples=40)
@given(st.data())
def test_lines_rows_and_ids_are_what_a_plain_writer_writes(
    stream: str, schema: pa.Schema, data: st.DataObject
) -> None:
    batch = data.draw(batches(schema))
    rows = [plain_row(batch, number) for number in range(len(batch))]
    ids = [plain_id(batch, number, stream) for number in range(len(batch))]
    # From how many rows on the encoder looks for runs, and from how many bytes on its texts are large.
    for rows_of_runs, string_bytes in ((1000, 1 << 28), (1, 1 << 28), (1, 0)):
        with (
            patch.object(encoding, "_MIN_ROWS_OF_RUNS", rows_of_runs),
            patch.object(encoding, "_MAX_STRING_BYTES", string_bytes),
        ):
            assert json_rows(batch) == rows
            assert bytes(json_lines(batch)) == b"".join(rows)
            assert row_ids(batch, stream) == ids


@given(st.lists(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50))
@example([chr(code) for code in range(0x180)])
def test_each_character_is_escaped_as_orjson_escapes_it(characters: list[str]) -> None:
    texts = pa.array(characters)
    batch = pa.RecordBatch.from_arrays([texts], ["text"])
    assert json_rows(batch) == [orjson.dumps({"text": text}) + b"\n" for text in characters]
