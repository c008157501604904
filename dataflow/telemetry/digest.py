"""Logs counts of dead letters and late events at intervals.

So the length of the log depends on the time that the flow runs, not on the number of bad records.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock

import pyarrow as pa

from dataflow.clock import rfc3339
from dataflow.settings import Log
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)


class Digest:
    """The counts of one process, which all its workers share.

    The first dead letter of each reason is logged at once. The numbers of dead letters and of late events are
    logged at the end of each ``log.interval`` in which there are any. ``clock`` returns monotonic seconds.
    """

    def __init__(self, options: Log, clock: Callable[[], float]) -> None:
        self._texts, self._interval_seconds = options.texts, options.interval.total_seconds()
        self._clock = clock
        self._lock = Lock()
        self._seen: set[str] = set()
        self._dead: Counter[str] = Counter()
        self._late = 0
        self._reported = clock()

    def dead_letters(self, letters: pa.RecordBatch) -> None:
        """Count a ``DEAD_LETTER`` batch."""
        reasons: list[str] = letters.column("reason").to_pylist()
        with self._lock:
            first = [row for row, reason in enumerate(reasons) if self._is_first(reason)]
            self._dead.update(reasons)
        for row in first:
            self._log_first(letters.slice(row, 1).to_pylist()[0])
        self.report_when_due()

    def _is_first(self, reason: str) -> bool:
        known = reason in self._seen
        self._seen.add(reason)
        return not known

    def _log_first(self, letter: Mapping[str, object]) -> None:
        where = f"{letter['partition']}:{letter['offset']}"
        fields = {name: letter[name] for name in ("reason", "partition", "offset")}
        if self._texts:
            fields["problem"] = letter["message"]
        problem = f": {fields['problem']}" if "problem" in fields else ""
        sentence = f"first dead letter with the reason {letter['reason']}, at {where}{problem}"
        _log.warning(Line("dead_letter", sentence, **fields))

    def late(self, rows: pa.RecordBatch) -> None:
        """Count a ``LATE`` batch."""
        with self._lock:
            self._late += len(rows)
        self.report_when_due()

    def windows(self, summary: pa.RecordBatch) -> None:
        """Log, at level ``debug``, each window of a ``WINDOW_SUMMARY`` batch that was scored."""
        if not _log.isEnabledFor(logging.DEBUG):
            return
        starts, ends = (summary.column(name).view(pa.int64()) for name in ("window_start", "window_end"))
        columns = (summary.column("key"), starts, ends, summary.column("rows"))
        for key, start_us, end_us, rows in zip(*(column.to_pylist() for column in columns), strict=True):
            start, end = rfc3339(start_us), rfc3339(end_us)
            sentence = f"window {start} to {end} of {key!r}: {rows} rows"
            fields = {"key": key, "window_start": start, "window_end": end, "rows": rows}
            _log.debug(Line("window_closed", sentence, **fields))

    def report_when_due(self) -> None:
        """Log the counts if ``log.interval`` has passed since the last report; call this often."""
        if self._clock() - self._reported >= self._interval_seconds:
            self.report()

    def report(self) -> None:
        """Log what was counted since the last report."""
        with self._lock:
            dead, self._dead = self._dead, Counter()
            late, self._late = self._late, 0
            now = self._clock()
            seconds, self._reported = round(now - self._reported, 1), now
        if dead:
            reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(dead.items()))
            sentence = f"{dead.total()} dead letters in {seconds:.0f} s: {reasons}"
            _log.warning(Line("dead_letters", sentence, seconds=seconds, reasons=dict(dead)))
        if late:
            sentence = f"{late} late events in {seconds:.0f} s"
            _log.warning(Line("late_events", sentence, seconds=seconds, rows=late))
