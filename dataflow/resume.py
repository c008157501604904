"""Says how far a resume has come: Bytewax loads a large store for minutes and logs nothing meanwhile."""

import logging
import time
from threading import Event, Thread

from dataflow import logs
from dataflow.observe import CHUNKS, KEYS

_INTERVAL_SECONDS = 10.0
_log = logging.getLogger(__name__)


class ResumeLog:
    """Logs a line now and then, from :meth:`start` until :meth:`over`; ``states`` are to be loaded."""

    def __init__(self, states: int, interval_seconds: float = _INTERVAL_SECONDS) -> None:
        self._states, self._interval_seconds = states, interval_seconds
        self._over = Event()
        self._began = time.monotonic()

    def start(self) -> None:
        if self._states:
            Thread(target=self._run, name="resume-log", daemon=True).start()

    def over(self) -> None:
        """The first record has been read, so all state is loaded. May be called again."""
        if self._states and not self._over.is_set():
            self._over.set()
            seconds = round(time.monotonic() - self._began, 1)
            sentence = f"the state is loaded after {seconds} s: {self._states} states"
            _log.info(logs.Event("resumed", sentence, seconds=seconds, states=self._states))

    def _run(self) -> None:
        while not self._over.wait(self._interval_seconds):
            seconds = round(time.monotonic() - self._began, 1)
            keys, chunks = sum(1 for _ in KEYS), sum(1 for _ in CHUNKS)
            sentence = (
                f"loading {self._states} states from the recovery store for {seconds:.0f} s: "
                f"{keys} keys and {chunks} chunks of rows are there"
            )
            _log.info(logs.Event("resuming", sentence, seconds=seconds, keys=keys, chunks=chunks))
