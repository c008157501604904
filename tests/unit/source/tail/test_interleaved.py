"""Each record of a log comes once and in order, although the log is rotated between any two system calls."""

import builtins
import hashlib
import io
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.source.tail import marks
from tests.support.plain import stored
from tests.support.rotated_logs import RotatedLog, Rotation
from tests.support.sources import build, close_built, rows

#: Lines to write, or a rotation.
ACTIONS = st.one_of(
    st.integers(1, 3),
    st.tuples(st.sampled_from(["rename", "truncate"]), st.booleans()),
)
#: The system calls of the reader before the next steps of the writer, and how many steps it then does. A
#: listing takes fewer calls than the writer leaves it. With three steps, a log could be copied, truncated and
#: written again to the same size between two calls, which nobody can see.
TURNS = st.tuples(st.integers(8, 40), st.integers(1, 2))


def line(number: int) -> bytes:
    """A line as no other; a log has a time in each."""
    return hashlib.sha1(b"%d" % number).hexdigest()[:14].encode() + b"\n"


def written(log: RotatedLog, actions: list[int | tuple[Rotation, bool]]) -> Iterator[None]:
    """Do the actions, and yield before each change of a file."""
    number = 0
    for action in actions:
        if isinstance(action, int):
            for _ in range(action):
                yield
                log.write(line(number))
                number += 1
        else:
            yield from log.rotate(*action)


class Interleaved:
    """Lets a writer go on between the system calls of a reader."""

    def __init__(self, writer: Iterator[None], turns: list[tuple[int, int]], folder: Path) -> None:
        self._writer, self._turns, self._folder = writer, iter(turns), folder
        self._writes = False
        self._take_turn()

    def _take_turn(self) -> None:
        self._calls, self._steps = next(self._turns, (-1, 0))

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            self._go_on()
            return call(*args, **options)

        return wrapped

    def _go_on(self) -> None:
        if self._writes or self._calls < 0:
            return
        self._calls -= 1
        if self._calls < 0:
            self._write(self._steps)
            self._take_turn()

    def _write(self, steps: int) -> None:
        self._writes = True
        for _ in range(steps):
            next(self._writer, None)
            self._hold()
        self._writes = False

    def _hold(self) -> None:
        """Link each file from another folder, so that no inode number is used again."""
        for path in self._folder.glob("logs/*"):
            with suppress(FileExistsError):
                os.link(path, self._folder / str(path.stat().st_ino))

    def finish(self) -> None:
        self._calls, self._writes = -1, True
        deque(self._writer, maxlen=0)


def interrupt(patch: pytest.MonkeyPatch, before: Callable[[Callable[..., Any]], Any]) -> None:
    """Make ``before`` of each system call of the reader what the reader calls."""
    for call in ("stat", "listdir", "scandir", "open", "pread", "fstat"):
        patch.setattr(os, call, before(getattr(os, call)))
    patch.setattr(builtins, "open", before(open))
    patch.setattr(marks, "FileIO", before(io.FileIO))


@given(
    actions=st.lists(ACTIONS, min_size=4, max_size=20),
    turns=st.lists(TURNS, max_size=30),
    crashes=st.sets(st.integers(1, 12)),
)
@settings(max_examples=500, deadline=None)
@pytest.mark.usefixtures("listed_at_once")
def test_each_record_comes_once_and_in_order(
    actions: list[int | tuple[Rotation, bool]], turns: list[tuple[int, int]], crashes: set[int]
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        name = f"{folder}/logs/app.log*"
        Path(folder, "logs").mkdir()
        log = RotatedLog(Path(folder, "logs/app.log"))
        interleaved = Interleaved(written(log, actions), turns, Path(folder))
        interrupt(patch, interleaved.before)
        part = build(f"tail:{name}", name, batch_rows=3)
        seen: list[tuple[int, bytes]] = []
        for turn in range(12):
            if turn in crashes:
                state = stored(part.snapshot())
                part.close()
                part = build(f"tail:{name}", name, state, batch_rows=3)
            seen += rows(part, 2)
        interleaved.finish()
        for _ in range(3 * len(log.generations) + 3):
            seen += rows(part, 5)
        close_built()
        assert seen == log.expected()


class Restless:
    """Puts a copy in the place of a file before each system call of a reader, while ``moves`` is true."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.moves = False
        self._copies = 0

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            if self.moves:
                self.moves = False
                self._move()
                self.moves = True
            return call(*args, **options)

        return wrapped

    def _move(self) -> None:
        self._copies += 1  # the copies before stay, so that no inode number is used again
        held = self._path.parent.parent / f"{self._copies}"
        os.link(self._path, held)
        copy = held.with_suffix(".new")
        shutil.copyfile(self._path, copy)
        copy.replace(self._path)


@pytest.mark.parametrize("moved", ["1.log", "3.log"])
@pytest.mark.usefixtures("listed_at_once")
def test_files_that_move_without_rest_are_read_when_they_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, moved: str
) -> None:
    zone = tmp_path / "zone"
    zone.mkdir()
    lines = [line(number) for number in range(9)]
    (zone / "1.log").write_bytes(lines[0] + lines[1])
    (zone / "2.log").write_bytes(lines[2])
    restless = Restless(zone / moved)
    interrupt(monkeypatch, restless.before)
    part = build(f"tail:{zone}", str(zone))
    seen = list(rows(part, 20))
    assert len(seen) == 3
    (zone / "3.log").write_bytes(lines[5] + lines[6])
    (zone / "4.log").write_bytes(lines[7] + lines[8])
    restless.moves = True
    for added in lines[3:5]:  # the open file is read on
        with (zone / "2.log").open("ab") as file:
            file.write(added)
        seen += rows(part, 2)  # the line, and a poll that looks for files
        assert seen[-1][1] + b"\n" == added
    restless.moves = False
    said = [record.message for record in caplog.records if "moved whenever" in record.message]
    assert len(said) == 1
    assert said[0].startswith(
        f"{zone}: files are moved whenever they are looked at, so no other file is opened;"
    )
    seen += rows(part, 20)
    close_built()
    assert seen == [(number * len(text), text[:-1]) for number, text in enumerate(lines)]


@pytest.mark.usefixtures("listed_at_once")
def test_a_truncated_log_is_read_on_when_its_copy_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").mkdir()
    log = RotatedLog(tmp_path / "logs/app.log")
    restless = Restless(tmp_path / "logs/app.log.1")
    interrupt(monkeypatch, restless.before)
    log.write(line(0))
    part = build(f"tail:{log.path}", str(log.path))
    seen = list(rows(part, 5))
    log.write(line(1))
    log.copy_and_truncate()
    log.write(line(2))
    restless.moves = True
    assert not rows(part, 5)
    restless.moves = False
    seen += rows(part, 20)
    close_built()
    assert seen == log.expected()
