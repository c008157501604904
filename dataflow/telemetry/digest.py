"""What is told of the stream itself: dead letters, late events and windows, counted, so that the log grows
with the clock and not with what is wrong with the records.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock

import pyarrow as pa

from dataflow import settings
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)


class Digest:
    """Of one process. The first dead letter of each reason is told at once, and of all, and of late events,
    how many there were in each ``log.interval`` that had any. The clock is monotonic seconds.
    """

    def __init__(self, options: settings.Log, clock: Callable[[], float]) -> None:
        self._texts, self._interval_seconds = options.texts, options.interval.total_seconds()
        self._clock = clock
        self._lock = Lock()  # workers of a process share it
        self._seen: set[str] = set()
        self._dead: Counter[str] = Counter()
        self._late = 0
        self._told = clock()

    def dead_letters(self, letters: pa.RecordBatch) -> None:
        """Take in a ``DEAD_LETTER`` batch."""
        reasons: list[str] = letters.column("reason").to_pylist()
        with self._lock:
            first = [row for row, reason in enumerate(reasons) if self._is_first(reason)]
            self._dead.update(reasons)
        for row in first:
            self._tell_first(letters.slice(row, 1).to_pylist()[0])
        self.tell_when_due()

    def _is_first(self, reason: str) -> bool:
        known = reason in self._seen
        self._seen.add(reason)
        return not known

    def _tell_first(self, letter: Mapping[str, object]) -> None:
        where = f"{letter['partition']}:{letter['offset']}"
        fields = {name: letter[name] for name in ("reason", "partition", "offset")}
        if self._texts:
            fields["problem"] = letter["message"]
        of = "" if "problem" not in fields else f": {fields['problem']}"
        sentence = f"first dead letter of its kind: {letter['reason']} at {where}{of}"
        _log.warning(Line("dead_letter", sentence, **fields))

    def late(self, rows: pa.RecordBatch) -> None:
        """Take in a ``LATE`` batch."""
        with self._lock:
            self._late += len(rows)
        self.tell_when_due()

    def window(self, key: str, summary: pa.RecordBatch) -> None:
        """Take in a ``WINDOW_SUMMARY`` row."""
        if not _log.isEnabledFor(logging.DEBUG):
            return
        # Not as Python's datetime: a window may start before the year 1.
        start, end = (
            str(summary.column(name)[0].cast(pa.string())) for name in ("window_start", "window_end")
        )
        rows = summary.column("rows")[0].as_py()
        sentence = f"window {start} to {end} of {key!r}: {rows} rows"
        fields = {"key": key, "window_start": start, "window_end": end, "rows": rows}
        _log.debug(Line("window_closed", sentence, **fields))

    def tell_when_due(self) -> None:
        """To be called now and then: tells what was counted, if the interval is over."""
        if self._clock() - self._told >= self._interval_seconds:
            self.tell()

    def tell(self) -> None:
        """Tell what was counted since the last time."""
        with self._lock:
            dead, self._dead = self._dead, Counter()
            late, self._late = self._late, 0
            now = self._clock()
            seconds, self._told = round(now - self._told, 1), now
        if dead:
            reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(dead.items()))
            sentence = f"{dead.total()} dead letters in {seconds:.0f} s: {reasons}"
            _log.warning(Line("dead_letters", sentence, seconds=seconds, reasons=dict(dead)))
        if late:
            sentence = f"{late} late events in {seconds:.0f} s"
            _log.warning(Line("late_events", sentence, seconds=seconds, rows=late))
