"""Rows as JSON, and files that a resume leaves as if nothing had happened."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bytewax.outputs import FixedPartitionedSink

from dataflow import events
from dataflow.errors import DriftlineError, SettingsError, SourceError
from dataflow.events import LATE, SCORED, WINDOW_SUMMARY, dead_letters
from dataflow.settings import Settings
from dataflow.settings import Sink as SinkSettings
from dataflow.sinks import SINKS, Stream, open_sink
from dataflow.sinks.rows import IDENTITY, json_rows, row_ids

T = datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=timezone.utc)
SAMPLES = {
    pa.string(): "x",
    events.TIMESTAMP: T,
    pa.int32(): 1,
    pa.int64(): 2,
    pa.float64(): 0.5,
    pa.binary(): b"raw",
}


def batch(schema: pa.Schema, n: int = 1, **values: Any) -> pa.RecordBatch:
    sample = {f.name: SAMPLES[f.type] for f in schema} | {"attributes": "{}", "missed": "[]"} | values
    return pa.RecordBatch.from_pylist([{f.name: sample[f.name] for f in schema}] * n, schema=schema)


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
        '"model":"x","model_version":"x","attributes":{"b":1,"a":[null,1.0]}}\n'
    )


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
    start = pa.array([at]).cast(events.TIMESTAMP)
    rows = rows.set_column(1, SCORED.field("window_start"), start)
    assert parsed(rows)["window_start"] == text


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_null(score: float) -> None:
    assert parsed(batch(SCORED, score=score))["score"] is None


def test_a_late_row_has_its_missed_windows_as_json() -> None:
    row = parsed(batch(LATE, missed='[["a","b"]]', attributes='{"n":1}'))
    assert (row["missed"], row["attributes"], row["late_by_us"]) == ([["a", "b"]], {"n": 1}, 2)


def test_raw_is_a_string_if_it_can_be() -> None:
    utf8 = parsed(dead_letters([("malformed", "m", "p", 1, "é{".encode())]))
    assert utf8 == {"reason": "malformed", "message": "m", "partition": "p", "offset": 1, "raw": "é{"}
    binary = parsed(dead_letters([("not_utf8", "m", "p", 1, b"\xff")]))
    assert "raw" not in binary
    assert base64.b64decode(binary["raw_base64"]) == b"\xff"


@pytest.mark.parametrize(
    ("stream", "schema", "expected"),
    [
        ("scores", SCORED, b"x|2026-11-23T12:00:00.000005Z|x|1"),
        ("late", LATE, b"x|x"),
        ("dead_letters", events.DEAD_LETTER, b"x|2"),
        ("windows", WINDOW_SUMMARY, b"x|2026-11-23T12:00:00.000005Z|1"),
    ],
)
def test_the_identity_of_a_row(stream: str, schema: pa.Schema, expected: bytes) -> None:
    assert row_ids(batch(schema, 2), stream) == [expected, expected]
    assert set(IDENTITY) == {"scores", "late", "dead_letters", "windows"}


# --- sinks

_parts: list[Any] = []


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    yield
    while _parts:
        _parts.pop().close()


def build(uri: str, state: int | None = None, stream: Stream = "scores") -> Any:
    sink = open_sink(uri, Settings(), stream=stream)
    assert isinstance(sink, FixedPartitionedSink)
    (name,) = sink.list_parts()
    _parts.append(sink.build_part("s", name, state))
    return _parts[-1]


def test_a_file_is_cut_back_to_the_snapshot() -> None:
    part = build("out/deep/scores.jsonl")
    part.write_batch([batch(SCORED, id="1"), batch(SCORED, id="2")])
    length = part.snapshot()
    whole = Path("out/deep/scores.jsonl").read_bytes()
    assert length == len(whole)
    part.write_batch([batch(SCORED, id="lost")])
    resumed = build("out/deep/scores.jsonl", length)
    assert Path("out/deep/scores.jsonl").read_bytes() == whole
    resumed.write_batch([batch(SCORED, id="3")])
    assert [json.loads(row)["id"] for row in Path("out/deep/scores.jsonl").read_bytes().splitlines()] == [
        "1",
        "2",
        "3",
    ]


def test_a_start_without_a_snapshot_begins_a_new_file() -> None:
    Path("old.jsonl").write_text("old\n")
    sink = open_sink("old.jsonl", Settings(), stream="scores")
    assert Path("old.jsonl").read_text() == "old\n"  # opening must not cut: a resume may follow
    assert isinstance(sink, FixedPartitionedSink)
    build("old.jsonl")
    assert Path("old.jsonl").read_text() == ""


@pytest.mark.parametrize("remove", [True, False])
def test_a_file_shorter_than_the_snapshot_is_refused(remove: bool) -> None:
    part = build("a.jsonl")
    part.write_batch([batch(SCORED)])
    length = part.snapshot()
    if remove:
        Path("a.jsonl").unlink()
    with pytest.raises(SourceError, match=r"a\.jsonl: is shorter than what had been written"):
        build("a.jsonl", length + (not remove))


def test_parquet_files_after_the_snapshot_are_written_again() -> None:
    part = build("out/scores.parquet")
    part.write_batch([batch(SCORED, id="1")])
    assert part.snapshot() == 1
    assert part.snapshot() == 1  # nothing new, no file
    part.write_batch([batch(SCORED, id="2"), batch(SCORED, id="3")])
    assert part.snapshot() == 2
    assert pq.read_table("out/scores.parquet")["id"].to_pylist() == ["1", "2", "3"]
    resumed = build("out/scores.parquet", 1)
    assert pq.read_table("out/scores.parquet")["id"].to_pylist() == ["1"]
    resumed.write_batch([batch(SCORED, id="2")])
    resumed.snapshot()
    assert pq.read_table("out/scores.parquet")["id"].to_pylist() == ["1", "2"]
    build("out/scores.parquet")
    assert os.listdir("out/scores.parquet") == []


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_stdio(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, name, io.TextIOWrapper(buffer))
    part: Any = open_sink(f"{name}:", Settings(), stream="scores")
    part.build("s", 0, 1).write_batch([("k", batch(SCORED, 2)), ("k", batch(SCORED))])
    assert buffer.getvalue() == json_rows(batch(SCORED))[0] * 3


READ_ONE_LINE = """
from tests.unit.test_sinks import *
part = open_sink("stdout:", Settings(), stream="scores").build("s", 0, 1)
while True:
    part.write_batch([("k", batch(SCORED, 1000))])
"""


def test_a_reader_that_has_enough_ends_it_without_a_word() -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", READ_ONE_LINE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["key"] == "x"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 128 + signal.SIGPIPE


@pytest.mark.parametrize(
    ("uri", "error", "says"),
    [
        ("pigeon:x", SettingsError, "sink.late=pigeon:x: no sink 'pigeon'; there are stdout, stderr, file"),
        ("stdout:?x=1", SettingsError, "no such option 'x'"),
        ("file:", SettingsError, "write file:PATH"),
        ("a_file/x.jsonl", SourceError, "a_file/x.jsonl: cannot be written"),
        (".", SourceError, ".: cannot be written"),
        ("/proc/nope/x.jsonl", SourceError, "/proc/nope/x.jsonl: cannot be written"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(uri: str, error: type[DriftlineError], says: str) -> None:
    Path("a_file").touch()
    with pytest.raises(error) as caught:
        open_sink(uri, Settings(), stream="late")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_streams_in_one_file_are_refused() -> None:
    settings = Settings(sink=SinkSettings(late=("file:./a.jsonl",), dead_letters=("a.jsonl",)))
    with pytest.raises(SettingsError, match=r"sink\.late=a\.jsonl: named more than once"):
        open_sink("file:./a.jsonl", settings, stream="late")


def test_every_sink_module_is_there() -> None:
    for module in SINKS.values():
        assert __import__(module, fromlist=["open_sink"]).open_sink
