"""Errors while the flow runs: an error ends the process with one line in the log and exit code 1."""

import logging
import os
import re
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any

from dataflow.errors import DriftlineError
from dataflow.telemetry import logs
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)

#: The part of Bytewax's error message that quotes SQLite.
_STORE_FAILED = re.compile(r'SqliteFailure\(.*?Some\("(.*?)"\)', re.DOTALL)

Step = Callable[..., Any]
#: Wraps a function that a step calls.
Guard = Callable[[Step], Step]


def unguarded(step: Step) -> Step:
    """A ``Guard`` that changes nothing: an error reaches the caller."""
    return step


def exit_on_error(texts: bool, before_exit: Callable[[], None] = lambda: None) -> Guard:
    """A ``Guard`` that logs an error of the step as one line and ends the process with code 1.

    ``texts``: see ``settings.Log``. ``before_exit`` is called after the line is logged.
    """

    def guard(step: Step) -> Step:
        @wraps(step)
        def guarded(*arguments: Any) -> Any:
            try:
                return step(*arguments)
            except StopIteration:
                raise
            except Exception as error:
                # If the error were raised, Bytewax would print a panic with three tracebacks. The process may
                # end at once, because recovery expects no orderly end.
                _log.critical(_line(error, texts))
                before_exit()
                os._exit(1)

        return guarded

    return guard


def last_line(
    texts: bool, failed: Callable[[], None] = lambda: None
) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """A ``sys.excepthook`` that logs an error of Bytewax as one line; ``texts``: see ``settings.Log``.

    ``failed`` is called before.
    """

    def log(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        failed()
        if found := _STORE_FAILED.search(str(error)):
            sentence = (
                f"the recovery store cannot be written: {found[1]}; make room on its disk or repair "
                "the disk, and start again with the same store"
            )
            _log.critical(Line("error", sentence, exit_code=1))
        else:
            _log.critical(_line(error, texts))

    return log


def _line(error: BaseException, texts: bool) -> Line:
    if isinstance(error, DriftlineError):
        return Line("error", str(error), exit_code=1)
    calls = logs.call_sites(error.__traceback__)
    if isinstance(error, OSError):
        # The system's words for the error number: the words in the error may quote an event.
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        sentence = f"{error.filename or type(error).__name__}: {why}; at {calls[-1]}"
    else:
        # The error's message may quote an event, as when a user's scorer fails on a text.
        message = error if texts else "(set DRIFTLINE_LOG__TEXTS=true to see the message)"
        sentence = f"{type(error).__name__} at {', from '.join(reversed(calls[-3:]))}: {message}"
    return Line("error", sentence, exit_code=1, traceback=calls)
