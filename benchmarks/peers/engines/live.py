"""A program on an input that goes on: it is fed bit by bit, killed, and started again."""

import json
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bytewax.recovery import init_db_dir

from benchmarks.kit.processes import members
from benchmarks.peers.engines.runs import (
    DRIFTLINE,
    ENGINES,
    FLOW_COMMAND,
    Shape,
    command_of,
    lines_in,
    produce,
    settings_of,
    task_in,
    topic,
)
from benchmarks.peers.engines.tasks import Event, Label, Window, read, read_scores
from benchmarks.peers.processes import started
from benchmarks.peers.streams import write_file

SHAPE = Shape(10, 1, 2)
BITS = 24
EVERY_S = 0.5
#: Seconds that it takes to embed an event, where all events are there at once.
PAUSE_S = 0.02
#: An engine may write more for so long.
QUIET_S = 6.0
#: A broker gives the partitions of a consumer that was killed to the next one after 45 s and more.
PATIENCE_S = 120.0


class Observed(NamedTuple):
    """``windows``: all that the program wrote. ``late``: ids of events that it said were late."""

    windows: list[Window]
    late: frozenset[str]


class Live:
    """A program on an input that goes on. Driftline and the engines that read topics have a real broker."""

    def __init__(self, name: str, folder: Path, partitions: int, stack: ExitStack) -> None:
        self._name, self._folder, self._starts, self._bits = name, folder, 0, 0
        self._topic = name in (DRIFTLINE, "Bytewax", "Quix Streams")
        folder.mkdir(parents=True)
        address = stack.enter_context(topic(folder, partitions)) if self._topic else ""
        self.task = replace(task_in(folder, SHAPE, address), live=True, late=str(folder / "late.txt"))
        if name == "PyFlink":
            self.task = replace(self.task, pause_s=PAUSE_S)

    @contextmanager
    def running(self) -> Iterator[Callable[[], None]]:
        """The program. Yields what ends all of its processes with ``kill -9``."""
        self.task = replace(self.task, start=self._starts)
        self._starts += 1
        command, env = self._command()
        with started(command, env, self._folder / f"log-{self._starts}") as process:
            self._process = process

            def kill() -> None:
                for pid in members(process.pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

            yield kill

    def _command(self) -> tuple[Sequence[str], dict[str, str]]:
        if self._name != DRIFTLINE:
            return command_of(ENGINES[self._name], self.task), dict(os.environ)
        source = f"kafka://{self.task.broker}/{self.task.input}"
        env = settings_of(self.task, source, Path(self.task.output) / "scores.jsonl")
        state = Path(self.task.state)
        if not any(state.iterdir()):
            state.chmod(0o700)
            init_db_dir(state, 1)
        recovery = ("-r", str(state), "-s", "1", "-b", "0")
        return (*FLOW_COMMAND, *recovery), env | {"DRIFTLINE_WINDOW__IDLE_TIMEOUT": "5s"}

    def feed(self, events: Sequence[Event]) -> None:
        """More of the stream."""
        if self._topic:
            produce(self.task.broker, events)
        else:
            write_file(Path(self.task.input), self._bits, events)
            self._bits += 1

    def fed(self, events: Sequence[Event], first: int = 0, stop: int | None = None) -> None:
        """The events from ``first`` to ``stop`` bit by bit; the first bit alone, until the program embeds it.

        PyFlink gets them all in one file and embeds them slowly, because its source reads files in any order.
        """
        if self.task.pause_s:
            if first == 0:
                self.feed(events)
            self._embeds()
            time.sleep(len(events[first:stop]) * self.task.pause_s)
            return
        size = max(1, len(events) // BITS)
        for number in range(first, len(events) if stop is None else stop, size):
            self.feed(events[number : number + size])
            self._embeds()
            time.sleep(EVERY_S)

    def _embeds(self) -> None:
        limit = time.monotonic() + PATIENCE_S
        while not Path(self.task.began).exists() and time.monotonic() < limit:
            self._check()
            time.sleep(0.1)

    def settled(self, wanted: Collection[Label], silence_s: float = PATIENCE_S) -> None:
        """Wait until the program has written the windows ``wanted``, or nothing for ``silence_s``; and then
        a little more.
        """
        output, lines, changed = Path(self.task.output), 0, time.monotonic()
        while time.monotonic() - changed < silence_s:
            self._check()
            time.sleep(1.0)
            if (found := lines_in(output)) != lines:
                lines, changed = found, time.monotonic()
                if set(wanted) <= {window.label for window in self.observed.windows}:
                    break
        time.sleep(QUIET_S)

    def _check(self) -> None:
        if self._process.poll():
            log = self._folder / f"log-{self._starts}"
            raise RuntimeError(f"{self._name} failed:\n{log.read_text(errors='replace')[-3000:]}")

    @property
    def observed(self) -> Observed:
        """What the program has written so far."""
        output, late = Path(self.task.output), Path(self.task.late)
        if self._name == DRIFTLINE:
            late = output / "late.jsonl"
            ids = [json.loads(line)["id"] for line in late.read_text().splitlines()] if late.exists() else []
            return Observed(read_scores(output / "scores.jsonl"), frozenset(ids))
        return Observed(read(output), frozenset(late.read_text().split()) if late.exists() else frozenset())
