"""Somebody who watches: the source says which partitions it reads, sinks have their spans, and what any of
them raises, or a step between them, ends the process with one line.
"""

import logging
import os
import re
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any

from dataflow.errors import DriftlineError
from dataflow.telemetry import logs, traces
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)

#: How Bytewax's error quotes SQLite's.
_STORE_FAILED = re.compile(r'SqliteFailure\(.*?Some\("(.*?)"\)', re.DOTALL)

Step = Callable[..., Any]
Guard = Callable[[Step], Step]


def exit_on_error(texts: bool) -> Guard:
    """Makes one line and the end of the process, with code 1, of whatever a step raises; ``texts``: see
    ``settings.Log``.
    """

    def guard(step: Step) -> Step:
        @wraps(step)
        def guarded(*arguments: Any) -> Any:
            try:
                return step(*arguments)
            except StopIteration:
                raise
            except DriftlineError as error:
                _end(Line("error", str(error), exit_code=1))
            except Exception as error:
                _end(_event(error, texts))

        return guarded

    return guard


def last_line(texts: bool) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """A ``sys.excepthook`` that logs one line for what ends Bytewax; ``texts``: see ``settings.Log``."""

    def log(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if found := _STORE_FAILED.search(str(error)):
            sentence = (
                f"the recovery store cannot be written: {found[1]}; make room or mend its disk, and start "
                "again with the same store"
            )
            _log.critical(Line("error", sentence, exit_code=1))
        else:
            _log.critical(_event(error, texts))

    return log


def _event(error: BaseException, texts: bool) -> Line:
    places = logs.call_sites(error.__traceback__)
    if isinstance(error, OSError):
        # The system's words for the number: those in the error may be anybody's.
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        sentence = f"{error.filename or type(error).__name__}: {why}; at {places[-1]}"
    else:
        # Its message may quote an event: a scorer of the user's own that chokes on a text.
        said = error if texts else "(DRIFTLINE_LOG__TEXTS=true shows what it says)"
        sentence = f"{type(error).__name__} at {', from '.join(reversed(places[-3:]))}: {said}"
    return Line("error", sentence, exit_code=1, traceback=places)


def _end(event: Line) -> None:
    # Raised, it would pass through bytewax as a panic with three tracebacks. To end at once is what recovery
    # is made for.
    _log.critical(event)
    traces.current().stop()
    os._exit(1)
