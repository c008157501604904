"""The orders to the chunks of a key: append, gather, trim, drop."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.items.rows import owned
from dataflow.window.assigner import Assigner
from dataflow.window.counts import RowCounts
from dataflow.window.messages import Append, Drop, Gather, Output, Trim
from dataflow.window.sample import Sample


class Orders:
    """Gives the orders to the chunks of a key, and counts which rows the chunks hold after each order.

    ``limit``: ``window.max_window_rows``. ``sample_state``: the part ``sample`` of :meth:`snapshot`; the part
    ``ledger`` is the state of ``counts``.
    """

    __slots__ = ("_assigner", "_counts", "_sample")

    def __init__(
        self,
        limit: int | None,
        assigner: Assigner,
        counts: RowCounts,
        sample_state: Mapping[str, Any] | None = None,
    ) -> None:
        self._assigner, self._counts = assigner, counts
        self._sample = Sample(limit, assigner, counts, sample_state)

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {"ledger": self._counts.snapshot(), "sample": self._sample.snapshot()}

    def add(self, rows: pa.RecordBatch, ts: Int64s, fired_until: int, output: Output) -> None:
        """Append the rows of events that are not late, except rows that no window keeps.

        ``ts``: ``(n,)`` their event times. ``fired_until``: the watermark up to which windows were emitted.
        """
        for pane, into in self._assigner.add(ts, fired_until).items():
            self._counts.merge(pane, into)
            self._sample.merge(pane, into)
        rows, kinds = self._sample.admit(rows, ts)
        if len(rows):
            output.orders.append(Append(self._counts.append(kinds), owned(rows)))
            if self._sample.tighten():
                self._purge(output)

    def fire(self, watermark: int, output: Output) -> None:
        """Gather the windows to emit at this watermark, and purge the rows of windows that are gone."""
        for window, ref in self._assigner.windows_to_emit(watermark):
            level = self._sample.level(window)
            rows_by_chunk = self._counts.count_by_chunk(window, level)
            seen = self._sample.seen(window) or sum(rows_by_chunk.values())
            output.orders.extend(
                Gather(chunk, ref, len(rows_by_chunk), rows, seen, level, output.arrival_us)
                for chunk, rows in rows_by_chunk.items()
            )
        self._assigner.forget(watermark)
        self._sample.forget()
        if not all(self._assigner.windows_kept(pane) for pane in self._counts.panes()):
            self._purge(output)

    def _purge(self, output: Output) -> None:
        """Remove rows that no window needs, where that is worth the work (see ``RowCounts.purge``)."""
        dropped, trimmed = self._counts.purge(self._sample.needs)
        output.orders.extend(Drop(chunk) for chunk in dropped)
        thinned = self._sample.thinned() if trimmed else ()
        output.orders.extend(Trim(chunk, self._assigner.rows_needed_since, thinned) for chunk in trimmed)
