"""Follow the newest version of a model: an embedder that changes to it between two micro-batches. Pure.

Rows that are already in windows stay as they are; a window that would mix versions has its older rows
embedded again before it is scored (:func:`dataflow.embed.batch.one_version`). So nothing needs to be
agreed upon between workers, and a restart with another version is the same case.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from threading import Lock

from dataflow.embed.base import Embedded, Embedder
from dataflow.errors import ContractError, VersionGoneError
from dataflow.telemetry.logs import Line

#: From the version in use to an embedder of the newest, if that is another one and answers, else None.
#: Raises ``ContractError`` if it does not fit.
Look = Callable[[str], Embedder | None]


class FollowingEmbedder:
    """An ``Embedder`` that looks for another version every ``interval``, and at once when its own is gone.

    ``wait(cause, attempt)`` is called, again and again, while no version is served at all; ``over()`` when
    one is. The clock is monotonic seconds.
    """

    def __init__(
        self,
        first: Embedder,
        look: Look,
        *,
        interval: timedelta,
        wait: Callable[[str, int], None],
        over: Callable[[], None],
        clock: Callable[[], float],
        log: Callable[[str], None],
    ) -> None:
        self.dim = first.dim
        self.model = first.model
        self._current = first
        self._look = look
        self._interval_seconds = interval.total_seconds()
        self._wait, self._over, self._clock, self._log = wait, over, clock, log
        self._looked = clock()
        self._unfit = ""
        self._lock = Lock()

    @property
    def version(self) -> str:
        return self._current.version

    def embed(self, texts: Sequence[str]) -> Embedded:
        self._look_when_due()
        waits = 0
        while True:
            current = self._current
            try:
                answer = current.embed(texts)
            except VersionGoneError as error:
                if not self._move(current):
                    self._wait(str(error), waits)
                    waits += 1
            else:
                if waits:
                    self._over()
                return answer

    def close(self) -> None:
        self._current.close()

    def _look_when_due(self) -> None:
        if self._clock() - self._looked < self._interval_seconds:
            return
        self._looked = self._clock()
        try:
            self._move(self._current)
        except ContractError as error:
            if self._unfit != str(error):
                self._unfit = str(error)
                sentence = f"{self.model}: staying with version {self.version}: {error}"
                self._log(Line("version_unfit", sentence, model=self.model, version=self.version))

    def _move(self, current: Embedder) -> bool:
        """Change to the newest version, unless it is ``current``. Whether it is another now."""
        with self._lock:
            if self._current is current and (newer := self._look(current.version)):
                sentence = f"{self.model}: version {newer.version} from now on, it was {current.version}"
                fields = {"model": self.model, "version": newer.version, "version_before": current.version}
                self._log(Line("version_followed", sentence, **fields))
                self._current = newer
            return self._current is not current
