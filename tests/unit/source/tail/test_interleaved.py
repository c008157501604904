"""Each record of a log comes once and in order, although the log is rotated between any two system calls."""

import builtins
import hashlib
import io
import os
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
#: listing takes fewer calls than the writer leaves it.
TURNS = st.tuples(st.integers(8, 40), st.integers(1, 3))


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
        for call in ("stat", "listdir", "scandir", "open", "pread", "fstat"):
            patch.setattr(os, call, interleaved.before(getattr(os, call)))
        patch.setattr(builtins, "open", interleaved.before(open))
        patch.setattr(marks, "FileIO", interleaved.before(io.FileIO))
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
