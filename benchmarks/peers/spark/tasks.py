"""What the queries have to do, and the stream that they get.

Events, tasks and streams are not those of :mod:`benchmarks.peers.engines.tasks`: the query of the article
reads times as texts, knows no key, needs the files of a model, and gets texts as people write them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple

from benchmarks.kit.corpus import short_texts
from benchmarks.peers import streams
from benchmarks.peers.streams import END, END_AFTER_S, in_disorder, starts


class Event(NamedTuple):
    """``at``: the event time, in seconds since 1970."""

    id: str
    at: float
    text: str

    def line(self) -> str:
        """The event as JSON."""
        time = datetime.fromtimestamp(self.at, timezone.utc).isoformat(timespec="milliseconds")
        return json.dumps({"id": self.id, "ts": time.replace("+00:00", "Z"), "text": self.text})


@dataclass(frozen=True)
class Task:
    """Read ``input``, a folder that gets files of JSON lines; write the scores of each window to ``output``.

    Windows are ``length_s`` long, and one begins each ``slide_s``. The watermark is ``delay_s`` behind. A
    score is the distance of an event to the centroid of its cluster of the window: ``KMeans(clusters)`` with
    ``random_state=seed``. ``model``: for sentence-transformers; ``graph``, ``tokenizer``: the same as ONNX.
    """

    input: str
    output: str
    checkpoint: str
    model: str
    graph: str
    tokenizer: str
    length_s: int = 600
    slide_s: int = 300
    delay_s: int = 300
    clusters: int = 8
    seed: int = 42
    cores: int = 2
    #: Files that Spark reads in one micro-batch.
    files_a_batch: int = 1

    def windows(self, at: float) -> Iterator[int]:
        """The starts of the windows that an event at ``at`` belongs to, in seconds since 1970."""
        return starts(at, self.length_s, self.slide_s)


def stream(events: int, per_second: float, start: float, disorder_s: float) -> list[Event]:
    """``events`` with different texts, in order of arrival: up to ``disorder_s`` after their times."""
    texts = enumerate(short_texts(events))
    made = [Event(f"e{number}", start + number / per_second, text) for number, text in texts]
    return in_disorder(made, lambda event: event.at, disorder_s)


def members(events: Sequence[Event], task: Task) -> Mapping[int, frozenset[str]]:
    """The ids of the events of each window."""
    return streams.members(events, lambda event: task.windows(event.at))


def end(events: Sequence[Event]) -> Event:
    """The event that closes all windows of ``events``."""
    return Event(END, max(event.at for event in events) + END_AFTER_S, "the end")
