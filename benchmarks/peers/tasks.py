"""What all programs have to do, and the stream that they get."""

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from benchmarks.kit.corpus import short_texts

#: The id of an event far in the future, which closes all windows before it.
END = "end"


class Event(NamedTuple):
    """``at``: the event time, in seconds since 1970."""

    id: str
    at: float
    text: str

    def line(self) -> str:
        """The event as a line of JSON."""
        time = datetime.fromtimestamp(self.at, timezone.utc).isoformat(timespec="milliseconds")
        return json.dumps({"id": self.id, "ts": time.replace("+00:00", "Z"), "text": self.text}) + "\n"


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
        start = int(at // self.slide_s) * self.slide_s
        while start > at - self.length_s:
            yield start
            start -= self.slide_s


def stream(events: int, per_second: float, start: float, disorder_s: float) -> list[Event]:
    """``events`` with different texts, in order of arrival: up to ``disorder_s`` after their times."""
    draw = random.Random(5)
    texts = enumerate(short_texts(events))
    made = [Event(f"e{number}", start + number / per_second, text) for number, text in texts]
    return sorted(made, key=lambda event: event.at + draw.uniform(0, disorder_s))


def members(events: Sequence[Event], task: Task) -> Mapping[int, frozenset[str]]:
    """The ids of the events of each window."""
    found: dict[int, set[str]] = defaultdict(set)
    for event in events:
        for window in task.windows(event.at):
            found[window].add(event.id)
    return {window: frozenset(ids) for window, ids in found.items()}


def write_file(folder: Path, number: int, events: Sequence[Event]) -> None:
    """One more file in ``folder``. Nobody sees a part of it."""
    hidden = folder / f".{number:08}"
    hidden.write_text("".join(event.line() for event in events), encoding="utf-8")
    hidden.rename(folder / f"{number:08}.json")


def end(events: Sequence[Event], task: Task) -> Event:
    """The event that closes all windows of ``events``."""
    last = max(event.at for event in events)
    return Event(END, last + (timedelta(days=1) / timedelta(seconds=1)) + task.length_s, "end of the stream")
