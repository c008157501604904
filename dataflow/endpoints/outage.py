"""How long a server may be unreachable: waits that grow, one report for each outage, and a limit."""

import random
from collections.abc import Callable
from datetime import timedelta
from threading import Lock

from dataflow.errors import OutageError

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 5.0


class Outage:
    """The outages of one server. Threads may share this object: all of them wait for the same server.

    An outage begins with the first :meth:`wait` and ends with the next :meth:`over`. ``began(cause)`` is
    called once when an outage begins, ``ended(seconds, retries)`` once when the outage ends.

    ``longest``: an outage that lasts as long as this raises ``OutageError``. ``remedy``: the last part of the
    text of this error; it says what the user can do. ``clock`` returns monotonic seconds.
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
        """Sleep before a request is sent again. The sleep is longer with each ``attempt`` (0, 1, ...).

        ``cause`` says why the last request failed. Raises ``OutageError`` if the outage lasts too long.
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
        # The random factor prevents that all workers retry at the same moment.
        self._sleep(wait * random.uniform(0.5, 1.0))

    def over(self) -> None:
        """The server answered: the outage, if there is one, ends."""
        with self._lock:
            if self._since is not None:
                self._ended(round(self._clock() - self._since, 1), self._retries)
                self._since = None
                self.count += 1
