"""The streams that a flow writes, and how a row says which stream it belongs to."""

from collections.abc import Collection
from typing import Literal

from dataflow.items.formats import STREAM_FORMATS

Stream = Literal["scores", "alerts", "drift", "windows", "late", "dead_letters"]
STREAMS: tuple[Stream, ...] = ("scores", "alerts", "drift", "windows", "late", "dead_letters")

#: Stream -> fields that no other stream has together.
_OWN: dict[Stream, frozenset[str]] = {
    "alerts": frozenset({"incident", "sequence", "message"}),
    "drift": frozenset({"inertia", "fitted"}),
    "windows": frozenset({"rows_seen", "score_max"}),
    "late": frozenset({"late_by_us", "missed"}),
    "dead_letters": frozenset({"reason", "message", "partition"}),
    "scores": frozenset({"window_start", "text", "score", "cluster"}),
}
#: Stream -> the versions of its rows that this program reads, the newest first. Alerts of version 3 name only
#: a few events of an incident.
FORMATS: dict[Stream, tuple[int, ...]] = {stream: (STREAM_FORMATS[stream],) for stream in STREAMS}
FORMATS["alerts"] += (3,)
#: Streams whose rows say their version.
VERSIONED: tuple[Stream, ...] = ("alerts", "drift")


def stream_of(fields: Collection[str]) -> Stream | None:
    """The stream of a row with these fields; ``None``: it is no row of a flow.

    >>> stream_of(["incident", "sequence", "message", "key"])
    'alerts'
    >>> stream_of(["level", "event"]) is None
    True
    """
    return next((stream for stream, own in _OWN.items() if own <= set(fields)), None)


def named(name: str) -> Stream | None:
    """The stream whose output usually has this name.

    >>> named("dead_letters"), named("triton")
    ('dead_letters', None)
    """
    return next((stream for stream in STREAMS if stream == name), None)
