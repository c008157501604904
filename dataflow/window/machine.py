"""The window machine of one key: events in, orders to the chunks of the key out.

The machine decides which windows an event belongs to, when a window is emitted, and which rows are still
needed. The rows are in append-only **chunks** (:mod:`dataflow.window.chunk`). The machine counts the rows of
each chunk (:mod:`dataflow.window.counts`) and sends orders, which the chunk must carry out in their order:
append rows, hand over the rows of a window that has ended, trim rows that no window needs, drop the chunk.

An event takes this way through the machine:

1. :mod:`~dataflow.window.watermark` says where the watermark is before and after the event.
2. An **assigner** says whether the event is late, and which windows it belongs to: an object of
   :mod:`~dataflow.window.aligned` (tumbling and sliding windows) or :mod:`~dataflow.window.session`.
3. :mod:`~dataflow.window.sample` says whether a window keeps the event.
4. :mod:`~dataflow.window.orders` appends the row of the event to the open chunk.
5. When the watermark has moved, the windows that have ended are emitted (they *fire*, in Flink's words), and
   rows that no window needs are removed (*purged*).

Every decision depends on the order of the key's events alone, never on the batches that they arrived in. The
machine knows neither Bytewax nor the wall clock. Times are integers: microseconds since the Unix epoch, UTC.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataflow import settings
from dataflow.clock import FOREVER, NEVER, micros
from dataflow.items.arrays import Int64s
from dataflow.items.rows import event_times
from dataflow.window.counts import RowCounts
from dataflow.window.kinds import open_assigner
from dataflow.window.late import late_rows
from dataflow.window.messages import Output
from dataflow.window.orders import Orders
from dataflow.window.progress import Stamped
from dataflow.window.runs import Timeline, run_length
from dataflow.window.watermark import Watermark

#: The format of the state.
FORMAT = 1


class Idle(NamedTuple):
    """What a key without rows remembers, so that late events are late and closed windows stay closed.

    ``watermark``: the watermark. ``highest``: the largest event time seen. ``gone_until``: see
    ``Assigner.gone_until``. ``next_chunk``: the number of the next chunk.
    """

    watermark: int = NEVER
    highest: int = NEVER
    gone_until: int = NEVER
    next_chunk: int = 0


class Windows:
    """The windows of one key.

    ``state`` is what :meth:`snapshot` returned; ``idle`` is what :meth:`idle` returned. A new key has none.
    """

    __slots__ = (
        "__weakref__",
        "_assigner",
        "_counts",
        "_fired_until",
        "_known_next_change",
        "_orders",
        "_watermark",
    )

    def __init__(
        self,
        options: settings.Window,
        now_us: int,
        state: Mapping[str, Any] | None = None,
        idle: Idle | None = None,
    ) -> None:
        if state and state["format"] != FORMAT:
            raise ValueError(f"window state has format {state['format']}, this version reads {FORMAT}")
        state = state or {}
        before = idle or Idle()
        self._counts = RowCounts(state.get("ledger"), before.next_chunk)
        self._assigner = open_assigner(options, self._counts.panes, state.get("assigner"))
        self._orders = Orders(options.max_window_rows, self._assigner, self._counts, state.get("sample"))
        self._watermark = Watermark(
            micros(options.delay),
            micros(options.idle_timeout) if options.idle_timeout else None,
            now_us,
            state.get("watermark"),
        )
        #: The watermark up to which windows have been emitted.
        self._fired_until: int = state.get("settled", before.watermark)
        self._known_next_change: int | None = None
        if idle:
            self._watermark.resume(idle.watermark, idle.highest)
            self._assigner.resume(idle.watermark, idle.gone_until)

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {
            "format": FORMAT,
            "assigner": self._assigner.snapshot(),
            "watermark": self._watermark.snapshot(),
            "settled": self._fired_until,
            **self._orders.snapshot(),
        }

    def idle(self) -> Idle | None:
        """What the key must remember if it has no rows; ``None`` if it has rows."""
        if self._counts:
            return None
        watermark = self._watermark
        return Idle(watermark.value, watermark.highest, self._assigner.gone_until, self._counts.next_chunk)

    @property
    def watermark(self) -> int:
        """The watermark of the key."""
        return self._watermark.value

    @property
    def highest(self) -> int:
        """The largest event time seen."""
        return self._watermark.highest

    @property
    def open(self) -> int:
        """The number of windows that have rows and have not ended."""
        return self._assigner.windows_open()

    @property
    def chunks(self) -> list[int]:
        """The numbers of the chunks that hold rows."""
        return self._counts.chunks()

    @property
    def rows(self) -> int:
        """The number of rows that the chunks hold."""
        return len(self._counts)

    def push(self, stamped: Stamped, now_us: int) -> Output:
        """Process embedded events of this key and of one partition, in their order of arrival."""
        output, rows = Output(arrival_us=stamped.arrival_us), stamped.rows
        if not len(rows):
            return output
        partition: str = rows.column("partition")[0].as_py()
        ts = event_times(rows)
        confirmed = ts if stamped.confirmed is None else stamped.confirmed
        self._watermark.arrive(partition, stamped.progress, now_us)
        if not self._add_at_once(rows, ts, confirmed, partition, output):
            self._add_in_runs(rows, ts, confirmed, partition, output)
        return output

    def tick(self, now_us: int, stalled_us: int = 0) -> Output:
        """Let the wall clock move the watermark (``window.idle_timeout``).

        ``stalled_us``: how long the process stood still before this call.
        """
        output = Output()
        self._watermark.stalled(stalled_us)
        self._watermark.tick(now_us)
        self._fire(self._watermark.value, output)
        return output

    def finish(self) -> Output:
        """Close all windows: the input has ended."""
        output = Output()
        self._watermark.advance_to(self._assigner.last_end())
        self._fire(self._watermark.value, output)
        if self._assigner.awaits_revision():
            # A revised window is emitted only when the watermark moves.
            self._watermark.advance_to(self._fired_until + 1)
            self._fire(self._watermark.value, output)
        return output

    def wake_at(self, now_us: int) -> int | None:
        """The wall-clock time of the next :meth:`tick` that can have an effect.

        ``None``: without further events, no tick has an effect.
        """
        if self._assigner.awaits_revision():
            return self._watermark.next_tick(self._fired_until + 1, now_us)
        next_change = self._next_change()
        return None if next_change == FOREVER else self._watermark.next_tick(next_change, now_us)

    def _add_at_once(
        self, rows: pa.RecordBatch, ts: Int64s, confirmed: Int64s, partition: str, output: Output
    ) -> bool:
        """Add all rows at once if nothing else happens. Returns whether the rows were added.

        Nothing else happens for nearly all batches: no window ends, and no row is behind the watermark. Then
        the order of the rows does not matter, and the oldest and newest event time are enough to see it.
        """
        oldest, newest = int(ts.min()), int(confirmed.max())
        watermark = self._watermark.after(partition, newest)
        next_change = self._next_change()
        if watermark >= next_change or not self._assigner.nothing_ended_from(oldest, watermark):
            return False
        self._watermark.advance(partition, newest, watermark)
        self._orders.add(rows, ts, self._fired_until, output)
        self._known_next_change = min(next_change, self._assigner.first_end(oldest))
        return True

    def _add_in_runs(
        self, rows: pa.RecordBatch, ts: Int64s, confirmed: Int64s, partition: str, output: Output
    ) -> None:
        """Add the rows run by run, and emit windows after each run (see :mod:`dataflow.window.runs`)."""
        watermark = self._watermark.value
        # Batches that were added at once have moved the watermark, but nothing was emitted or purged.
        self._fire(watermark, output)
        after = self._watermark.observe(confirmed, partition)
        before = np.concatenate(([watermark], after[:-1]))
        events = Timeline(ts, before, after, self._assigner.may_be_late(ts, before))
        start = 0
        while start < len(ts):
            length = run_length(events.part(start), self._assigner, self._fired_until)
            run = events.part(start, start + length)
            self._add_unless_late(rows.slice(start, length), run, output)
            self._fire(int(run.after[-1]), output)
            start += length

    def _add_unless_late(self, rows: pa.RecordBatch, events: Timeline, output: Output) -> None:
        ts = events.ts
        late = self._assigner.is_late(ts, events.before)
        if late.any():
            missed = [self._assigner.missed(t) for t in ts[late].tolist()]
            output.late.append(late_rows(rows.filter(pa.array(late)), events.before[late], missed))
            rows, ts = rows.filter(pa.array(~late)), ts[~late]
        if len(rows):
            self._known_next_change = None
            self._orders.add(rows, ts, self._fired_until, output)

    def _fire(self, watermark: int, output: Output) -> None:
        """Emit the windows that have ended or changed, now that the watermark has moved, and purge rows."""
        if watermark <= self._fired_until:
            return
        self._fired_until, self._known_next_change = watermark, None
        self._orders.fire(watermark, output)

    def _next_change(self) -> int:
        """While the watermark is below this, no window is emitted and no window is gone.

        To find it takes a pass over all panes, so it is kept until rows are added or windows are emitted.
        """
        if self._known_next_change is None:
            revised = self._assigner.awaits_revision()
            self._known_next_change = NEVER if revised else self._assigner.next_change()
        return self._known_next_change
