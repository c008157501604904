"""The window machine of one key group: events in, orders to the chunks of the group out.

The machine decides which windows an event belongs to, when a window is emitted, and which rows are still
needed. The rows are in append-only **chunks** (:mod:`dataflow.window.chunk`). The machine only counts the
rows (:mod:`~dataflow.window.counts`, :mod:`~dataflow.window.key_state`) and sends orders, which the chunks
must carry out in their order: append rows, hand over the rows of windows that have ended, trim rows that no
window needs, drop the chunk.

An event takes this way through the machine:

1. :mod:`~dataflow.window.clocks` says where the watermark is right before the event: the watermark of the
   stream, or that of the event's key.
2. An **assigner** says whether the event is late, and which windows it belongs to: an object of
   :mod:`~dataflow.window.aligned` (tumbling and sliding windows) or :mod:`~dataflow.window.session`.
3. :mod:`~dataflow.window.sample` says whether a window keeps the event, if windows have a limit.
4. The row of the event is appended to the open chunk.
5. When the watermark has moved, the windows that have ended are emitted (they *fire*, in Flink's words), and
   rows that no window needs are removed (*purged*): :mod:`~dataflow.window.firing`.

By definition, the machine takes events one by one. But most events belong only to windows that have not ended
yet. For these it makes no difference whether the windows that end meanwhile are emitted before or after they
are added. So the machine adds a whole batch at once, and takes care only of the events that may change a
window that has ended (``Assigner.behind``). Every decision depends on the order of events alone, never on the
batches that they arrived in.

The machine knows neither Bytewax nor the wall clock. Times are integers: microseconds since the Unix epoch,
UTC.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow import settings
from dataflow.clock import FOREVER
from dataflow.items.arrays import Bools, Int64s
from dataflow.items.judged import Passed
from dataflow.window.additions import add
from dataflow.window.announce import announce
from dataflow.window.assigner import Events
from dataflow.window.clocks import Clocks, KeyClocks, StreamClock
from dataflow.window.firing import fire
from dataflow.window.group import Group, Key
from dataflow.window.late import late_rows
from dataflow.window.messages import Output, Stamp


class Windows:
    """The windows of one key group. ``announces``: whether events are told of when they come; not with
    sessions, and not if keys have watermarks of their own. ``state`` is what :meth:`snapshot` returned.
    """

    __slots__ = ("__weakref__", "_announces", "_clocks", "_group")

    def __init__(
        self,
        options: settings.Window,
        now_us: int,
        state: Mapping[str, Any] | None = None,
        *,
        announces: bool = False,
    ) -> None:
        self._group, self._announces = Group(options, state), announces
        self._clocks: Clocks = StreamClock()
        if self._group.of_keys:
            self._clocks = KeyClocks(options, now_us, state["clocks"] if state else None)

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {**self._group.snapshot(), "clocks": self._clocks.snapshot()}

    @property
    def watermarks(self) -> Iterable[int]:
        """The watermark of the stream, or the watermarks of the keys."""
        return list(self._group.fired.values())

    @property
    def passed(self) -> Passed:
        """How far the group has come, with the watermark of the stream."""
        group = self._group
        return Passed(group.emissions, group.fired_of(None), group.arrivals)

    @property
    def open(self) -> int:
        """The number of windows that have rows and have not ended."""
        group = self._group
        # Copied first, because the gauges ask in another thread.
        return sum(
            len(set(group.assigner.ended(key, state.panes(), group.fired_of(key), FOREVER)))
            for key, state in list(group.keys.items())
        )

    @property
    def chunks(self) -> list[int]:
        """The numbers of the chunks that hold rows."""
        return self._group.counts.chunks()

    @property
    def rows(self) -> int:
        """The number of rows that windows need."""
        return len(self._group.counts)

    def push(
        self, stamp: Stamp, rows: pa.RecordBatch | None, now_us: int, arrival_us: int | None = None
    ) -> Output:
        """Process the embedded events of a stamp, in their order of arrival; ``None``: it has no rows."""
        group, output = self._group, Output(arrival_us=arrival_us)
        if rows is None:
            fire(group, {None: int(stamp.watermark[-1])}, output)
            return output
        events, emissions = group.events(rows), group.emissions
        before, moved = self._clocks.observe(stamp, events, now_us)
        gone = group.gone_before(events, before)
        late = group.assigner.late(events.ts, gone)
        behind = group.assigner.behind(events.ts, before) & ~late
        if behind.any():
            self._add_in_turn(rows, events, before, gone, late, behind, output)
        else:
            self._add(rows, events, late, output)
        if late.any():
            missed = [group.assigner.missed(t) for t in events.ts[late].tolist()]
            output.late.append(late_rows(rows.filter(pa.array(late)), before[late], missed))
        fire(group, moved, output)
        if self._announces:
            announce(group, rows.filter(pa.array(~late)), before[~late], emissions, output)
        return output

    def _add_in_turn(
        self,
        rows: pa.RecordBatch,
        events: Events,
        before: Int64s,
        gone: Int64s,
        late: Bools,
        behind: Bools,
        output: Output,
    ) -> None:
        """Add the events, and emit windows before each event that may change a window that has ended.

        Sets ``late`` for events whose lateness depends on the events before them.
        """
        group, start = self._group, 0

        def add_until(stop: int) -> None:
            part = slice(start, stop)
            self._add(
                rows.slice(start, stop - start), events.part(start, stop), late[part], output, behind[part]
            )

        for i in np.flatnonzero(behind).tolist():
            key = events.names[events.codes[i]]
            moved = before[i] > group.fired_of(key)
            if not moved and not group.assigner.of_events:
                continue
            add_until(i)
            start = i
            if moved:
                fire(group, {group.scope(key): int(before[i])}, output)
            late[i] = group.assigner.is_late(key, int(events.ts[i]), int(gone[i]))
        add_until(len(late))

    def _add(
        self,
        rows: pa.RecordBatch,
        events: Events,
        late: Bools,
        output: Output,
        behind: Bools | None = None,
    ) -> None:
        """Add the events that are not late."""
        if late.any():
            rows, events = rows.filter(pa.array(~late)), events.where(~late)
        if len(rows):
            add(self._group, rows, events, output, behind=behind is not None and bool(behind.any()))

    def tick(self, now_us: int, stalled_us: int = 0) -> Output:
        """Let the wall clock move the watermarks of keys (``window.idle_timeout``), and forget quiet keys.

        ``stalled_us``: how long the process stood still before this call.
        """
        output = Output()
        fire(self._group, self._clocks.tick(now_us, stalled_us), output)
        if isinstance(self._clocks, KeyClocks):
            for key in self._clocks.forget(now_us, self._group.keys):
                self._group.forget_key(key)
        return output

    def finish(self) -> Output:
        """Close all windows: the input has ended.

        The watermark of the stream has moved already (``Progress.finish``). What is still open are windows of
        events from the future that moved no watermark. They are emitted, but the watermark stays where it is:
        it would make all events late that a longer input may bring.
        """
        group, output = self._group, Output()
        if not group.of_keys:
            if self.open:
                fired = group.fired_of(None)
                fire(group, {None: FOREVER}, output)
                group.fired[None] = fired
            return output
        moved: dict[Key, int] = {}
        for key, state in group.keys.items():
            ends = [group.assigner.span(key, window)[1] for pane in state.panes() for window in pane]
            # A revised window is emitted only when the watermark moves.
            moved[key] = max([group.fired_of(key) + bool(state.changed), *ends])
            self._clocks.finish(key, moved[key])
        fire(group, moved, output)
        return output
