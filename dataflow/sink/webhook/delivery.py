"""The thread that posts what waits in a spool."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread

from dataflow.sink.webhook.post import Answer
from dataflow.sink.webhook.spool import Change, Spool
from dataflow.sink.webhook.turns import Rate, Turns
from dataflow.telemetry import metrics
from dataflow.telemetry.logs import Line

#: A change that was refused as often is kept, and the next change of its incident has its turn.
REFUSALS = 3
#: An outage is logged when so many posts in a row have failed.
_LOGGED_FAILURES = 3
#: Another process may let refused changes wait again: so often the thread looks.
_LOOK_SECONDS = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Waits:
    """How long to wait before a post that failed is sent again: seconds, doubled with each failure."""

    first: float = 1.0
    longest: float = 60.0

    def after(self, failures: int) -> float:
        """The wait after ``failures`` failures in a row, at least 1. Half of it is random, so that the flows
        that share a receiver do not post at the same moment.
        """
        longest: float = min(self.first * 2.0 ** min(failures - 1, 30), self.longest)
        return longest * random.uniform(0.5, 1.0)


class Delivery:
    """Posts the changes of ``spool`` until :meth:`stop`. ``post`` sends one change.

    A change whose post fails is sent again without end. While posts fail, the thread tries one change after
    the other, and the waits grow: so one change with which the receiver cannot cope does not stop the others.
    """

    def __init__(
        self, name: str, spool: Spool, post: Callable[[Change], Answer], rate: int, waits: Waits | None = None
    ) -> None:
        self._name, self._spool, self._post = name, spool, post
        self._waits = waits or Waits()
        self._rate = Rate(rate, time.monotonic())
        self._turns, self._last = Turns(), 0
        #: Incident -> how often the change whose turn it is has failed, and how often it was refused.
        self._failed: dict[str, int] = {}
        self._refusals: dict[str, int] = {}
        self._failures, self._pause_until, self._away_since = 0, 0.0, 0.0
        self._changed = Condition()
        self._stopping = False
        self._error: Exception | None = None
        self._thread = Thread(target=self._run, name=f"webhook {name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look into the spool now."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait until a change is over, or ``seconds`` are."""
        with self._changed:
            self._changed.wait(seconds)

    def check(self) -> None:
        """Raise the error that ended the thread, if there is one."""
        if self._error is not None:
            raise self._error

    def stop(self, drain_s: float) -> bool:
        """Stop when the spool is empty or ``drain_s`` seconds are over. Return whether the thread has ended:
        a post may be under way.
        """
        until = time.monotonic() + drain_s
        while (left := until - time.monotonic()) > 0 and self._thread.is_alive():
            if not self._spool.counts()["waiting"]:
                break
            self.wait(min(left, 0.1))
        self._stopping = True
        self.wake()
        self._thread.join(max(0.0, until - time.monotonic()) + 0.1)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._load()
                self._step(time.monotonic())
        except Exception as error:
            # The worker raises it: an error in a thread would go unnoticed.
            self._error = error
        self.wake()

    def _load(self) -> None:
        for number, incident in self._spool.waiting(self._last):
            self._turns.add(number, incident)
            self._last = number

    def _step(self, now: float) -> None:
        """Post the change whose turn it is, or wait."""
        due = self._turns.due(now)
        at = now + _LOOK_SECONDS if due is None else max(due, self._pause_until, self._rate.ready(now))
        if at > now or (turn := self._turns.take(now)) is None:
            with self._changed:
                # A change may have come since `_load`.
                if not self._stopping and not self._spool.waiting(self._last):
                    self._changed.wait(min(at - now, _LOOK_SECONDS))
            return
        self._rate.take(now)
        number, incident = turn
        answer = self._post(self._spool.change(number))
        metrics.WEBHOOK_POSTS.labels(self._name, answer.result).inc()
        {"taken": self._taken, "refused": self._refused, "failed": self._away}[answer.result](
            number, incident, answer
        )
        self.wake()

    def _taken(self, number: int, incident: str, answer: Answer) -> None:
        self._spool.posted(number)
        self._over(incident)
        self._answered()

    def _refused(self, number: int, incident: str, answer: Answer) -> None:
        self._answered()
        refusals = self._refusals[incident] = self._refusals.get(incident, 0) + 1
        if refusals < REFUSALS:
            self._turns.again(incident, time.monotonic() + self._waits.after(refusals))
            return
        change = self._spool.change(number)
        self._spool.refused(number, f"{answer.cause}: {answer.said}")
        self._over(incident)
        sentence = (
            f"webhook {self._name}: refuses change {change.sequence} of incident {incident} "
            f"({answer.cause}); the spool keeps it: see `python -m dataflow.sink.webhook show`"
        )
        fields = {"webhook": self._name, "incident": incident, "sequence": change.sequence}
        _log.error(Line("webhook_refused", sentence, status=answer.status, **fields))

    def _over(self, incident: str) -> None:
        """The change that was taken is over."""
        self._turns.done(incident)
        self._failed.pop(incident, None)
        self._refusals.pop(incident, None)

    def _away(self, number: int, incident: str, answer: Answer) -> None:
        now = time.monotonic()
        failed = self._failed[incident] = self._failed.get(incident, 0) + 1
        self._turns.again(incident, now + self._waits.after(failed))
        if not self._failures:
            self._away_since = now
        self._failures += 1
        self._pause_until = now + (answer.retry_after or self._waits.after(self._failures))
        if self._failures == _LOGGED_FAILURES:
            sentence = f"webhook {self._name}: takes no changes: {answer.cause}; they wait in the spool"
            _log.warning(Line("webhook_away", sentence, webhook=self._name, cause=answer.cause))

    def _answered(self) -> None:
        if self._failures >= _LOGGED_FAILURES:
            seconds = round(time.monotonic() - self._away_since, 1)
            sentence = f"webhook {self._name}: takes changes again after {seconds} s"
            _log.warning(Line("webhook_back", sentence, webhook=self._name, seconds=seconds))
        self._failures = 0
