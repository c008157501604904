"""What a log may do that cannot be made up for is said; what can be made up for is."""

import gzip
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from tests.support.plain import stored
from tests.support.rotated_logs import RotatedLog
from tests.support.sources import build, rows

pytestmark = pytest.mark.usefixtures("listed_at_once")
LOG = Path("app.log")


def append(data: bytes, path: Path = LOG) -> None:
    with path.open("ab") as file:
        file.write(data)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelname == "WARNING"]


def test_a_log_that_appears_later_is_awaited() -> None:
    part = build("tail:app.log", "app.log")
    assert rows(part, 5) == []
    part = build("tail:app.log", "app.log", stored(part.snapshot()))
    append(b"a\nb")
    assert rows(part, 5) == [(0, b"a")]
    append(b"c\n")
    assert rows(part, 5) == [(2, b"bc")]


def test_logs_rotated_before_the_first_start_are_not_read() -> None:
    for path in ("app.log.1", "app.log.2.gz", "app.log-20260302"):
        Path(path).write_bytes(gzip.compress(b"old\n") if path.endswith("gz") else b"old\n")
    append(b"new\n")
    part = build("tail:app.log", "app.log")
    assert rows(part, 5) == [(0, b"new")]
    Path("app.log.1").write_bytes(b"old\nand more\n")  # a program that still has it open
    assert rows(part, 5) == [(4, b"and more")]


@pytest.mark.parametrize("suffix", [".1", "-20260302", ".2026-03-02", ".1.gz", "-20260302.zst"])
def test_a_log_rotated_while_nobody_reads_is_found_again(suffix: str) -> None:
    append(b"a\nb\n")
    part = build("tail:app.log", "app.log", batch_rows=1)
    assert rows(part, 1) == [(0, b"a")]
    state = stored(part.snapshot())
    data = LOG.read_bytes() + b"c\nd"
    packed = {".gz": gzip.compress(data), "zst": pa.compress(data, "zstd", asbytes=True)}
    if suffix[-3:] in packed:
        LOG.unlink()
        Path(f"app.log{suffix}").write_bytes(packed[suffix[-3:]])
    else:
        append(b"c\nd")
        LOG.rename(f"app.log{suffix}")
    append(b"e\n")
    assert rows(build("tail:app.log", "app.log", state), 10) == [(2, b"b"), (4, b"c"), (6, b"d"), (7, b"e")]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_truncated_log_without_a_copy_is_read_from_its_start_and_said(
    restarted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    append(b"a\nb\nc")
    part = build("tail:app.log", "app.log", batch_rows=1)
    assert rows(part, 2) == [(0, b"a"), (2, b"b")]
    LOG.write_bytes(b"new and longer than the old\n")
    if restarted:
        part = build("tail:app.log", "app.log", stored(part.snapshot()))
        assert rows(part, 5) == [(4, b"new and longer than the old")]
        assert "app.log: was read to byte 4 before the restart" in warnings(caplog)[0]
        assert "at least 1 bytes after them are lost" in warnings(caplog)[0]
    else:
        assert rows(part, 5) == [(4, b"c"), (5, b"new and longer than the old")]
        assert "app.log: was truncated, and no copy of it is there; what was written" in warnings(caplog)[0]
    assert len(warnings(caplog)) == 1


def test_a_log_that_is_gone_after_a_restart_is_said(caplog: pytest.LogCaptureFixture) -> None:
    append(b"a\nb\n")
    part = build("tail:app.log", "app.log", batch_rows=1)
    rows(part, 1)
    state = stored(part.snapshot())
    LOG.unlink()
    append(b"other\n")
    assert rows(build("tail:app.log", "app.log", state), 5) == [(2, b"other")]
    (said,) = warnings(caplog)
    assert "was read to byte 2 before the restart" in said
    assert "at least 2 bytes after them are lost" in said


def test_a_removed_log_is_read_to_its_end() -> None:
    append(b"a\n")
    part = build("tail:app.log", "app.log")
    assert rows(part, 3) == [(0, b"a")]
    append(b"b\nc")
    LOG.unlink()
    assert rows(part, 3) == [(2, b"b")]
    append(b"d\n")
    assert rows(part, 5) == [(4, b"c"), (5, b"d")]


def test_a_rotated_log_that_grows_after_all_is_read_on(caplog: pytest.LogCaptureFixture) -> None:
    append(b"a\n")
    part = build("tail:app.log", "app.log")
    rows(part, 3)
    LOG.rename("app.log.1")
    append(b"b\n")
    assert rows(part, 5) == [(2, b"b")]
    append(b"late\n", Path("app.log.1"))
    append(b"c\nd")
    part = build("tail:app.log", "app.log", stored(part.snapshot()))
    assert rows(part, 9) == [(4, b"c"), (6, b"late")]
    append(b"e\n")
    assert rows(part, 9) == [(11, b"de")]
    assert warnings(caplog) == ["app.log.1: grew by 5 bytes after a newer file was begun; reads them now"]


def test_a_copy_of_a_log_is_not_read_again() -> None:
    append(b"a\nb\n")
    part = build("tail:app.log*", "app.log*")
    assert rows(part, 3) == [(0, b"a"), (2, b"b")]
    Path("app.log.1").write_bytes(b"a\n")  # a copy that is being made
    assert rows(part, 3) == []
    shutil.copyfile(LOG, "app.log.1")
    assert rows(part, 3) == []
    append(b"c\n")
    part = build("tail:app.log*", "app.log*", stored(part.snapshot()))
    assert rows(part, 3) == [(4, b"c")]
    LOG.rename("app.log.2")
    append(b"d\n")
    assert rows(part, 5) == [(6, b"d")]


def test_a_link_to_the_newest_log_is_followed() -> None:
    Path("logs").mkdir()
    append(b"a\n", Path("logs/0.log"))
    LOG.symlink_to("logs/0.log")
    part = build("tail:app.log", "app.log", batch_rows=1)
    assert rows(part, 1) == [(0, b"a")]
    append(b"b\n", Path("logs/0.log"))
    Path("logs/0.log").rename("logs/0.log.20260302-120000")
    append(b"c\n", Path("logs/0.log"))
    state = stored(part.snapshot())
    assert rows(part, 5) == [(2, b"b"), (4, b"c")]
    assert rows(build("tail:app.log", "app.log", state), 5) == [(2, b"b"), (4, b"c")]


def test_a_rotation_between_a_listing_and_the_reading_changes_nothing() -> None:
    log = RotatedLog(LOG)
    for text in (b"a", b"b", b"c", b"d"):
        log.write(text * 1000 + b"\n")
        log.rename()
    log.write(b"e\n")
    part = build("tail:app.log*?follow=false", "app.log*", batch_rows=1)
    seen = list(rows(part, 1))
    log.rename()
    assert [*seen, *rows(part)] == log.expected()
