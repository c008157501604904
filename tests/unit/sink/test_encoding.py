"""Rows as JSON, the identity of a row, and dead letters that are cut."""

import base64
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.clock import rfc3339
from dataflow.items import schemas
from dataflow.items.alerts import ALERT
from dataflow.items.drift import DRIFT
from dataflow.items.schemas import LATE, SCORED, WINDOW_SUMMARY, dead_letters
from dataflow.sink.encoding import IDENTITY, cut_dead_letter, json_lines, json_rows, row_ids
from tests.support.batches import TIME
from tests.support.batches import filled as batch


def parsed(rows: pa.RecordBatch) -> Any:
    (row,) = json_rows(rows)
    assert row.endswith(b"\n")
    return json.loads(row)


def test_a_scored_row() -> None:
    attributes = '{"b":1,"a":[null,1.0]}'
    (row,) = json_rows(batch(SCORED, id="i", text='"é\n', attributes=attributes))
    assert row.decode() == (
        '{"key":"x","window_start":"2026-11-23T12:00:00.000005Z","window_end":"2026-11-23T12:00:00.000005Z",'
        '"revision":1,"id":"i","ts":"2026-11-23T12:00:00.000005Z","text":"\\"é\\n","score":0.5,"cluster":1,'
        '"model":"x","model_version":"x","attributes":{"b":1,"a":[null,1.0]},'
        '"partition":"x","offset":2}\n'
    )


def test_a_row_is_the_same_in_a_batch_of_many_keys_and_alone() -> None:
    rows = [
        batch(SCORED, 400, key=key, revision=revision, model=model)
        for key, revision, model in (("a", 0, "m"), ("b", 0, "m"), ("b", 1, "m"), ("b", 1, "n"))
    ]
    whole = pa.concat_batches(rows)
    expected = [json_rows(each.slice(0, 1))[0] for each in rows for _ in range(400)]
    assert len(set(expected)) == 4
    assert json_rows(whole) == expected
    assert bytes(json_lines(whole)) == b"".join(expected)


def test_an_embedding_is_a_list_of_its_float32_numbers() -> None:
    rows = batch(SCORED, 2)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.array([0, 0.1, 0.25, 1], np.float32)), 2)
    rows = rows.append_column(pa.field("embedding", vectors.type), vectors)
    assert [json.loads(row)["embedding"] for row in json_rows(rows)] == [[0, 0.1], [0.25, 1]]
    assert [json.loads(row)["embedding"] for row in json_rows(rows.slice(1))] == [[0.25, 1]]


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
        (-62_135_596_800_000_001, "0000-12-31T23:59:59.999999Z"),  # no datetime, but a window may start there
        (-1, "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_times(at: int, text: str) -> None:
    rows = batch(SCORED)
    start = pa.array([at]).cast(schemas.TIMESTAMP)
    rows = rows.set_column(1, SCORED.field("window_start"), start)
    assert parsed(rows)["window_start"] == text


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_null(score: float) -> None:
    assert parsed(batch(SCORED, score=score))["score"] is None


@pytest.mark.parametrize("anomaly", [None, 2.5])
def test_evidence_that_is_not_known_is_null(anomaly: float | None) -> None:
    schema = pa.schema([*SCORED, *schemas.EVIDENCE])
    row = parsed(batch(schema, anomaly=anomaly, novelty=None))
    assert (row["anomaly"], row["novelty"], row["surge"]) == (anomaly, None, 0.5)


def test_an_explanation_is_an_object_and_its_time_is_rfc_3339() -> None:
    values = {"nearest": 'a "b"', "similarity": 0.5, "new": ["x"], "missing": [], "seen": 1, "sentence": "s"}
    schema = pa.schema([*SCORED, schemas.EXPLANATION])
    row = parsed(batch(schema, explanation=values | {"nearest_ts": TIME}))
    assert row["explanation"] == values | {"nearest_ts": "2026-11-23T12:00:00.000005Z"}
    assert parsed(batch(schema, explanation=None))["explanation"] is None


def test_clusters_are_a_list_of_objects() -> None:
    cluster = {"cluster": 3, "state": "new", "share": 0.25, "before": 0.0, "examples": ['a "b"', "é"]}
    gone = {"cluster": 1, "state": "gone", "share": 0.0, "before": 1.0, "examples": []}
    rows = batch(pa.schema([*WINDOW_SUMMARY, schemas.CLUSTERS]), clusters=[cluster, gone])
    assert parsed(rows)["clusters"] == [cluster, gone]


def test_a_late_row_has_its_missed_windows_as_json() -> None:
    row = parsed(batch(LATE, missed='[["a","b"]]', attributes='{"n":1}'))
    assert (row["missed"], row["attributes"], row["late_by_us"]) == ([["a", "b"]], {"n": 1}, 2)


def test_raw_is_a_string_if_it_can_be() -> None:
    utf8 = parsed(dead_letters([("malformed", "m", "p", 1, "é{".encode())]))
    assert utf8 == {
        "reason": "malformed",
        "message": "m",
        "partition": "p",
        "offset": 1,
        "raw": "é{",
        "envelope": {},
    }
    binary = parsed(dead_letters([("not_utf8", "m", "p", 1, b"\xff")]))
    assert "raw" not in binary
    assert base64.b64decode(binary["raw_base64"]) == b"\xff"


@pytest.mark.parametrize(
    ("stream", "schema", "expected"),
    [
        ("scores", SCORED, b'["x","2026-11-23T12:00:00.000005Z","x",1]'),
        ("alerts", ALERT, b'["x",1]'),
        ("drift", DRIFT, b'["x","2026-11-23T12:00:00.000005Z","2026-11-23T12:00:00.000005Z",1]'),
        ("late", LATE, b'["x","x"]'),
        ("dead_letters", schemas.DEAD_LETTER, b'["x",2]'),
        ("windows", WINDOW_SUMMARY, b'["x","2026-11-23T12:00:00.000005Z",1]'),
    ],
)
def test_the_identity_of_a_row(stream: str, schema: pa.Schema, expected: bytes) -> None:
    assert row_ids(batch(schema, 2), stream) == [expected, expected]
    assert set(IDENTITY) == {"scores", "alerts", "drift", "late", "dead_letters", "windows"}


@given(st.lists(st.tuples(*[st.text('|a"', max_size=3)] * 2), min_size=20, unique=True))
def test_distinct_identities_have_distinct_keys(identities: list[tuple[str, str]]) -> None:
    rows = [batch(LATE, key=key, id=id) for key, id in identities]
    assert len({row_ids(row, "late")[0] for row in rows}) == len(identities)


@given(
    raw=st.binary(max_size=300) | st.text('\x00"\\aé😀', max_size=300).map(str.encode),
    times=st.sampled_from([1, 50, 2000]),
    message=st.sampled_from(["m", "m" * 50_000]),
)
def test_a_dead_letter_is_cut_to_what_a_broker_takes(raw: bytes, times: int, message: str) -> None:
    raw *= times
    (row,) = json_rows(dead_letters([("malformed", message, "p", 1, raw)]))
    row = row.removesuffix(b"\n")
    cut = cut_dead_letter(row, 20_000)
    assert len(cut) <= 20_000
    if len(row) <= 20_000:
        assert cut == row
        return
    letter = json.loads(cut)
    assert letter["raw_bytes"] == len(raw)
    assert "envelope" not in letter
    kept = letter["raw"].encode() if "raw" in letter else base64.b64decode(letter["raw_base64"])
    assert raw.startswith(kept)
    # No more is cut than must be.
    assert len(kept) == len(raw) or len(cut) > 19_000


@given(st.lists(st.integers(-62_135_596_800_000_001, 253_402_300_799_999_999), min_size=1))
def test_times_are_written_as_the_clock_writes_them(times_us: list[int]) -> None:
    """``dataflow.clock.rfc3339`` writes one time, the sinks a column of times: the texts are equal."""
    rows = batch(SCORED, len(times_us))
    rows = rows.set_column(1, SCORED.field("window_start"), pa.array(times_us).cast(schemas.TIMESTAMP))
    assert [json.loads(row)["window_start"] for row in json_rows(rows)] == list(map(rfc3339, times_us))
