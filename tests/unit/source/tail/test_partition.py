"""Formats, errors, position and lag of a sequence of files."""

import gzip
import os
from pathlib import Path

import pytest

from dataflow.errors import DriftlineError, SettingsError, SourceError
from dataflow.source.lag import PartitionLag
from dataflow.telemetry.live_objects import LiveObjects
from tests.support.plain import stored
from tests.support.sources import build, opened, rows

pytestmark = pytest.mark.usefixtures("listed_at_once")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelname == "WARNING"]


def test_each_csv_file_has_its_own_header(caplog: pytest.LogCaptureFixture) -> None:
    Path("1.csv").write_bytes(b"ts,text\n1,a\n2,b\n")
    Path("2.csv.gz").write_bytes(gzip.compress(b"text,ts\nc,3"))
    Path("3.csv").write_bytes(b"\xff\nd\n")
    Path("4.csv").write_bytes(b"ts,text\n5,e\n")
    part = build("tail:*.csv*?follow=false", "*.csv*", batch_rows=1)
    found: list[tuple[bytes, bytes, int]] = []
    for restart in range(9):
        try:
            (batch,) = part.next_batch()
        except StopIteration:
            break
        header = batch.schema.metadata[b"header"]
        found.append((header, batch["raw"][0].as_py(), batch["offset"][0].as_py()))
        if restart % 2:
            part = build("tail:*.csv*?follow=false", "*.csv*", stored(part.snapshot()), batch_rows=1)
    assert found == [
        (b"ts,text", b"1,a", 8),
        (b"ts,text", b"2,b", 12),
        (b"text,ts", b"c,3", 24),
        (b"", b"d", 29),
        (b"ts,text", b"5,e", 39),
    ]
    assert "3.csv: source.uri: the CSV header cannot be read" in warnings(caplog)[0]


@pytest.mark.parametrize(
    ("uri", "error", "says"),
    [
        ("tail:", SourceError, "tail:: names no file"),
        ("tail:none/app.log", SourceError, "tail:none/app.log: no such folder: none"),
        ("tail:none/*/*.log", SourceError, "tail:none/*/*.log: no such folder: none"),
        ("tail:none/", SourceError, "tail:none/: no such folder: none"),
        ("tail:none.log?follow=false", SourceError, "tail:none.log?follow=false: no file is there"),
        ("tail:pipe", SourceError, "pipe: not a regular file"),
        ("tail:a.csv", SettingsError, "source.ts_field='ts': no such column; the CSV header has when, text"),
        ("tail:a.csv?order=size", SettingsError, "order=size: must be one of name, time"),
        ("tail://elsewhere/a", SourceError, "files are local"),
        ("tail:cut.log.gz", SourceError, "cut.log.gz: cannot be read: "),
        ("tail:" + os.fsdecode(b"caf\xe9.log"), SourceError, "the name is not UTF-8"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(uri: str, error: type[DriftlineError], says: str) -> None:
    os.mkfifo("pipe")
    Path("a.csv").write_bytes(b"when,text\n")
    Path("cut.log.gz").write_bytes(gzip.compress(os.urandom(9000))[:5000])
    with pytest.raises(error) as caught:
        rows(build(uri, opened(uri).list_parts()[0]), 5)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_lag_is_what_is_not_read_of_all_files(monkeypatch: pytest.MonkeyPatch) -> None:
    lags: LiveObjects[PartitionLag] = LiveObjects()
    monkeypatch.setattr("dataflow.source.tail.partition.LAGS", lags)
    for name in ("1.log", "2.log"):
        Path(name).write_bytes(b"x" * 99 + b"\n")
    Path("3.log.gz").write_bytes(gzip.compress(b"z\n"))
    packed = Path("3.log.gz").stat().st_size
    part = build("tail:.", ".", batch_rows=1)
    seen = []
    for _ in range(3):
        assert len(rows(part, 1)) == 1
        seen.append([lag.bytes for lag in lags])
    assert seen == [[100 + packed], [packed], [0]]


def test_what_is_added_to_a_compressed_file_that_was_read_is_said(caplog: pytest.LogCaptureFixture) -> None:
    Path("1.log.gz").write_bytes(gzip.compress(b"a\n"))
    part = build("tail:.", ".")
    assert rows(part, 3) == [(0, b"a")]
    Path("1.log.gz").write_bytes(gzip.compress(b"a\n") + gzip.compress(b"b\n"))
    Path("2.log").write_bytes(b"c\n")
    assert rows(part, 5) == [(2, b"c")]
    (said,) = warnings(caplog)
    assert said.startswith("1.log.gz: grew by 22 bytes after it was read")


def test_the_position_stays_when_a_partition_is_closed() -> None:
    Path("app.log").write_bytes(b"a\nb")
    part = build("tail:app.log?follow=false", "app.log")
    assert rows(part) == [(0, b"a"), (2, b"b")]
    state = stored(part.snapshot())
    part.close()
    assert stored(part.snapshot()) == state
    Path("app.log").write_bytes(b"a\nbb\nc\n")
    assert rows(build("tail:app.log", "app.log", state), 5) == [(3, b"b"), (5, b"c")]
