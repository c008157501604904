"""What the streams of all peers have in common: their order, their end, their windows and their files."""

import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

#: The id of an event far in the future, which closes all windows before it.
END = "end"
#: The event is so many seconds after all others.
END_AFTER_S = 86_400


class Event(Protocol):
    """An event of a stream."""

    @property
    def id(self) -> str:
        """Differs from that of each other event."""

    def line(self) -> str:
        """The event as JSON."""


_Event = TypeVar("_Event", bound=Event)
_Window = TypeVar("_Window", bound=Hashable)


def in_disorder(events: Iterable[_Event], at_s: Callable[[_Event], float], disorder_s: float) -> list[_Event]:
    """The events in an order of arrival: each up to ``disorder_s`` after its time ``at_s``. The order is the
    same in each run.
    """
    draw = random.Random(5)
    return sorted(events, key=lambda event: at_s(event) + draw.uniform(0, disorder_s))


def starts(at_s: float, length_s: int, slide_s: int) -> Iterator[int]:
    """The starts of the windows that hold ``at_s``, the last first. All times in seconds since 1970."""
    start = int(at_s // slide_s) * slide_s
    while start > at_s - length_s:
        yield start
        start -= slide_s


def members(
    events: Iterable[_Event], windows: Callable[[_Event], Iterable[_Window]]
) -> dict[_Window, frozenset[str]]:
    """The ids of the events of each window. ``windows``: those of an event."""
    found: dict[_Window, set[str]] = defaultdict(set)
    for event in events:
        for window in windows(event):
            found[window].add(event.id)
    return {window: frozenset(ids) for window, ids in found.items()}


def write_file(folder: Path, number: int, events: Sequence[Event]) -> None:
    """One more file of JSON lines in ``folder``. Nobody sees a part of it."""
    hidden = folder / f".{number:08}"
    hidden.write_text("".join(event.line() + "\n" for event in events), encoding="utf-8")
    hidden.rename(folder / f"{number:08}.jsonl")


def seconds(written: str) -> int:
    """Seconds since 1970 of a time as ISO 8601 writes it."""
    return round(datetime.fromisoformat(written.replace("Z", "+00:00")).timestamp())
