"""Reads the file of marks again whenever it has changed."""

import logging
import os
from pathlib import Path

from dataflow.marks.line import Mark, parse
from dataflow.telemetry import metrics
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)
_BOM = b"\xef\xbb\xbf"


class MarksFile:
    """The marks in the file ``path``, to which other processes append.

    The last line is read when it has its newline. A line that is no mark is logged once, counted and left
    out. While the file cannot be read, the marks that are known go on to count.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.marks: tuple[Mark, ...] = ()
        self._seen: tuple[int, int, int] | None = None
        #: The lines that were read, each with its number -> the mark; ``None``: the line is no mark.
        self._lines: dict[tuple[int, bytes], Mark | None] = {}
        #: Why the file could not be read the last time.
        self._failed: str | None = None

    def look(self) -> bool:
        """Read the file if it has changed. Returns whether it was read."""
        try:
            about = os.stat(self._path)
            seen = (about.st_ino, about.st_size, about.st_mtime_ns)
            if seen == self._seen and self._failed is None:
                return False
            content = self._path.read_bytes()
        except OSError as error:
            self._fail(error)
            return False
        self._recover()
        self._seen = seen
        self._read(content)
        return True

    def _read(self, content: bytes) -> None:
        whole = content[: content.rfind(b"\n") + 1].removeprefix(_BOM)
        lines: dict[tuple[int, bytes], Mark | None] = {}
        for number, raw in enumerate(whole.split(b"\n"), 1):
            if raw and not raw.isspace():
                place = (number, raw)
                lines[place] = self._lines[place] if place in self._lines else self._parse(number, raw)
        self._lines = lines
        self.marks = tuple(mark for mark in lines.values() if mark is not None)

    def _parse(self, number: int, raw: bytes) -> Mark | None:
        try:
            return parse(raw)
        except ValueError as error:
            metrics.MARK_ERRORS.inc()
            sentence = f"{self._path}: line {number}: {error}; the line is left out: write a correct one"
            _log.warning(Line("mark_refused", sentence, path=str(self._path), line=number))
            return None

    def _fail(self, error: OSError) -> None:
        if self._failed is not None:
            return
        self._failed = error.strerror or str(error)
        sentence = f"{self._path}: {self._failed}; "
        if self._seen is None and isinstance(error, FileNotFoundError):
            sentence += "there are no marks until the file is there"
            _log.info(Line("marks_missing", sentence, path=str(self._path)))
        else:
            sentence += f"the {len(self.marks)} lines that were read count until it can be read again"
            _log.warning(Line("marks_missing", sentence, path=str(self._path)))

    def _recover(self) -> None:
        if self._failed is not None:
            self._failed = None
            _log.info(Line("marks_read", f"{self._path}: the marks can be read", path=str(self._path)))
