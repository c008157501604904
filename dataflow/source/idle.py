"""How a source waits for records: briefly, inside ``next_batch``, and never by the wall clock.

Bytewax compares the time that ``next_awake`` returns with the system's wall clock; ``None`` after an empty
batch means that clock's time and a millisecond. Were the clock set back by an hour in between, bytewax would
not call ``next_batch`` for an hour. So ``next_awake`` returns ``AT_ONCE``, and ``next_batch`` waits.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timezone

#: A time that has passed, whatever the wall clock says.
AT_ONCE = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: How long a worker waits at most, in seconds, before it looks at all its partitions again.
WAIT_S = 0.01


class Idle(threading.local):
    """Says which poll may wait, for the partitions of one source on one worker; a worker is a thread.

    A partition waits if no partition has given a record since that partition's last poll. So a worker
    waits once a round, however many partitions it has, and never while one of them has records.
    """

    def __init__(self) -> None:
        self._empty: set[str] = set()

    def poll(self, partition: str, read: Callable[[float], bool]) -> bool:
        """Call ``read`` with the seconds that it may wait; it returns whether there are records."""
        wait_s = WAIT_S if partition in self._empty else 0.0
        found = read(wait_s)
        if found or wait_s:
            self._empty.clear()
        if not found:
            self._empty.add(partition)
        return found
