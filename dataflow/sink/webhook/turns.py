"""Whose turn it is: which change is posted next, and how fast."""

import heapq
from collections import deque


class Turns:
    """The changes that wait. Of each incident, one change at a time has its turn: the first.

    Among the incidents, the change with the lowest number comes first. An incident whose change was not
    taken waits, and the others go on. Times are monotonic seconds.
    """

    def __init__(self) -> None:
        self._queues: dict[str, deque[int]] = {}
        self._ready: list[tuple[int, str]] = []
        self._later: list[tuple[float, int, str]] = []

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def add(self, number: int, incident: str) -> None:
        """Let a change wait, after the other changes of its incident."""
        if incident in self._queues:
            self._queues[incident].append(number)
        else:
            self._queues[incident] = deque([number])
            heapq.heappush(self._ready, (number, incident))

    def take(self, now: float) -> tuple[int, str] | None:
        """The change whose turn it is: its number and its incident; ``None``: none is due.

        Then call :meth:`done` or :meth:`again` for the incident.
        """
        while self._later and self._later[0][0] <= now:
            _, number, incident = heapq.heappop(self._later)
            heapq.heappush(self._ready, (number, incident))
        return heapq.heappop(self._ready) if self._ready else None

    def due(self, now: float) -> float | None:
        """When :meth:`take` will return a change; ``None``: no change waits."""
        if self._ready:
            return now
        return self._later[0][0] if self._later else None

    def done(self, incident: str) -> None:
        """The change that was taken is over: the next one of its incident may have its turn."""
        queue = self._queues[incident]
        queue.popleft()
        if queue:
            heapq.heappush(self._ready, (queue[0], incident))
        else:
            del self._queues[incident]

    def again(self, incident: str, at: float) -> None:
        """The change that was taken has its turn again at ``at``."""
        heapq.heappush(self._later, (at, self._queues[incident][0], incident))


class Rate:
    """A bucket of tokens, of which each post takes one. Times are monotonic seconds.

    ``per_minute`` tokens come in a minute, and a sixth of them fit into the bucket.

    >>> rate = Rate(60, now=0.0)
    >>> [rate.take(0.0) for _ in range(10)] == [None] * 10
    True
    >>> rate.ready(0.0), rate.ready(0.25)
    (1.0, 1.0)
    """

    def __init__(self, per_minute: int, now: float) -> None:
        self._a_second = per_minute / 60
        self._most = max(1.0, per_minute / 6)
        self._tokens, self._at = self._most, now

    def take(self, now: float) -> None:
        """Take a token. :meth:`ready` must not be later than ``now``."""
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._a_second) - 1
        self._at = now

    def ready(self, now: float) -> float:
        """When there is a token."""
        missing = 1 - self._tokens - (now - self._at) * self._a_second
        return now + max(0.0, missing) / self._a_second
