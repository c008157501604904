"""How long a dependency may be away: waits longer and longer, says when it began and ended, gives up."""

import random
from collections.abc import Callable
from datetime import timedelta
from threading import Lock

from dataflow.errors import OutageError
from dataflow.telemetry import metrics
from dataflow.telemetry.logs import Line

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 5.0


class Outage:
    """One stretch of time at a time in which ``who`` gave no answer. The clock is monotonic seconds.

    Safe to share between threads: all wait for the same server.
    """

    def __init__(
        self,
        who: str,
        longest: timedelta,
        *,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
        log: Callable[[str], None],
    ) -> None:
        self._who = who
        self._longest_seconds = longest.total_seconds()
        self._sleep = sleep
        self._clock = clock
        self._log = log
        self._lock = Lock()
        self._since: float | None = None
        self._retries = 0
        #: How many outages are over.
        self.ended = 0

    def wait(self, cause: str, attempt: int) -> None:
        """Sleep, longer with each ``attempt`` (0, 1, ...). Raises ``OutageError`` when it lasted too long."""
        with self._lock:
            now = self._clock()
            if self._since is None:
                self._since, self._retries = now, 0
                metrics.OUTAGE.set(1)
                sentence = f"{self._who}: {cause}; holding back until it answers"
                self._log(Line("server_away", sentence, server=self._who, cause=cause))
            self._retries += 1
            lasted = now - self._since
        if lasted >= self._longest_seconds:
            raise OutageError(
                f"{self._who} gave no answer for {lasted:.0f} s ({cause}); "
                "start again when it is back, or allow more with DRIFTLINE_EMBED__MAX_OUTAGE"
            )
        wait = min(_FIRST_WAIT_SECONDS * 2 ** min(attempt, 10), _LONGEST_WAIT_SECONDS)
        # Jitter, so that workers do not all come back at once.
        self._sleep(wait * random.uniform(0.5, 1.0))

    def over(self) -> None:
        """An answer came."""
        with self._lock:
            if self._since is not None:
                seconds = round(self._clock() - self._since, 1)
                sentence = f"{self._who} answers again after {seconds} s and {self._retries} retries"
                fields = {"server": self._who, "seconds": seconds, "retries": self._retries}
                self._log(Line("server_back", sentence, **fields))
                self._since = None
                metrics.OUTAGE.set(0)
                self.ended += 1
