"""A stream that arrives at a steady pace."""

import itertools
import time
from pathlib import Path

from benchmarks.peers.spark.tasks import Task, end, stream
from benchmarks.peers.streams import write_file

PACED_S = 150.0
#: Windows that begin earlier are not counted.
WARM_UP_S = 80.0
#: Seconds between two files of the paced stream.
EVERY_S = 0.25


class Pace:
    """A stream that arrives at a steady pace. Its event times are the times of the wall clock.

    ``per_second``: how many events arrive. ``rows``: how many rows the windows have that are counted.
    ``waits``: whether a window is scored only when the watermark has passed its end. ``decided``: when the
    file was written that decided a window.
    """

    def __init__(self, task: Task, per_second: float, *, waits: bool) -> None:
        self._task, self._wait_s, self._per_second = task, task.delay_s if waits else 0, per_second
        self._events = stream(int(per_second * PACED_S), per_second, start=0.0, disorder_s=1.0)
        self.rows = sum(1 for event in self._events for _ in task.windows(event.at))
        self.decided: dict[int, float] = {}

    def write(self) -> None:
        """Write the stream, a file each ``EVERY_S``."""
        folder, task = Path(self._task.input), self._task
        # A multiple of the slide, so that windows have the same events in each run.
        start = (time.time() // task.slide_s + 1) * task.slide_s
        events = [event._replace(at=start + event.at) for event in self._events]
        counted = {
            window
            for event in events
            for window in task.windows(event.at)
            if start + WARM_UP_S <= window <= start + PACED_S - task.length_s
        }
        newest, place = 0.0, 0
        for number in itertools.count():
            due = start + (number + 1) * EVERY_S
            time.sleep(max(0.0, due - time.time()))
            first, newest_before = place, newest
            while place < len(events) and place < (due - start) * self._per_second:
                newest = max(newest, events[place].at)
                place += 1
            write_file(folder, number, events[first:place])
            at = time.time()
            for window in counted:
                passed = window + task.length_s + self._wait_s
                if newest_before < passed <= newest:
                    self.decided[window] = at
            if place == len(events):
                break
        write_file(folder, number + 1, [end(events)])
