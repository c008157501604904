"""An orderly stop: SIGTERM or SIGINT ends the input, the flow drains, sinks and recovery are written.

Python runs a signal's handler in the main thread, between two steps of its own. That thread may stand in
Bytewax, which waits for other processes, so a thread listens beside it.
"""

import logging
import os
import select
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from dataflow.telemetry.logs import Line

#: How long an orderly stop may take.
PATIENCE_S = 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger(__name__)


class Stop:
    """Whether the process is to stop."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self) -> None:
        """Ask the dataflow to stop."""
        self._asked.set()

    def asked(self) -> bool:
        """Whether the dataflow was asked to stop."""
        return self._asked.is_set()


class Signals:
    """Makes a ``Stop`` of SIGTERM and SIGINT, from now on; in another thread than the main one, nothing.

    Before ``running`` is called, a signal ends the process at once, and so does a second one, or a stop
    that takes longer than ``PATIENCE_S``: with code 143 or 130.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._running = False
        self._before_exit: Callable[[], None] = lambda: None
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup: int | None = None
        if threading.current_thread() is not threading.main_thread():
            return
        self._heard, self._told = socket.socketpair()
        self._told.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        # A shell lets what it runs in the background ignore SIGINT.
        heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, lambda *_: None) for number in heard}
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def running(self, before_exit: Callable[[], None] = lambda: None) -> None:
        """From now on the flow can drain.

        ``before_exit`` is called before a signal ends the process at once.
        """
        self._running, self._before_exit = True, before_exit

    def restore(self) -> None:
        """The handlers of before."""
        if self._wakeup is not None:
            for number, handler in self._before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._wakeup)
            self._wakeup = None
            self._told.close()

    def _listen(self) -> None:
        number = self._next(None)
        if number and self._running:
            self._stop.ask()
            name = signal.Signals(number).name
            _log.info(Line("stopping", f"{name}: reads no more and ends what is begun", signal=name))
            again = self._next(PATIENCE_S)
            if again is None:
                _log.warning(
                    Line("stop_forced", f"{name}: not done after {PATIENCE_S:g} s; ends now", signal=name)
                )
            elif not again:
                return
            number = again or number
        if number:
            self._before_exit()
            os._exit(128 + number)

    def _next(self, timeout_s: float | None) -> int | None:
        """The number of the next signal of ours; 0 after ``restore``, None if none comes in time."""
        while select.select([self._heard], [], [], timeout_s)[0]:
            byte = self._heard.recv(1)
            if not byte:
                self._heard.close()
                return 0
            if byte[0] in _SIGNALS:
                return byte[0]
        return None
