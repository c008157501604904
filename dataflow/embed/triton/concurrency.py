"""How many requests to keep open at a model server: as many as raise its rate, and no more."""

import threading

#: An interval is at least so many answers, and so many for each open request.
_ANSWERS, _ANSWERS_PER_REQUEST = 8, 2
#: More open requests must raise the rate by this share of what they would at a server without limits.
_LEAST_GAIN = 0.15
#: An answer may take 1 + this / sqrt(open requests) times the shortest time.
_STRETCH = 6.0
#: How much longer the shortest time gets in each interval: a time of long ago does not count for ever.
_FORGOTTEN = 0.001
#: The same in an interval with the fewest open requests, which do not wait for each other.
_LONGER = 1.5
#: How many intervals pass before another limit is tried.
_REST = 8


class Concurrency:
    """A limit for the open requests, between ``least`` and ``most``. Safe to share between threads.

    By Little's law (Little 1961, https://doi.org/10.1287/opre.9.3.383), the rate of the answers is the number
    of open requests divided by the time that an answer takes. So the time of an answer shows what a limit is
    worth: a server that has room for more requests answers all of them in the same time, and at a server that
    has no room, all of them wait longer. The limit rises, by about a half, as long as that raises the rate by
    15 % of the ideal gain or more; else it goes back. It falls as long as that costs less. Every few
    intervals, the next limit up or down is tried again, because the server and the texts change.

    A client that shares a busy server with others gets a larger share with more open requests, although the
    server does no more. So a limit also bounds how much longer than once an answer may take, the tighter the
    more requests are open, as in Swift (Kumar et al. 2020, https://doi.org/10.1145/3387514.3406591). This
    makes the clients' shares more alike. The limit begins with ``least``, which shows the shortest time.
    """

    def __init__(self, most: int, least: int = 1) -> None:
        self._levels = levels(most, least)
        self._lock = threading.Lock()
        self._at = 0
        self._answers, self._chars, self._seconds = 0, 0, 0.0
        self._shortest = float("inf")
        #: The limit and the rate of the interval before, if the limit has changed since.
        self._before: tuple[int, float] | None = None
        self._rest, self._step = 0, 1

    @property
    def limit(self) -> int:
        """Most requests to have open now."""
        return self._levels[self._at]

    def answered(self, limit: int, chars: int, seconds: float) -> None:
        """Count an answer that took ``seconds``, to a request of ``chars`` characters.

        When the request was sent, ``limit`` requests were open.
        """
        with self._lock:
            if limit != self.limit:
                return
            self._answers += 1
            self._chars += max(chars, 1)
            self._seconds += seconds
            if self._answers >= max(_ANSWERS, _ANSWERS_PER_REQUEST * limit):
                time = self._seconds / self._chars
                self._begin()
                self._decide(time)

    def overloaded(self, limit: int) -> None:
        """Count a request that the server refused because it has too many, or did not answer in time."""
        with self._lock:
            if limit == self.limit:
                self._begin()
                self._before, self._at, self._rest = None, max(self._at - 1, 0), _REST

    def _begin(self) -> None:
        self._answers, self._chars, self._seconds = 0, 0, 0.0

    def _decide(self, time: float) -> None:
        """Choose the limit of the next interval. ``time``: seconds of an answer for each character."""
        rate = self.limit / time
        self._shortest = min(self._shortest * (1 + _FORGOTTEN if self._at else _LONGER), time)
        before, self._before = self._before, None
        if time > (1 + _STRETCH / self.limit**0.5) * self._shortest:
            self._move(-1, rate)
        elif before is not None:
            self._judge(*before, rate)
        elif self._rest:
            self._rest -= 1
        else:
            self._move(self._step, rate)
            self._step = -self._step

    def _judge(self, limit: int, rate_before: float, rate: float) -> None:
        """Go on in the direction of the last change if it was right, else go back."""
        step = 1 if self.limit > limit else -1
        if rate >= rate_before * (1 + _LEAST_GAIN * (self.limit / limit - 1)):
            self._move(step, rate)
        else:
            self._at -= step
            self._rest = _REST

    def _move(self, step: int, rate: float) -> None:
        if 0 <= self._at + step < len(self._levels):
            self._before = self.limit, rate
            self._at += step
        else:
            self._rest = _REST


def levels(most: int, least: int = 1) -> list[int]:
    """The limits to choose from, each about half as large again as the one before.

    >>> levels(20)
    [1, 2, 3, 4, 6, 9, 13, 19, 20]
    """
    found = [least]
    while found[-1] < most:
        found.append(min(most, max(found[-1] + 1, found[-1] * 3 // 2)))
    return found
