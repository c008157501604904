"""``python -m benchmarks.peers.engines.behaviour``: what engines do with disorder, silence and restarts.

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

from benchmarks.kit.figures import Figure, middle, report
from benchmarks.kit.measure import table
from benchmarks.peers.engines.arguments import parse
from benchmarks.peers.engines.live import SHAPE, Live
from benchmarks.peers.engines.runs import DRIFTLINE
from benchmarks.peers.engines.tasks import Event, distances, end, judge, members, stream

#: The event time of a stream.
SPAN_S = 60


class Seen(NamedTuple):
    """A row of the table of a part. ``share``: of the windows, those that are as they should be."""

    share: float
    first: str
    second: str
    third: str = ""


def disorder(live: Live) -> Seen:
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
    reported = [id for id in seen.late if id.startswith("late")]
    return Seen(
        judged.whole / judged.windows,
        f"{judged.whole} of {judged.windows}",
        f"{len(reported)} of {len(late)}",
        f"{len(inside)} of {len(late)}",
    )


def idle(live: Live) -> Seen:
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
    on, off = (f"{len(labels & there)} of {len(labels)}" for labels in closed)
    return Seen(len(closed[1] & there) / len(closed[1]), on, off)


def restart(live: Live, down_s: float = 0.0) -> Seen:
    """Windows that are whole, that came twice or in parts, and that are missing."""
    events = stream(600, 10, SPAN_S, 1.9)
    truth = members(events, SHAPE.length_s, SHAPE.slide_s)
    sent = [*events, end(events)]
    with live.running() as kill:
        live.fed(sent, stop=300)
        kill()
    time.sleep(down_s)
    with live.running():
        live.fed(sent, first=300)
        live.settled(truth)
    judged = judge(live.observed.windows, truth, distances(events, truth))
    share = judged.whole / judged.windows
    return Seen(share, f"{judged.whole} of {judged.windows}", f"{judged.split}", f"{judged.missing}")


class Part(NamedTuple):
    """``share``: what :class:`Seen` counts. ``heads``: of its cells. ``partitions``: of the topic."""

    observe: Callable[[Live], Seen]
    share: str
    heads: tuple[str, str, str]
    partitions: int = 1


_WHOLE = "windows that are whole"
_AFTER = (_WHOLE, "twice or in parts", "missing")
PARTS = {
    "disorder": Part(disorder, _WHOLE, (_WHOLE, "late events reported", "late events in windows")),
    "idle": Part(
        idle,
        "windows of the key that stops",
        ("windows of the key that goes on", "windows of the key that stops", ""),
        partitions=2,
    ),
    "restart": Part(restart, _WHOLE, _AFTER),
    "outage": Part(partial(restart, down_s=10.0), _WHOLE, _AFTER),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.engines.behaviour")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--keep", type=Path, help="folder that keeps inputs, outputs and logs")
    arguments, versions = parse(parser)
    figures: list[Figure] = []
    for name in arguments.parts:
        part = PARTS[name]
        seen = {engine: observe(part, name, engine, arguments.keep) for engine in arguments.engines}
        table(name, ("", *part.heads), [(engine, *row[1:]) for engine, row in seen.items()])
        figures += [
            middle(f"{engine}, {name}, share of {part.share}", [row.share], goal=_goal(engine))
            for engine, row in seen.items()
        ]
    report(figures, versions)


def _goal(engine: str) -> float | None:
    return 1.0 if engine == DRIFTLINE else None


def observe(part: Part, name: str, engine: str, keep: Path | None = None) -> Seen:
    """What one engine does in one part."""
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        live = Live(engine, folder / f"{name}_{engine.split(maxsplit=1)[0]}", part.partitions, stack)
        return part.observe(live)


if __name__ == "__main__":
    main()
