"""How a source waits for records: for a short time, inside ``next_batch``, and never by the wall clock.

Bytewax compares the time that ``next_awake`` returns with the system's wall clock. ``None`` after an empty
batch means one millisecond after the wall clock's time. If the wall clock were set back by an hour in that
moment, Bytewax would not call ``next_batch`` for an hour. So ``next_awake`` returns :data:`AT_ONCE`, and
``next_batch`` waits.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timezone

#: A time that is in the past, whatever the wall clock says.
AT_ONCE = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: The longest time, in seconds, that a worker waits before it reads all its partitions again.
WAIT_S = 0.01


class WaitOncePerRound(threading.local):
    """Decides which read may wait, for the partitions of one source in one worker. A worker is a thread.

    A partition waits if no partition has given a record since the last poll of this partition. So a worker
    waits once in each round of polls, however many partitions it has, and it does not wait while one of the
    partitions has records.
    """

    def __init__(self) -> None:
        self._empty: set[str] = set()

    def poll(self, partition: str, read: Callable[[float], bool]) -> bool:
        """Call ``read(wait_s)``, which waits for records for at most ``wait_s`` seconds.

        ``read`` returns whether there are records, and so does ``poll``.
        """
        wait_s = WAIT_S if partition in self._empty else 0.0
        found = read(wait_s)
        if found or wait_s:
            self._empty.clear()
        if not found:
            self._empty.add(partition)
        return found
