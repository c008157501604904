"""The window state machine of one key: rows in, orders to its chunks out. No bytewax, no clock.

It holds no rows. They go to append-only **chunks**, in their order of arrival; the machine knows each
chunk's number of rows (:mod:`dataflow.window.counts`), and orders chunks to hand over the rows of a window
that has ended, to trim or to drop what no window needs any more. The orders must be carried out in
the order given.

Every decision depends on the order of arrival of the key's events alone, never on how they were cut
into batches. Times are integers: microseconds since the Unix epoch, UTC.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from dataflow import settings
from dataflow.clock import FOREVER, NEVER, micros, rfc3339
from dataflow.items.arrays import Bools, Int64s
from dataflow.items.rows import event_times, owned
from dataflow.items.schemas import EVENT, LATE
from dataflow.window.aligned import Aligned
from dataflow.window.assigner import Assigner
from dataflow.window.counts import RowCounts
from dataflow.window.messages import Append, Drop, Gather, Output, Trim
from dataflow.window.progress import Stamped
from dataflow.window.sample import Sample
from dataflow.window.session import Sessions
from dataflow.window.watermark import Watermark

#: The format of the state.
FORMAT = 1


class Idle(NamedTuple):
    """What a key without rows remembers: the watermark, the largest event time seen, ``Assigner.gone_until``,
    and the number of the next chunk.
    """

    watermark: int = NEVER
    highest: int = NEVER
    gone_until: int = NEVER
    next_chunk: int = 0


class Windows:
    """The windows of one key. ``state`` is what :meth:`snapshot` gave, ``idle`` what :meth:`idle` gave."""

    __slots__ = ("__weakref__", "_assigner", "_counts", "_due", "_sample", "_settled", "_watermark")

    def __init__(
        self,
        spec: settings.Window,
        now_us: int,
        state: Mapping[str, Any] | None = None,
        idle: Idle | None = None,
    ) -> None:
        if state and state["format"] != FORMAT:
            raise ValueError(f"window state has format {state['format']}, this version reads {FORMAT}")
        state = state or {}
        before = idle or Idle()
        self._assigner = _assigner(spec, state.get("assigner"))
        self._watermark = Watermark(
            micros(spec.delay),
            micros(spec.idle_timeout) if spec.idle_timeout else None,
            now_us,
            state.get("watermark"),
        )
        self._settled: int = state.get("settled", before.watermark)
        self._due: int | None = None
        self._counts = RowCounts(state.get("ledger"), before.next_chunk)
        self._sample = Sample(spec.max_window_rows, self._assigner, self._counts, state.get("sample"))
        if idle:
            self._watermark.resume(idle.watermark, idle.highest)
            self._assigner.resume(idle.watermark, idle.gone_until)

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {
            "format": FORMAT,
            "assigner": self._assigner.snapshot(),
            "watermark": self._watermark.snapshot(),
            "settled": self._settled,
            "ledger": self._counts.snapshot(),
            "sample": self._sample.snapshot(),
        }

    def idle(self) -> Idle | None:
        """What the key must remember if it has no rows; ``None`` if it has some."""
        if self._counts:
            return None
        mark = self._watermark
        return Idle(mark.value, mark.highest, self._assigner.gone_until, self._counts.following)

    @property
    def watermark(self) -> int:
        """The watermark of the key, in microseconds."""
        return self._watermark.value

    @property
    def highest(self) -> int:
        """The largest event time seen."""
        return self._watermark.highest

    @property
    def open(self) -> int:
        """The number of windows that hold events and have not ended."""
        return self._assigner.open(self._counts.panes())

    @property
    def chunks(self) -> list[int]:
        """The numbers of the chunks that hold rows."""
        return self._counts.chunks()

    @property
    def rows(self) -> int:
        """The number of rows that the chunks hold."""
        return len(self._counts)

    def push(self, stamped: Stamped, now_us: int) -> Output:
        """Take in embedded events of this key and of one partition, in their order of arrival."""
        output, rows = Output(arrival_us=stamped.arrival_us), stamped.rows
        if not len(rows):
            return output
        partition: str = rows.column("partition")[0].as_py()
        ts = event_times(rows)
        moves = ts if stamped.moves is None else stamped.moves
        self._watermark.hear(partition, stamped.progress, now_us)
        if self._calm(rows, ts, moves, partition, output):
            return output
        before = self._watermark.value
        # The calm did not.
        self._settle(before, output)
        after = self._watermark.observe(moves, partition)
        marks = np.concatenate(([before], after[:-1]))
        behind = self._assigner.behind(ts, marks)
        start = 0
        while start < len(ts):
            stop = self._stretch(ts, marks, after, behind, start)
            self._admit(rows.slice(start, stop - start), ts[start:stop], marks[start:stop], output)
            self._settle(int(after[stop - 1]), output)
            start = stop
        return output

    def _calm(self, rows: pa.RecordBatch, ts: Int64s, moves: Int64s, partition: str, output: Output) -> bool:
        """Admit rows if nothing comes of them yet, as of nearly all: no window ends, none of
        them is behind the watermark. Then their order does not matter. Returns whether it is so.
        """
        oldest, newest = int(ts.min()), int(moves.max())
        mark = self._watermark.foresee(partition, newest)
        if mark >= self._quiet_until() or not self._assigner.ahead(oldest, mark):
            return False
        self._watermark.advance(partition, newest, mark)
        due = self._quiet_until()
        self._enter(rows, ts, output)
        self._due = min(due, self._assigner.first_end(oldest))
        return True

    def tick(self, now_us: int, stalled_us: int = 0) -> Output:
        """Let the wall clock pass (``window.idle_timeout``). ``stalled_us``: how long nobody could listen."""
        output = Output()
        self._watermark.stalled(stalled_us)
        self._watermark.tick(now_us)
        self._settle(self._watermark.value, output)
        return output

    def finish(self) -> Output:
        """The input has ended: every window ends, too."""
        output = Output()
        self._watermark.advance_to(self._assigner.last_end(self._counts.panes()))
        self._settle(self._watermark.value, output)
        if self._assigner.revised():
            self._watermark.advance_to(self._settled + 1)
            self._settle(self._watermark.value, output)
        return output

    def wake_at(self, now_us: int) -> int | None:
        """The wall-clock time of the next :meth:`tick` that can matter; ``None``: only events can."""
        if self._assigner.revised():
            return self._watermark.reaches(self._settled + 1, now_us)
        due = self._quiet_until()
        return None if due == FOREVER else self._watermark.reaches(due, now_us)

    def _quiet_until(self) -> int:
        """Nothing comes of a watermark below this, unless of a window that has been revised."""
        if self._due is None:
            panes = self._counts.panes()
            self._due = NEVER if self._assigner.revised() else self._assigner.next_change(panes)
        return self._due

    def _next_end(self) -> int:
        return self._assigner.next_end(self._counts.panes())

    def _stretch(self, ts: Int64s, marks: Int64s, after: Int64s, behind: Bools, start: int) -> int:
        """The end of the longest run of events from ``start`` that nothing comes between: no window ends
        or is emitted again after any but its last, and no event is behind a watermark that moved within.
        """
        assigner = self._assigner
        ends = assigner.earliest_end(ts[start:], marks[start:])
        due = after[start:] >= np.minimum(np.minimum.accumulate(ends), self._next_end())
        pending = np.full(len(due), assigner.revised())
        if (late_ish := behind[start:]).any():
            pending |= np.logical_or.accumulate(assigner.revising(ts[start:], marks[start:]))
            cut = late_ish & ((marks[start:] > marks[start]) | assigner.alone(late_ish))
            cut[0] = False
            if assigner.alone(late_ish)[0]:
                return start + 1
        else:
            cut = np.zeros_like(due)
        due |= pending & (after[start:] > self._settled)
        stop = int(np.argmax(due)) + 1 if due.any() else len(due)
        return start + (min(stop, int(np.argmax(cut))) if cut.any() else stop)

    def _admit(self, rows: pa.RecordBatch, ts: Int64s, marks: Int64s, output: Output) -> None:
        late = self._assigner.late(ts, marks)
        if late.any():
            output.late.append(self._late(rows.filter(pa.array(late)), ts[late], marks[late]))
            rows, ts = rows.filter(pa.array(~late)), ts[~late]
        if len(rows):
            self._enter(rows, ts, output)

    def _enter(self, rows: pa.RecordBatch, ts: Int64s, output: Output) -> None:
        self._due = None
        for gone, into in self._assigner.add(ts, self._settled).items():
            self._counts.merge(gone, into)
            self._sample.merge(gone, into)
        rows, kinds = self._sample.admit(rows, ts)
        if len(rows):
            output.orders.append(Append(self._counts.append(kinds), owned(rows)))
            if self._sample.tighten():
                self._reclaim(output)

    def _late(self, rows: pa.RecordBatch, ts: Int64s, marks: Int64s) -> pa.RecordBatch:
        missed = [self._assigner.missed(t) for t in ts.tolist()]
        by = [mark - windows[-1][1] for mark, windows in zip(marks.tolist(), missed, strict=True)]
        shown = [orjson.dumps([[rfc3339(a), rfc3339(b)] for a, b in w]).decode() for w in missed]
        return pa.RecordBatch.from_arrays(
            [
                *(rows.column(name) for name in EVENT.names),
                pa.array(marks).cast(LATE.field("watermark").type),
                pa.array(by, pa.int64()),
                pa.array(shown, pa.string()),
            ],
            schema=LATE,
        )

    def _settle(self, watermark: int, output: Output) -> None:
        """The watermark has come to ``watermark``: emit what is ripe, let go of what is not needed."""
        if watermark <= self._settled:
            return
        self._settled, self._due = watermark, None
        for window, ref in self._assigner.ripe(watermark, self._counts.panes()):
            level = self._sample.level(window)
            holders = self._counts.holders(window, level)
            seen = self._sample.seen(window) or sum(holders.values())
            output.orders.extend(
                Gather(chunk, ref, len(holders), rows, seen, level, output.arrival_us)
                for chunk, rows in holders.items()
            )
        self._assigner.forget(watermark)
        self._sample.forget()
        if not all(self._assigner.kept(pane) for pane in self._counts.panes()):
            self._reclaim(output)

    def _reclaim(self, output: Output) -> None:
        dropped, trimmed = self._counts.reclaim(self._sample.needs)
        output.orders.extend(Drop(chunk) for chunk in dropped)
        thinned = self._sample.thinned() if trimmed else ()
        output.orders.extend(Trim(chunk, self._assigner.needed_since, thinned) for chunk in trimmed)


def _assigner(spec: settings.Window, state: Mapping[str, Any] | None) -> Assigner:
    lateness = micros(spec.allowed_lateness)
    if spec.kind == "session":
        return Sessions(micros(spec.gap), lateness, state)
    slide = spec.length if spec.kind == "tumbling" else spec.slide
    return Aligned(micros(spec.length), micros(slide), micros(spec.align_to), lateness, state)
