"""Logs how far a resume has come. Bytewax may load a large store for minutes, and logs nothing meanwhile."""

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

from dataflow.telemetry import logs

_INTERVAL_SECONDS = 10.0
_log = logging.getLogger(__name__)


class ResumeLog:
    """Logs a line every ``interval_seconds``, from :meth:`start` until :meth:`over`.

    ``loaded()`` returns how many key groups and how many chunks are loaded.
    """

    def __init__(
        self, loaded: Callable[[], tuple[int, int]], interval_seconds: float = _INTERVAL_SECONDS
    ) -> None:
        self._loaded = loaded
        self._interval_seconds = interval_seconds
        self._over = Event()
        self._states, self._began = 0, 0.0

    def start(self, states: int) -> None:
        """Note that Bytewax starts to load ``states`` states. Nothing is logged if it is 0."""
        self._states, self._began = states, time.monotonic()
        if states:
            Thread(target=self._run, name="resume-log", daemon=True).start()

    def over(self) -> None:
        """Note that all state is loaded. Call this at each poll of the source, which Bytewax polls only after
        it has loaded all state.
        """
        if self._over.is_set():
            return
        self._over.set()
        if self._states:
            seconds = round(time.monotonic() - self._began, 1)
            sentence = f"the state is loaded after {seconds} s: {self._states} states"
            _log.info(logs.Line("resumed", sentence, seconds=seconds, states=self._states))

    def _run(self) -> None:
        while not self._over.wait(self._interval_seconds):
            seconds = round(time.monotonic() - self._began, 1)
            groups, chunks = self._loaded()
            sentence = (
                f"loading {self._states} states from the recovery store for {seconds:.0f} s: "
                f"{groups} key groups and {chunks} chunks of rows are loaded"
            )
            _log.info(logs.Line("resuming", sentence, seconds=seconds, key_groups=groups, chunks=chunks))
