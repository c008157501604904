"""A model server in simulated time, and clients that keep as many requests open as their limit allows."""

import heapq
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from dataflow.embed.triton.concurrency import Concurrency

#: Characters of a request of mean size.
CHARS = 1000


@dataclass
class Slots:
    """Computes ``slots`` requests at a time, each in ``seconds``. Request and answer travel for ``travel``
    seconds in all.
    """

    slots: int
    seconds: float
    travel: float = 0.0
    free: list[float] = field(default_factory=list)

    def answer(self, now: float, size: float) -> float:
        """The time of the answer to a request of ``size`` times the mean size, sent at ``now``."""
        while len(self.free) < self.slots:
            heapq.heappush(self.free, now)
        while len(self.free) > self.slots:
            heapq.heappop(self.free)
        began = max(heapq.heappop(self.free), now + self.travel / 2)
        heapq.heappush(self.free, began + self.seconds * size)
        return began + self.seconds * size + self.travel / 2

    @property
    def most(self) -> float:
        """The highest rate, in requests per second."""
        return self.slots / self.seconds


@dataclass
class Together:
    """Computes all open requests together, in ``seconds`` and ``each`` for each of them."""

    seconds: float
    each: float
    ends: list[float] = field(default_factory=list)

    def answer(self, now: float, size: float) -> float:
        """See :meth:`Slots.answer`."""
        self.ends = [end for end in self.ends if end > now]
        self.ends.append(now + (self.seconds + self.each * (len(self.ends) + 1)) * size)
        return self.ends[-1]


class Clients:
    """Send requests as fast as their limits allow."""

    def __init__(self, limits: Sequence[Concurrency], seed: int) -> None:
        self._limits, self._rng = limits, random.Random(seed)
        self._numbers = itertools.count()
        self._open = [0] * len(limits)
        #: Time, number, client, time of sending, characters, and the limit that the request reached or 0.
        self._answers: list[tuple[float, int, int, float, int, int]] = []
        self.now = 0.0
        #: The mean size of the requests.
        self.size = 1.0
        self.answered = [0] * len(limits)

    def run(self, server: Slots | Together, requests: int) -> float:
        """Run until ``requests`` more answers came. Returns their rate, in requests per second."""
        began = self.now
        for client in range(len(self._limits)):
            self._send(client, server)
        for _ in range(requests):
            self.now, _, client, sent, chars, limit = heapq.heappop(self._answers)
            self._open[client] -= 1
            self.answered[client] += 1
            self._limits[client].answered(limit, chars, self.now - sent)
            self._send(client, server)
        return requests / (self.now - began)

    def _send(self, client: int, server: Slots | Together) -> None:
        while self._open[client] < (limit := self._limits[client].limit):
            self._open[client] += 1
            size = self.size * self._rng.uniform(0.7, 1.3)
            end = server.answer(self.now, size * self._rng.lognormvariate(0, 0.15))
            reached = limit if self._open[client] == limit else 0
            item = (end, next(self._numbers), client, self.now, round(CHARS * size), reached)
            heapq.heappush(self._answers, item)
