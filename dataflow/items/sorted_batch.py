"""A batch whose rows are found by event time, or by key and event time."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.items.rows import Indices, Rows, event_times


class SortedBatch:
    """A batch, and the order of its rows by event time, and by key and event time.

    An order is found when a part of the batch is first asked for.

    >>> from dataflow.items.schemas import TIMESTAMP
    >>> columns = {"key": ["k", "j", "k"], "ts": pa.array([30, 10, 20], TIMESTAMP), "id": ["a", "b", "c"]}
    >>> batch = SortedBatch(pa.record_batch(columns))
    >>> batch.between(10, 30).rows().column("id").to_pylist()
    ['b', 'c']
    >>> batch.of_keys({"k": (0, 30), "j": (20, 30)}).rows().column("id").to_pylist()
    ['c']
    """

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._all = Rows(batch)

    @property
    def batch(self) -> pa.RecordBatch:
        """The batch."""
        return self._all.batch

    @cached_property
    def _span(self) -> tuple[int, int]:
        ts = event_times(self.batch)
        return int(ts.min()), int(ts.max())

    @cached_property
    def _by_time(self) -> tuple[Int64s, Indices | None]:
        """The sorted event times, and the indices of their rows; ``None`` if the rows are sorted already."""
        ts = event_times(self.batch)
        if len(ts) < 2 or (ts[1:] >= ts[:-1]).all():
            return ts, None
        order = np.argsort(ts, kind="stable")
        return ts[order], order

    @cached_property
    def _by_key(self) -> tuple[dict[str, int], Int64s, Int64s, Indices]:
        """The rows sorted by key and event time: the number of each key, the different event times in order,
        the sorted places, and the indices. A place is the number of a row's key times the number of different
        event times, plus the number of its event time.
        """
        keys = self.batch.column("key").dictionary_encode()
        codes = keys.indices.to_numpy().astype(np.int64)
        times, number = np.unique(event_times(self.batch), return_inverse=True)
        places = codes * len(times) + number
        order = np.argsort(places, kind="stable")
        code_of = {key: code for code, key in enumerate(keys.dictionary.to_pylist())}
        return code_of, times, places[order], order

    def between(self, start: int, end: int) -> Rows:
        """The rows with event times in ``[start, end)``, in any order. Nothing is copied.

        ``start``, ``end``: microseconds since the Unix epoch, UTC.
        """
        oldest, newest = self._span
        if start <= oldest and newest < end:
            return self._all
        ts, order = self._by_time
        low, high = ts.searchsorted((start, end)).tolist()
        return Rows(self.batch.slice(low, high - low)) if order is None else Rows(self.batch, order[low:high])

    def of_keys(self, spans: Mapping[str, tuple[int, int]]) -> Rows:
        """The rows of each key with event times in ``[start, end)``, in any order. Nothing is copied.

        ``spans``: the key, and ``(start, end)`` in microseconds since the Unix epoch, UTC.
        """
        code_of, times, places, order = self._by_key
        # Look up the smaller of the two in the larger.
        if len(spans) <= len(code_of):
            found = [(code_of[key], *span) for key, span in spans.items() if key in code_of]
        else:
            found = [(code, *spans[key]) for key, code in code_of.items() if key in spans]
        codes, starts, ends = np.array(found, np.int64).reshape(-1, 3).T
        low, high = (
            places.searchsorted(codes * len(times) + times.searchsorted(edges)) for edges in (starts, ends)
        )
        return Rows(self.batch, order[_ranges(low, high)])


def _ranges(low: Indices, high: Indices) -> Indices:
    """The numbers from ``low[i]`` up to but without ``high[i]``, for each ``i``, one range after the other.

    >>> _ranges(np.array([5, 2]), np.array([7, 3])).tolist()
    [5, 6, 2]
    """
    sizes = high - low
    ends = np.cumsum(sizes)
    ranges: Indices = np.arange(sizes.sum()) + np.repeat(low - ends + sizes, sizes)
    return ranges
