"""What the engines have to do, the streams that they get, and the plainest computation of the answer.

Events, tasks and streams are not those of :mod:`benchmarks.peers.spark.tasks`: all engines read times in
milliseconds and make windows for each key, from files or from the partitions of a topic, without a model.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.peers import streams
from benchmarks.peers.streams import END, END_AFTER_S, in_disorder, seconds, starts
from dataflow.embed.null import NullEmbedder

#: 2026-01-01T00:00:00Z
START_S = 1_767_225_600


class Event(NamedTuple):
    """``at_ms``: the event time, in milliseconds since 1970. ``partition``: where the event is read from."""

    id: str
    key: str
    at_ms: int
    text: str
    partition: int = 0

    def line(self) -> str:
        """The event as JSON."""
        return json.dumps({"id": self.id, "key": self.key, "ts": self.at_ms, "text": self.text})


@dataclass(frozen=True)
class Task:
    """Read events, make windows for each key, and write a line for each event of a window to ``output``.

    ``input``: a folder of JSON lines, or a topic of ``broker``. Windows are ``length_s`` long, and one begins
    each ``slide_s``. The watermark is ``delay_s`` behind. ``began``: a file that gets the time at which the
    first event is embedded. ``live``: the input goes on, ``state`` has what a restart needs, ``late`` gets
    the ids of events that the engine says are late, ``pause_s`` is how long it takes to embed an event, and
    ``start`` counts the starts.
    """

    input: str
    output: str
    state: str
    began: str
    length_s: int
    slide_s: int
    delay_s: int
    broker: str = ""
    live: bool = False
    late: str = ""
    pause_s: float = 0.0
    start: int = 0


class Label(NamedTuple):
    """A window of a key. ``start``: in seconds since 1970."""

    start: int
    key: str


def windows_of(event: Event, length_s: int, slide_s: int) -> Iterator[Label]:
    """The windows that an event belongs to."""
    return (Label(start, event.key) for start in starts(event.at_ms / 1000, length_s, slide_s))


def stream(events: int, keys: int, span_s: float, disorder_s: float) -> list[Event]:
    """``events`` with different texts over ``span_s``, in order of arrival: up to ``disorder_s`` after their
    times. The keys take turns.
    """
    made = [
        Event(
            f"e{number}",
            f"k{number % keys}",
            START_S * 1000 + int(number * span_s * 1000 / events),
            f"user {number} logged in from 10.0.{number % 256}.{number // 256}",
        )
        for number in range(events)
    ]
    return in_disorder(made, lambda event: event.at_ms / 1000, disorder_s)


def end(events: Sequence[Event], partition: int = 0) -> Event:
    """The event that closes all windows of ``events`` where the watermark is one for all keys."""
    return Event(END, END, max(event.at_ms for event in events) + END_AFTER_S * 1000, "the end", partition)


def members(events: Sequence[Event], length_s: int, slide_s: int) -> Mapping[Label, frozenset[str]]:
    """The ids of the events of each window."""
    return streams.members(events, lambda event: windows_of(event, length_s, slide_s))


def distances(
    events: Sequence[Event], truth: Mapping[Label, Collection[str]]
) -> dict[Label, dict[str, float]]:
    """The distance of each event to the mean of its window, computed one window at a time."""
    vectors = NullEmbedder().embed([event.text for event in events]).vectors
    row = {event.id: number for number, event in enumerate(events)}
    found: dict[Label, dict[str, float]] = {}
    for label, ids in truth.items():
        inside = sorted(ids)
        matrix = vectors[[row[id] for id in inside]].astype(np.float64)
        away = np.linalg.norm(matrix - matrix.mean(axis=0), axis=1)
        found[label] = dict(zip(inside, away.tolist(), strict=True))
    return found


class Window(NamedTuple):
    """What a program wrote for a window. ``at``: when it was computed, in seconds since 1970; nan if it
    does not say so.
    """

    label: Label
    ids: tuple[str, ...]
    scores: tuple[float, ...]
    at: float


def read(output: Path) -> list[Window]:
    """The windows in all files of a folder that are not hidden. Rows with the same ``at`` came together."""
    together: dict[tuple[Label, float], list[tuple[str, float]]] = defaultdict(list)
    for row in _rows(output):
        if row["key"] != END:
            together[Label(row["start"], row["key"]), row["at"]].append((row["id"], row["score"]))
    return [
        Window(label, tuple(id for id, _ in rows), tuple(score for _, score in rows), at)
        for (label, at), rows in together.items()
    ]


def _rows(output: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(path for path in output.rglob("*") if path.is_file() and path.name[0] != "."):
        for line in file.read_text().splitlines(keepends=True):
            if line.endswith("\n"):  # a program that is stopped may leave a part of a line
                row = json.loads(line)
                # Pathway and Quix Streams write a text as a field of an object.
                text = row.get("line") or row.get("_value")
                yield from map(json.loads, text.splitlines()) if text else (row,)


def read_scores(scores: Path) -> list[Window]:
    """The windows in the rows that the dataflow wrote."""
    together: dict[tuple[str, str, int], list[dict[str, Any]]] = defaultdict(list)
    for line in scores.read_text().splitlines(keepends=True) if scores.exists() else ():
        if line.endswith("\n"):
            row = json.loads(line)
            if row["key"] != END:
                together[row["window_start"], row["key"], row["revision"]].append(row)
    return [
        Window(
            Label(seconds(start), key),
            tuple(row["id"] for row in rows),
            tuple(row["score"] for row in rows),
            float("nan"),
        )
        for (start, key, _), rows in together.items()
    ]


class Judged(NamedTuple):
    """``whole``: windows that were written once, with all of their events and no other.

    ``missing``: windows that never came. ``split``: windows that came more than once, or with some of their
    events. ``difference``: the largest difference of a distance in a whole window.
    """

    windows: int
    whole: int
    missing: int
    split: int
    difference: float


def judge(
    windows: Sequence[Window],
    truth: Mapping[Label, Collection[str]],
    scores: Mapping[Label, Mapping[str, float]],
) -> Judged:
    """What is right of the windows that a program wrote."""
    by_label: dict[Label, list[Window]] = defaultdict(list)
    for window in windows:
        by_label[window.label].append(window)
    whole = missing = 0
    difference = 0.0
    for label, ids in truth.items():
        found = by_label.get(label, [])
        missing += not found
        if len(found) == 1 and sorted(found[0].ids) == sorted(ids):
            whole += 1
            pairs = zip(found[0].ids, found[0].scores, strict=True)
            difference = max(difference, *(abs(scores[label][id] - score) for id, score in pairs))
    return Judged(len(truth), whole, missing, len(truth) - whole - missing, difference)
