"""A folder that gets new files: each record comes once, in whatever order the files come and go."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.source.tail import cursor
from tests.support.plain import stored
from tests.support.sources import build, close_built, opened, rows

STEPS = st.one_of(
    st.tuples(st.just("arrive"), st.integers(0, 9)),
    st.tuples(st.just("remove"), st.integers(0, 9)),
    st.tuples(st.just("read"), st.integers(1, 5)),
    st.tuples(st.just("restart"), st.just(0)),
)


@given(st.lists(STEPS, min_size=20, max_size=60))
@settings(max_examples=60, deadline=None)
@pytest.mark.usefixtures("listed_at_once")
def test_each_record_comes_once(steps: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as name:
        folder, uri = Path(name), f"tail:{name}"
        part = build(uri, name, batch_rows=2)
        seen: list[tuple[int, bytes]] = []
        written: list[bytes] = []
        for step, value in steps:
            path = folder / f"{value}.log"
            if step == "arrive" and not path.exists():
                lines = [b"%d of %d" % (n, len(written)) for n in range(value % 4 + 1)]
                (folder / ".new").write_bytes(b"\n".join(lines) + b"\n")
                (folder / ".new").rename(path)
                written += lines
            elif step == "remove" and path.exists():
                seen += rows(part, 200)
                path.unlink()
            elif step == "read":
                seen += rows(part, value)
            elif step == "restart":
                state = stored(part.snapshot())
                part.close()
                part = build(uri, name, state, batch_rows=2)
        seen += rows(part, 200)
        known = part.snapshot()["finished"]
        close_built()
        assert sorted(raw for _, raw in seen) == sorted(written)
        offsets = [at for at, _ in seen]
        assert offsets == sorted(set(offsets))
        left = list(folder.iterdir())
        assert not left or len(known) <= len(left)  # an empty folder may be one that cannot be read


@pytest.mark.usefixtures("listed_at_once")
def test_files_that_somebody_is_writing_are_left_alone(tmp_path: Path) -> None:
    for name in (".a.log", "_a.log", "a.log.tmp", "a.log.part", "b.log"):
        (tmp_path / name).write_bytes(name.encode() + b"\n")
    (tmp_path / "folder").mkdir()
    assert [raw for _, raw in rows(build("tail:.?follow=false", "."))] == [b"b.log"]


@pytest.mark.usefixtures("listed_at_once")
def test_a_file_that_comes_before_what_was_read_is_read_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    zone = tmp_path / "zone"
    zone.mkdir()
    for name in ("2.log", "3.log"):
        (zone / name).write_bytes(name.encode() + b"\n")
    part = build("tail:zone", "zone")
    seen = list(rows(part, 10))
    (zone / "1.log").write_bytes(b"1.log\n")
    (zone / "10.log").write_bytes(b"10.log\n")
    seen += rows(part, 10)
    assert [raw for _, raw in seen] == [b"2.log", b"3.log", b"1.log", b"10.log"]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "zone/1.log: comes before files that were read already; reads it now"
    ]


@pytest.mark.usefixtures("listed_at_once")
def test_the_last_line_of_a_file_that_does_not_grow_any_more_needs_no_line_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zone").mkdir()
    (tmp_path / "zone/1.log").write_bytes(b"a\nb")
    part = build("tail:zone", "zone")
    assert rows(part, 10) == [(0, b"a")]
    monkeypatch.setattr(cursor, "COMPLETE_AFTER_S", 0.0)
    assert rows(part, 10) == [(2, b"b")]
    with (tmp_path / "zone/1.log").open("ab") as file:
        file.write(b"\nc\n")
    assert rows(build("tail:zone", "zone", stored(part.snapshot())), 10) == [(4, b"c")]


@pytest.mark.usefixtures("listed_at_once")
def test_a_name_that_is_used_again_for_another_content_is_a_new_file(tmp_path: Path) -> None:
    (tmp_path / "zone").mkdir()
    (tmp_path / "zone/1.log").write_bytes(b"first\n")
    part = build("tail:zone", "zone")
    assert rows(part, 10) == [(0, b"first")]
    (tmp_path / "zone/2.log").write_bytes(b"second\n")
    assert rows(part, 10) == [(6, b"second")]
    for content in (b"third\n", b"fourth\n"):  # the first is as long as the file before
        (tmp_path / "new").write_bytes(content)
        (tmp_path / "new").rename(tmp_path / "zone/1.log")
        part = build("tail:zone", "zone", stored(part.snapshot()))
        assert [raw for _, raw in rows(part, 10)] == [content.strip()]


@pytest.mark.usefixtures("listed_at_once")
def test_files_restored_from_a_backup_are_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "zone").mkdir()
    for name in ("1.log", "2.log"):
        (tmp_path / "zone" / name).write_bytes(name.encode() + b"\n")
    part = build("tail:zone", "zone")
    assert len(rows(part, 10)) == 2
    (tmp_path / "zone").rename(tmp_path / "old")
    (tmp_path / "zone").mkdir()
    for path in sorted((tmp_path / "old").iterdir(), reverse=True):
        (tmp_path / "zone" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "zone/3.log").write_bytes(b"3.log\n")
    assert rows(build("tail:zone", "zone", stored(part.snapshot())), 10) == [(12, b"3.log")]


def test_order_by_time(tmp_path: Path) -> None:
    for at, name in enumerate(("b", "c", "a")):
        (tmp_path / f"{name}.log").write_bytes(name.encode() + b"\n")
        os.utime(tmp_path / f"{name}.log", (at, at))
    for order, names in (("name", b"abc"), ("time", b"bca")):
        part = build(f"tail:*.log?follow=false&order={order}", opened("tail:*.log").list_parts()[0])
        assert b"".join(raw for _, raw in rows(part)) == names
