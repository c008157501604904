"""The log: one line on standard error for each log event, as text or as JSON.

Log events go through the standard library's ``logging``; the message is a :class:`Line`::

    _log.warning(Line("server_away", "Triton at 127.0.0.1:8001: connection refused", cause="..."))

A line holds neither a secret nor the text of an event; see ``settings.Log.texts``.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType

from dataflow.clock import rfc3339
from dataflow.settings import Log

#: The lowest level of log events of other packages that is logged.
_OTHER_PACKAGES = logging.WARNING
#: Characters that a terminal obeys or cannot show: C0, DEL, C1, marks that change the direction of the text,
#: lone surrogates.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Line(str):
    """A sentence for a reader, with a ``name`` and ``fields`` (JSON values) for a machine."""

    name: str
    fields: Mapping[str, object]

    def __new__(cls, name: str, sentence: str, **fields: object) -> "Line":
        line = super().__new__(cls, sentence)
        line.name, line.fields = name, fields
        return line


class _Stderr(logging.Handler):
    """Writes to ``sys.stderr``, as ``sys.stderr`` is when a line is written."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


class _Text(logging.Formatter):
    """``TIME LEVEL sentence``; ``driftline: sentence`` for an error that ends the process."""

    def format(self, record: logging.LogRecord) -> str:
        sentence = visible(_on_one_line(record))
        if record.levelno >= logging.CRITICAL:
            return f"driftline: {sentence}"
        return f"{_time(record)} {record.levelname.lower():7} {sentence}"


class _Json(logging.Formatter):
    """A JSON object in each line: ``time``, ``level``, ``event``, ``message``, and the line's fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = record.msg if isinstance(record.msg, Line) else Line("log", "", logger=record.name)
        row = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": line.name,
            "message": _on_one_line(record),
            **line.fields,
        }
        return json.dumps(row, default=str)


_FORMATS = {"text": _Text, "json": _Json}


def start(options: Log) -> None:
    """Write log events and Python's warnings to standard error from now on, as ``options`` say.

    A second call replaces the first.
    """
    handler = _Stderr()
    handler.setFormatter(_FORMATS[options.format]())
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Stderr)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(_OTHER_PACKAGES)
    logging.getLogger("dataflow").setLevel(options.level.upper())
    logging.captureWarnings(True)


def visible(text: str) -> str:
    r"""``text`` with each control character escaped, so that a terminal obeys none of them.

    >>> print(visible("\x1b[31mred"))
    \x1b[31mred
    """
    return _CONTROL.sub(lambda found: _escaped(ord(found[0])), text)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def call_sites(trace: TracebackType | None) -> list[str]:
    """The calls that led to an exception, as ``file:line in function``. The last one raised the exception."""
    return [f"{call.filename}:{call.lineno} in {call.name}" for call in traceback.extract_tb(trace)]


def _on_one_line(record: logging.LogRecord) -> str:
    return " ".join(record.getMessage().split())


def _time(record: logging.LogRecord) -> str:
    return rfc3339(int(record.created * 1e6), "ms")
