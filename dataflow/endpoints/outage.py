"""How long a server may be unreachable: waits longer and longer, reports when an outage begins and ends,
gives up.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from threading import Lock

from dataflow.errors import OutageError

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 5.0


class Outage:
    """The outages of ``server``, one at a time. Threads may share it: all of them wait for the same server.

    ``remedy``: the end of the ``OutageError``, which says what to do. ``clock`` gives monotonic seconds.
    ``began(cause)`` is called when an outage begins, ``ended(seconds, retries)`` when the server answers
    again.
    """

    def __init__(
        self,
        server: str,
        longest: timedelta,
        remedy: str,
        *,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
        began: Callable[[str], None],
        ended: Callable[[float, int], None],
    ) -> None:
        self._server, self._remedy = server, remedy
        self._longest_seconds = longest.total_seconds()
        self._sleep, self._clock = sleep, clock
        self._began, self._ended = began, ended
        self._lock = Lock()
        self._since: float | None = None
        self._retries = 0
        #: How many outages have ended.
        self.count = 0

    def wait(self, cause: str, attempt: int) -> None:
        """Sleep, longer with each ``attempt`` (0, 1, ...). Raises ``OutageError`` if the outage lasts too
        long.
        """
        with self._lock:
            now = self._clock()
            if self._since is None:
                self._since, self._retries = now, 0
                self._began(cause)
            self._retries += 1
            seconds = now - self._since
        if seconds >= self._longest_seconds:
            raise OutageError(f"{self._server} gave no answer for {seconds:.0f} s ({cause}); {self._remedy}")
        wait = min(_FIRST_WAIT_SECONDS * 2 ** min(attempt, 10), _LONGEST_WAIT_SECONDS)
        # The random factor keeps workers from retrying all at once.
        self._sleep(wait * random.uniform(0.5, 1.0))

    def over(self) -> None:
        """Note that the server answered."""
        with self._lock:
            if self._since is not None:
                self._ended(round(self._clock() - self._since, 1), self._retries)
                self._since = None
                self.count += 1
