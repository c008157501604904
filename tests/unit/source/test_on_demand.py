"""Files that are opened for each read, or that change while they are read."""

import gzip
import os
import resource
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import pytest

from dataflow.errors import SourceError
from tests.support.sources import build, opened, rows

#: More than is read at a time.
LARGE = (b"x" * 999 + b"\n") * 600


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many other files are open that none may stay so between two reads."""
    monkeypatch.setattr("dataflow.source.on_demand._ROOM", BoundedSemaphore(0))


@pytest.mark.parametrize("name", ["a.log", "a.log.gz"])
@pytest.mark.usefixtures("no_room")
def test_without_room_a_file_is_read_all_the_same(tmp_path: Path, name: str) -> None:
    data = b"".join(b"%d\n" % i for i in range(100_000))
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    found = rows(build(name, name))
    assert b"".join(raw + b"\n" for _, raw in found) == data


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LARGE)
    part = build("a.log", "a.log", batch_rows=1)
    rows(part, 1)
    os.truncate(tmp_path / "a.log", 10)
    with pytest.raises(SourceError, match=r"a\.log: is shorter than the \d+ bytes that were read") as caught:
        rows(part)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_room")
def test_a_file_that_goes_while_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name, other in (("a.log", None), ("b.log", LARGE)):
        path = tmp_path / "sub" / name
        path.write_bytes(LARGE)
        part = build(f"sub/{name}", f"sub/{name}", batch_rows=1)
        rows(part, 1)
        path.rename(path.with_suffix(".old"))
        if other:
            path.write_bytes(other)
        says = "was replaced by another file" if other else "No such file or directory"
        with pytest.raises(SourceError, match=rf"sub/{name}: {says}"):
            rows(part)


def test_more_files_than_a_process_may_open(tmp_path: Path) -> None:
    for n in range(1100):
        (tmp_path / f"{n:04}.log").write_bytes(b"%d a\n%d b\n" % (n, n))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, soft), hard))
    parts: list[Any] = []
    try:
        source = opened("*.log", batch_rows=1)
        for name in source.list_parts():
            parts.append(source.build_part("s", name, None))
        found = [[rows(part, 1) for part in parts] for _ in range(2)]
    finally:
        for part in parts:
            part.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found[0] == [[(0, b"%d a" % n)] for n in range(1100)]
    assert found[1] == [[(len(b"%d a\n" % n), b"%d b" % n)] for n in range(1100)]
