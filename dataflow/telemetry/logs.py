"""What the process says of itself: events, one line each on standard error, as JSON or for a reader.

All of it goes through the standard library's ``logging``, and an event is its message::

    _log.warning(Event("server_away", "Triton at 127.0.0.1:8001: connection refused", cause="..."))

Neither a secret nor the text of an event belongs in one; see ``settings.Log.texts``.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import datetime, timezone
from types import TracebackType

from dataflow import settings

#: Of what other packages say, only this and worse.
_OTHERS = logging.WARNING
#: What a terminal obeys or cannot show: C0, DEL, C1, marks that turn the direction, lone surrogates.
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
    """Writes to what standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


class _Text(logging.Formatter):
    """``TIME LEVEL sentence``; what ends the process as ``driftline: sentence``."""

    def format(self, record: logging.LogRecord) -> str:
        sentence = visible(_line(record))
        if record.levelno >= logging.CRITICAL:
            return f"driftline: {sentence}"
        return f"{_time(record)} {record.levelname.lower():7} {sentence}"


class _Json(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``event``, ``message``, and the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        event = record.msg if isinstance(record.msg, Line) else Line("log", "", logger=record.name)
        row = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": event.name,
            "message": _line(record),
            **event.fields,
        }
        return json.dumps(row, default=str)


_FORMATS = {"text": _Text, "json": _Json}


def start(options: settings.Log) -> None:
    """From now on what is logged, and Python's warnings, goes to standard error as ``options`` say. Called
    again, the last call counts.
    """
    handler = _Stderr()
    handler.setFormatter(_FORMATS[options.format]())
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Stderr)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(_OTHERS)
    logging.getLogger("dataflow").setLevel(options.level.upper())
    logging.captureWarnings(True)


def visible(text: str) -> str:
    r"""``text`` with each control character written out, as ``\x1b``: a terminal obeys none of them."""
    return _CONTROL.sub(lambda found: _escaped(ord(found[0])), text)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def call_sites(trace: TracebackType | None) -> list[str]:
    """The calls that led to an exception, that which raised it last, each as ``file:line in function``."""
    return [f"{f.filename}:{f.lineno} in {f.name}" for f in traceback.extract_tb(trace)]


def _line(record: logging.LogRecord) -> str:
    return " ".join(record.getMessage().split())


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
