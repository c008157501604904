"""An embedder that changes to the newest version of a model while the flow runs. Pure.

The version changes between two batches. Rows that are already in windows keep their embeddings. A window with
rows of several versions has its older rows embedded again before it is scored
(:func:`dataflow.embed.batch.one_version`). So workers need not agree on a version, and a restart with another
version needs no special case.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from threading import Lock
from typing import Protocol

from dataflow.embed.base import Embedded, Embedder
from dataflow.errors import ContractError, VersionGoneError
from dataflow.telemetry.logs import Line


class Versions(Protocol):
    """The versions of a model at the place that serves or holds them."""

    def newer(self, current: str) -> Embedder | None:
        """An embedder of the newest version; ``None`` if that is ``current``, or does not answer.

        Raises ``ContractError`` if the newest version does not fit.
        """

    def wait(self, cause: str, attempt: int) -> None:
        """Wait for a version to be served; ``attempt`` is 0, 1, ... Raises ``OutageError`` in the end."""

    def over(self) -> None:
        """Note that a version is served again, after a call of ``wait``."""


class FollowingEmbedder:
    """An ``Embedder`` that looks for a newer version every ``interval``, and at once when its version is
    gone.

    ``clock`` returns monotonic seconds.
    """

    def __init__(
        self,
        first: Embedder,
        versions: Versions,
        interval: timedelta,
        clock: Callable[[], float],
        log: Callable[[str], None],
    ) -> None:
        self.dim = first.dim
        self.model = first.model
        self._current = first
        self._versions = versions
        self._interval_seconds = interval.total_seconds()
        self._clock, self._log = clock, log
        self._looked = clock()
        self._logged_misfit = ""
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
                if not self._change(current):
                    self._versions.wait(str(error), waits)
                    waits += 1
            else:
                if waits:
                    self._versions.over()
                return answer

    def close(self) -> None:
        self._current.close()

    def _look_when_due(self) -> None:
        if self._clock() - self._looked < self._interval_seconds:
            return
        self._looked = self._clock()
        try:
            self._change(self._current)
        except ContractError as error:
            if self._logged_misfit != str(error):
                self._logged_misfit = str(error)
                sentence = f"{self.model}: staying with version {self.version}: {error}"
                self._log(Line("version_unfit", sentence, model=self.model, version=self.version))

    def _change(self, current: Embedder) -> bool:
        """Change to the newest version if that is not ``current``. Returns whether the version changed."""
        with self._lock:
            if self._current is current and (newer := self._versions.newer(current.version)):
                sentence = f"{self.model}: version {newer.version} from now on, it was {current.version}"
                fields = {"model": self.model, "version": newer.version, "version_before": current.version}
                self._log(Line("version_followed", sentence, **fields))
                self._current = newer
            return self._current is not current
