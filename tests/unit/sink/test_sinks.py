"""Rows as JSON, and files that a resume leaves as if nothing had happened."""

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bytewax.outputs import FixedPartitionedSink
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import DriftlineError, SettingsError, SourceError
from dataflow.items import schemas
from dataflow.items.schemas import LATE, SCORED, WINDOW_SUMMARY, dead_letters
from dataflow.settings import Settings
from dataflow.settings import Sink as SinkSettings
from dataflow.settings import Source as SourceSettings
from dataflow.sink import SINKS, Stream, open_sink, paths
from dataflow.sink.encoding import IDENTITY, cut_dead_letter, json_rows, row_ids
from tests.support.paths import ROOT

T = datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=timezone.utc)
SAMPLES = {
    pa.string(): "x",
    schemas.TIMESTAMP: T,
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
    start = pa.array([at]).cast(schemas.TIMESTAMP)
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
        ("scores", SCORED, b'["x","2026-11-23T12:00:00.000005Z","x",1]'),
        ("late", LATE, b'["x","x"]'),
        ("dead_letters", schemas.DEAD_LETTER, b'["x",2]'),
        ("windows", WINDOW_SUMMARY, b'["x","2026-11-23T12:00:00.000005Z",1]'),
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
    with Path("taken").open("w") as taken:
        monkeypatch.setattr(sys, name, taken)
        part: Any = open_sink(f"{name}:", Settings(), stream="scores")
        part.build("s", 0, 1).write_batch([("k", batch(SCORED, 2)), ("k", batch(SCORED))])
    assert Path("taken").read_bytes() == json_rows(batch(SCORED))[0] * 3


@pytest.mark.parametrize("blocking", [True, False])
def test_a_slow_reader_gets_every_row(monkeypatch: pytest.MonkeyPatch, blocking: bool) -> None:
    """Standard output as ``python -u`` has it: a raw file, which may write a part, or nothing."""
    reader, writer = os.pipe()
    os.set_blocking(writer, blocking)
    taken: list[bytes] = []

    def read_slowly() -> None:
        while block := os.read(reader, 3000):
            taken.append(block)

    thread = threading.Thread(target=read_slowly)
    raw = io.FileIO(writer, "w")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(cast(Any, raw), write_through=True))
    part: Any = open_sink("stdout:", Settings(), stream="scores")
    thread.start()
    part.build("s", 0, 1).write_batch([("k", batch(SCORED, 5000))] * 4)
    sys.stdout.close()
    thread.join()
    os.close(reader)
    assert b"".join(taken).count(b"\n") == 20_000
    assert b"".join(taken) == json_rows(batch(SCORED))[0] * 20_000


READ_ONE_LINE = """
from tests.unit.sink.test_sinks import *
part = open_sink("stdout:", Settings(), stream="scores").build("s", 0, 1)
while True:
    part.write_batch([("k", batch(SCORED, 1000))])
"""


def test_a_reader_that_has_enough_ends_it_without_a_word() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
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
        (".", SourceError, ".: is a folder, no file; name another file in sink.late"),
        ("/proc/nope/x.jsonl", SourceError, "/proc/nope/x.jsonl: cannot be written"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(uri: str, error: type[DriftlineError], says: str) -> None:
    Path("a_file").touch()
    with pytest.raises(error) as caught:
        open_sink(uri, Settings(sink=SinkSettings(late=(uri,))), stream="late")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_streams_in_one_file_are_refused() -> None:
    settings = Settings(sink=SinkSettings(late=("file:./a.jsonl",), dead_letters=("a.jsonl",)))
    says = r"sink\.dead_letters=a\.jsonl: is the file of sink\.late=file:\./a\.jsonl, too"
    with pytest.raises(SettingsError, match=says):
        open_sink("file:./a.jsonl", settings, stream="late")


def test_every_sink_module_is_there() -> None:
    for module in SINKS.values():
        assert __import__(module, fromlist=["open_sink"]).open_sink


# --- who else has the file


def settings(source: str = "stdin:", **streams: tuple[str, ...]) -> Settings:
    sink = {"scores": (), "late": (), "dead_letters": (), "windows": ()} | streams
    return Settings(source=SourceSettings(uri=source), sink=SinkSettings.model_validate(sink))


@pytest.mark.parametrize(
    ("source", "streams", "says"),
    [
        ("in.jsonl", {"scores": ("in.jsonl",)}, "sink.scores=in.jsonl: is what source.uri=in.jsonl reads"),
        ("in.jsonl", {"late": ("hard.jsonl",)}, "sink.late=hard.jsonl: is what source.uri=in.jsonl reads"),
        ("in.jsonl", {"late": ("soft.jsonl",)}, "is what source.uri=in.jsonl reads"),
        ("*.jsonl", {"late": ("new.jsonl",)}, "is what source.uri=*.jsonl reads"),
        ("**/n*.jsonl", {"late": ("a/b/new.jsonl",)}, "is what source.uri=**/n*.jsonl reads"),
        ("linked/*.jsonl", {"late": ("deep/new.jsonl",)}, "is what source.uri=linked/*.jsonl reads"),
        ("p.parquet/x.csv", {"scores": ("p.parquet",)}, "is what source.uri=p.parquet/x.csv reads"),
        ("p.parquet/*", {"scores": ("p.parquet",)}, "is what source.uri=p.parquet/* reads"),
        ("stdin:", {"scores": ("a.jsonl",), "late": ("./deep/../a.jsonl",)}, "is the file of sink.scores"),
        ("stdin:", {"scores": ("in.jsonl",), "late": ("hard.jsonl",)}, "is the file of sink.scores"),
        ("stdin:", {"scores": ("in.jsonl",), "late": ("soft.jsonl",)}, "is the file of sink.scores"),
        ("stdin:", {"scores": ("deep/a",), "late": ("linked/a",)}, "is the file of sink.scores"),
        ("stdin:", {"scores": ("in.jsonl",), "late": ("{here}/in.jsonl",)}, "is the file of sink.scores"),
        ("stdin:", {"late": ("p.parquet/a",), "scores": ("p.parquet",)}, "lies in the folder of sink.scores"),
        ("stdin:", {"scores": ("a.jsonl", "file:a.jsonl")}, "=file:a.jsonl: named more than once"),
        ("stdin:", {"late": ("stdout:", "stdout:")}, "sink.late=stdout:: named more than once"),
    ],
)
def test_a_file_has_one_writer_and_no_reader(
    source: str, streams: dict[str, tuple[str, ...]], says: str, tmp_path: Path
) -> None:
    Path("in.jsonl").write_text("{}\n")
    os.link("in.jsonl", "hard.jsonl")
    os.symlink("in.jsonl", "soft.jsonl")
    Path("deep").mkdir()
    os.symlink("deep", "linked")
    Path("p.parquet").mkdir()
    Path("p.parquet/x.csv").touch()
    streams = {name: tuple(uri.format(here=tmp_path) for uri in uris) for name, uris in streams.items()}
    with pytest.raises(SettingsError) as caught:
        paths.check(settings(source, **streams))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert Path("in.jsonl").read_text() == "{}\n"


def test_files_beside_each_other_are_fine() -> None:
    uris = ("out/a.jsonl", "out/.b.jsonl", "out/c.parquet", "out/c.parquet2", "stdout:")
    paths.check(settings("out/a?.jsonl", scores=uris, late=("stdout:", "out/d.jsonl")))
    paths.check(settings("**/*.csv", scores=uris))


def test_a_sink_is_known_by_its_stream_and_uri(tmp_path: Path) -> None:
    same = {
        paths.step_id("scores", uri) for uri in ("a.jsonl", "file:./a.jsonl", f"file://{tmp_path}/a.jsonl")
    }
    (step,) = same
    assert re.fullmatch("sink_scores_[0-9a-f]{12}", step)
    others = {paths.step_id("scores", uri) for uri in ("b.jsonl", "stdout:", "stderr:", "a.parquet")}
    assert len(same | others | {paths.step_id("late", "a.jsonl")}) == 6


FILE_SINKS = ["a.jsonl", "a.parquet"]


def ids(uri: str) -> list[str]:
    if uri.endswith(".parquet"):
        return pq.read_table(uri)["id"].to_pylist() if os.listdir(uri) else []
    return [json.loads(row)["id"] for row in Path(uri).read_bytes().splitlines()]


@pytest.mark.parametrize("uri", FILE_SINKS)
def test_what_follows_a_snapshot_is_written_at_the_end_and_goes_at_a_resume(uri: str) -> None:
    part = build(uri)
    part.write_batch([batch(SCORED, id="1")])
    state = part.snapshot()
    part.write_batch([batch(SCORED, id="2")])
    part.close()
    assert ids(uri) == ["1", "2"]
    resumed = build(uri, state)
    assert ids(uri) == ["1"]
    resumed.write_batch([batch(SCORED, id="2")])
    resumed.snapshot()
    assert ids(uri) == ["1", "2"]


@pytest.mark.parametrize("uri", FILE_SINKS)
def test_another_thing_in_the_place_of_a_file_is_refused_at_once(uri: str) -> None:
    os.mkfifo(uri)
    with pytest.raises(SourceError, match=rf"^{re.escape(uri)}: is a FIFO, no f"):
        open_sink(uri, Settings(), stream="scores")


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("/dev/stdout", "/dev/stdout: is no file; write sink.scores=stdout:"),
        ("/dev/fd/2", "/dev/fd/2: is no file; write sink.scores=stderr:"),
        ("/dev/full", "/dev/full: is a device, no file"),
    ],
)
def test_a_device_is_no_file(uri: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        open_sink(uri, Settings(), stream="scores")


FULL_DISK = """
import resource, signal, sys
from tests.unit.sink.test_sinks import *
from dataflow.telemetry import logs
from dataflow.items.marks import Marked
from dataflow.sink.watched import watched
from dataflow.telemetry.guard import exit_on_error
from dataflow.telemetry.watch import Watch
logs.start(Settings().log)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
sink = watched(open_sink(sys.argv[1], Settings(), stream="scores"), Watch(guard=exit_on_error(False)))
part = sink.build_part("s", sink.list_parts()[0], None)
part.write_batch([Marked(batch(SCORED, 1000))])
part.snapshot()
"""


@pytest.mark.parametrize("uri", FILE_SINKS)
def test_no_room_left_is_one_line(uri: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FULL_DISK, uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    where = f"driftline: {tmp_path}/{uri}: cannot be written: File too large; make room or mend that"
    assert done.stderr.startswith(where)
    assert (done.stderr.count("\n"), done.returncode) == (1, 1)


# --- what Kafka gets


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
    kept = letter["raw"].encode() if "raw" in letter else base64.b64decode(letter["raw_base64"])
    assert raw.startswith(kept)
    # No more is cut than must be.
    assert len(kept) == len(raw) or len(cut) > 19_000
