"""``python -m benchmarks.peers.engine_behaviour``: what engines do with disorder, silence and restarts.

Small streams arrive bit by bit, in windows of 10 s each second, so each event is in ten windows:

- disorder: events are up to 1.9 s late, which the watermark allows; ten more are 30 s late.
- idle: two keys, each in a partition of its own; one stops after 15 of 60 s. No event comes at the end.
- restart: ``kill -9`` in the middle of a stream of ten keys, and a start at once. The stream goes on.
- outage: the same, but the start comes 10 s later.
"""

import argparse
import itertools
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bytewax.recovery import init_db_dir

from benchmarks.kit.measure import table
from benchmarks.kit.processes import members
from benchmarks.peers.engine_runs import (
    DRIFTLINE,
    ENGINES,
    FLOW,
    Shape,
    command_of,
    lines_in,
    produce,
    settings_of,
    task_in,
    topic,
    write,
)
from benchmarks.peers.engine_tasks import (
    Event,
    Window,
    distances,
    end,
    judge,
    read,
    read_scores,
    stream,
)
from benchmarks.peers.engine_tasks import members as windows_by_label
from benchmarks.peers.runs import started

SHAPE = Shape(10, 1, 2)
SPAN_S = 60
BITS = 24
EVERY_S = 0.5
#: Nothing was written for so long: the engine has done what it will do.
QUIET_S = 12.0
LIMIT_S = 150.0


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
        env = settings_of(SHAPE, source, Path(self.task.output) / "scores.jsonl")
        state = Path(self.task.state)
        if not any(state.iterdir()):
            state.chmod(0o700)
            init_db_dir(state, 1)
        recovery = ("-r", str(state), "-s", "1", "-b", "0")
        return (*FLOW, *recovery), env | {"DRIFTLINE_WINDOW__IDLE_TIMEOUT": "5s"}

    def feed(self, events: Sequence[Event]) -> None:
        """More of the stream."""
        if self._topic:
            produce(self.task.broker, events)
        else:
            write(Path(self.task.input), self._bits, events)
            self._bits += 1

    def fed(self, events: Sequence[Event]) -> None:
        """The events bit by bit; the first bit alone, until the program embeds it."""
        size = max(1, len(events) // BITS)
        for first in range(0, len(events), size):
            self.feed(events[first : first + size])
            limit = time.monotonic() + LIMIT_S
            while not Path(self.task.began).exists() and time.monotonic() < limit:
                if self._name == DRIFTLINE:  # it does not say when it embeds
                    break
                self._check()
                time.sleep(0.1)
            time.sleep(EVERY_S)

    def settled(self) -> None:
        """Wait until the program has written something and then nothing more for a while."""
        output, limit = Path(self.task.output), time.monotonic() + LIMIT_S
        # The broker needs 23 s until it assigns partitions to a consumer group.
        quiet_s = 60.0 if self._name == "Quix Streams" and self._starts > 1 else QUIET_S
        lines, changed = 0, time.monotonic()
        while time.monotonic() < limit and (not lines or time.monotonic() - changed < quiet_s):
            self._check()
            time.sleep(0.5)
            found = lines_in(output)
            if found != lines:
                lines, changed = found, time.monotonic()

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


def disorder(live: Live) -> tuple[str, ...]:
    """Windows that are whole; and late events that the engine reported, and that are in a window."""
    events = stream(600, 1, SPAN_S, 1.9)
    truth = windows_by_label(events, SHAPE.length_s, SHAPE.slide_s)
    late = [Event(f"late{n}", "k0", events[400 + n].at_ms - 30_000, f"late {n}") for n in range(10)]
    sent = [*events[:400], *itertools.chain(*zip(events[400:410], late, strict=True)), *events[410:]]
    with live.running():
        live.fed([*sent, end(events)])
        live.settled()
    seen = live.observed
    judged = judge(seen.windows, truth, distances(events, truth))
    inside = {id for window in seen.windows for id in window.ids if id.startswith("late")}
    return (
        f"{judged.whole} of {judged.windows}",
        f"{len([id for id in seen.late if id.startswith('late')])} of {len(late)}",
        f"{len(inside)} of {len(late)}",
    )


def idle(live: Live) -> tuple[str, ...]:
    """Windows that are there, though no event comes any more: of the key that goes on to the end of the
    stream, and of the key that stops.
    """
    goes_on = stream(600, 1, SPAN_S, 0)
    stops = [event._replace(id=f"b{event.id}", key="k1", partition=1) for event in goes_on[:150]]
    events = sorted([*goes_on, *stops], key=lambda event: event.at_ms)
    with live.running():
        live.fed(events)
        live.settled()
    newest = events[-1].at_ms / 1000
    there = {window.label for window in live.observed.windows}
    closed = [
        {
            label
            for label in windows_by_label(some, SHAPE.length_s, SHAPE.slide_s)
            if label.start + SHAPE.length_s + SHAPE.delay_s <= newest
        }
        for some in (goes_on, stops)
    ]
    return tuple(f"{len(labels & there)} of {len(labels)}" for labels in closed)


def restart(live: Live, down_s: float = 0.0) -> tuple[str, ...]:
    """Windows that are whole, that came twice or in parts, and that are missing."""
    events = stream(600, 10, SPAN_S, 1.9)
    truth = windows_by_label(events, SHAPE.length_s, SHAPE.slide_s)
    with live.running() as kill:
        live.fed(events[:300])
        kill()
    time.sleep(down_s)
    with live.running():
        live.fed([*events[300:], end(events)])
        live.settled()
    judged = judge(live.observed.windows, truth, distances(events, truth))
    return f"{judged.whole} of {judged.windows}", f"{judged.split}", f"{judged.missing}"


class Part(NamedTuple):
    """``heads``: of its cells. ``partitions``: of the topic."""

    observe: Callable[[Live], tuple[str, ...]]
    heads: tuple[str, ...]
    partitions: int = 1


PARTS = {
    "disorder": Part(disorder, ("whole", "late events reported", "late events in windows")),
    "idle": Part(idle, ("windows of the key that goes on", "of the key that stops"), 2),
    "restart": Part(restart, ("whole", "twice or in parts", "missing")),
    "outage": Part(partial(restart, down_s=10.0), ("whole", "twice or in parts", "missing")),
}


def main() -> None:
    names = [*ENGINES, DRIFTLINE]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.engine_behaviour")
    parser.add_argument("--engines", nargs="+", choices=names, default=names, metavar="ENGINE")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--keep", type=Path, help="folder for inputs, outputs and logs")
    arguments = parser.parse_args()
    for part in arguments.parts:
        rows = [(name, *observe(part, name, arguments.keep)) for name in arguments.engines]
        table(part, ("", *PARTS[part].heads), rows)


def observe(part: str, name: str, keep: Path | None = None) -> tuple[str, ...]:
    """The cells of one engine in one part."""
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        live = Live(name, folder / f"{part}-{name.split(maxsplit=1)[0]}", PARTS[part].partitions, stack)
        return PARTS[part].observe(live)


if __name__ == "__main__":
    main()
