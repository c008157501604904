"""An orderly stop: SIGTERM or SIGINT ends the input, the flow drains, sinks and the recovery store are
written. The process may also stop to start again.

Python runs a signal handler in the main thread, between two bytecode instructions. The main thread may be in
Bytewax, which waits for other processes. So another thread reads the signals.
"""

import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from dataflow.telemetry.logs import Line

#: How long an orderly stop may take.
PATIENCE_S = 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger(__name__)


class Stop:
    """Whether the process was asked to stop. Safe to share between threads."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._again = False

    def ask(self) -> None:
        """Ask the dataflow to stop. The process ends then, also if it was to start again."""
        self._again = False
        self._asked.set()

    def ask_again(self) -> None:
        """Ask the dataflow to stop, and the process to start again. Nothing changes if it stops already."""
        if not self._asked.is_set():
            self._again = True
            self._asked.set()

    def start_again(self) -> None:
        """Start the program again in this process, with the same arguments, if that was asked for.

        This is the last thing that the process does at its end: nothing after it runs.
        """
        if self._again:
            sys.stdout.flush()
            sys.stderr.flush()
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

    def asked(self) -> bool:
        """Whether the dataflow was asked to stop."""
        return self._asked.is_set()


class Signals:
    """Asks ``stop`` to stop at SIGTERM or SIGINT, from now on.

    A signal ends the process at once, with code 143 or 130, if ``running`` was not called before. A second
    signal does too, and so does a stop that takes longer than ``PATIENCE_S``. Outside the main thread, where
    Python allows no signal handlers, this object does nothing.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._running = False
        self._before_exit: Callable[[], None] = lambda: None
        self._handlers_before: dict[signal.Signals, Any] = {}
        self._wakeup: int | None = None
        if threading.current_thread() is not threading.main_thread():
            return
        # Python writes the number of each signal to one end; the thread reads it at the other end.
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        # A process that a shell starts in the background ignores SIGINT, and keeps ignoring it.
        handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._handlers_before = {number: signal.signal(number, lambda *_: None) for number in handled}
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def running(self, before_exit: Callable[[], None] = lambda: None) -> None:
        """Note that the flow runs, so that a signal lets it drain.

        ``before_exit`` is called before a signal ends the process at once.
        """
        self._running, self._before_exit = True, before_exit

    def restore(self) -> None:
        """Restore the signal handlers that were there before."""
        if self._wakeup is not None:
            for number, handler in self._handlers_before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._wakeup)
            self._wakeup = None
            self._writer.close()

    def _listen(self) -> None:
        number = self._next(None)
        if number and self._running:
            self._stop.ask()
            name = signal.Signals(number).name
            _log.info(
                Line(
                    "stopping",
                    f"{name}: the flow reads no more, and finishes the rows that it has read",
                    signal=name,
                )
            )
            again = self._next(PATIENCE_S)
            if again is None:
                _log.warning(
                    Line(
                        "stop_forced",
                        f"{name}: the flow has not finished after {PATIENCE_S:g} s; the process ends now",
                        signal=name,
                    )
                )
            elif not again:
                return
            number = again or number
        if number:
            self._before_exit()
            os._exit(128 + number)

    def _next(self, timeout_s: float | None) -> int | None:
        """The number of the next SIGTERM or SIGINT; 0 after ``restore``; ``None`` if none comes in time."""
        while select.select([self._reader], [], [], timeout_s)[0]:
            byte = self._reader.recv(1)
            if not byte:
                self._reader.close()
                return 0
            if byte[0] in _SIGNALS:
                return byte[0]
        return None
