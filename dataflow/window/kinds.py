"""The assigner for each kind of windows that ``window.kind`` may name."""

from typing import Any

from dataflow import settings
from dataflow.clock import micros
from dataflow.window.aligned import Aligned
from dataflow.window.assigner import Assigner
from dataflow.window.session import Sessions


def open_assigner(options: settings.Window, state: Any = None) -> Assigner:
    """The assigner that the options ask for. ``state`` is what its ``snapshot`` returned."""
    if options.kind == "session":
        shared = options.watermark == "stream"
        return Sessions(micros(options.gap), micros(options.allowed_lateness), state, shared=shared)
    return Aligned(micros(options.length), _slide(options), micros(options.align_to))


def last_end(options: settings.Window, ts: int) -> int:
    """The end of the last window that an event at ``ts`` belongs to; of a session, if no event follows.

    Times are microseconds since the Unix epoch, UTC.
    """
    if options.kind == "session":
        return ts + micros(options.gap)
    align, slide = micros(options.align_to), _slide(options)
    return align + (ts - align) // slide * slide + micros(options.length)


def grids(options: settings.Window, parts: int) -> tuple[tuple[int, int], ...]:
    """Grids of event time ``(at, step)`` that have the ends of the windows, where those are known beforehand,
    and ``parts`` points in the time from one window to the next.
    """
    if options.kind == "session":
        return ((0, max(micros(options.gap) // parts, 1)),)
    slide = _slide(options)
    return ((last_end(options, 0), slide), (0, max(slide // parts, 1)))


def _slide(options: settings.Window) -> int:
    return micros(options.length if options.kind == "tumbling" else options.slide)
