"""``python -m benchmarks.peers.engine_behaviour``: what engines do with disorder, silence and restarts.

Small streams arrive bit by bit, in windows of 10 s each second, so each event is in ten windows:

- disorder: events are up to 1.9 s late, which the watermark allows; ten more are 30 s late.
- idle: two keys, each in a partition of its own; one stops after 15 of 60 s. No event comes at the end.
- restart: ``kill -9`` in the middle of a stream of ten keys, and a start at once. The stream goes on.
- outage: the same, but the start comes 10 s later.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.kit.measure import table
from benchmarks.peers.engine_live import SHAPE, Live
from benchmarks.peers.engine_runs import DRIFTLINE, ENGINES
from benchmarks.peers.engine_tasks import Event, distances, end, judge, members, stream

#: The event time of a stream.
SPAN_S = 60


def disorder(live: Live) -> tuple[str, ...]:
    """Windows that are whole; and late events that the engine reported, and that are in a window."""
    events = stream(600, 1, SPAN_S, 1.9)
    truth = members(events, SHAPE.length_s, SHAPE.slide_s)
    late = [Event(f"late{n}", "k0", events[400 + n].at_ms - 30_000, f"late {n}") for n in range(10)]
    sent = [*events[:400], *itertools.chain(*zip(events[400:410], late, strict=True)), *events[410:]]
    with live.running():
        live.fed([*sent, end(events)])
        live.settled(truth)
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
    newest = events[-1].at_ms / 1000
    closed = [
        {
            label
            for label in members(some, SHAPE.length_s, SHAPE.slide_s)
            if label.start + SHAPE.length_s + SHAPE.delay_s <= newest
        }
        for some in (goes_on, stops)
    ]
    with live.running():
        live.fed(events)
        live.settled(set.union(*closed), silence_s=20.0)
    there = {window.label for window in live.observed.windows}
    return tuple(f"{len(labels & there)} of {len(labels)}" for labels in closed)


def restart(live: Live, down_s: float = 0.0) -> tuple[str, ...]:
    """Windows that are whole, that came twice or in parts, and that are missing."""
    events = stream(600, 10, SPAN_S, 1.9)
    truth = members(events, SHAPE.length_s, SHAPE.slide_s)
    with live.running() as kill:
        live.fed(events[:300])
        kill()
    time.sleep(down_s)
    with live.running():
        live.fed([*events[300:], end(events)])
        live.settled(truth)
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
        live = Live(name, folder / f"{part}_{name.split(maxsplit=1)[0]}", PARTS[part].partitions, stack)
        return PARTS[part].observe(live)


if __name__ == "__main__":
    main()
