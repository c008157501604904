"""How many events the window machine can add at once.

By definition, the machine takes the events of a key one by one: it decides whether the event is late, adds
the event to its windows, moves the watermark, and emits the windows that have ended. One by one is slow, and
for most events nothing but the addition happens. So the machine adds a *run* of events together wherever the
result is the same. A run depends on the events alone, never on the batches that they came in.
"""

from typing import NamedTuple

import numpy as np

from dataflow.items.arrays import Bools, Int64s
from dataflow.window.assigner import Assigner


class Timeline(NamedTuple):
    """Events of a key in their order of arrival, and what is known of each. All arrays are ``(n,)``.

    ``ts``: the event times. ``before``, ``after``: the watermark right before and right after each event.
    ``may_be_late``: see ``Assigner.may_be_late``.
    """

    ts: Int64s
    before: Int64s
    after: Int64s
    may_be_late: Bools

    def part(self, start: int, stop: int | None = None) -> "Timeline":
        """The events from number ``start`` on, up to but without number ``stop``."""
        part = slice(start, stop)
        return Timeline(self.ts[part], self.before[part], self.after[part], self.may_be_late[part])


def run_length(events: Timeline, assigner: Assigner, fired_until: int) -> int:
    """The length of the longest run that starts at the first event.

    Within a run, no window is emitted after any event but the last, and the lateness of no event depends on
    what the events before it in the run cause. ``fired_until``: the watermark up to which windows have been
    emitted.
    """
    length = _until_lateness_depends(events, assigner)
    return min(length, _until_windows_fire(events.part(0, length), assigner, fired_until))


def _until_lateness_depends(events: Timeline, assigner: Assigner) -> int:
    """The number of events before the first whose lateness depends on the events before it; at least 1."""
    may_be_late = events.may_be_late
    if not may_be_late.any():
        return len(may_be_late)
    if not assigner.order_matters:
        # The windows that an event is late for have ended only once the watermark is processed.
        depends = may_be_late & (events.before > events.before[0])
    elif may_be_late[0]:
        return 1
    else:
        depends = may_be_late
    return _first_true(depends)


def _until_windows_fire(events: Timeline, assigner: Assigner, fired_until: int) -> int:
    """The number of events up to and with the first after which a window is emitted; all if there is none."""
    first_ends = np.minimum.accumulate(assigner.earliest_end(events.ts, events.before))
    fires = events.after >= np.minimum(first_ends, assigner.next_end())
    # A window that was revised is emitted again as soon as the watermark moves.
    revised = np.full(len(fires), assigner.awaits_revision())
    if events.may_be_late.any():
        revised |= np.logical_or.accumulate(assigner.revising(events.ts, events.before))
    fires |= revised & (events.after > fired_until)
    return min(_first_true(fires) + 1, len(fires))


def _first_true(mask: Bools) -> int:
    """The index of the first true element; the length if there is none."""
    return int(np.argmax(mask)) if mask.any() else len(mask)
