"""Cuts a stream of bytes into records. Files and standard input use it."""

import re
from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"
# As in Python's csv module, a quote opens a quoted field only at the start of the field; so the inch mark of
# `5" pipe` opens no field. Group 1 is empty if the closing quote is missing.
_QUOTED_FIELD = re.compile(rb'(?:\A|,)"[^"]*(?:""[^"]*)*("|\Z)')


class Record(NamedTuple):
    """A record that is not decoded. ``offset``: where the record starts in the stream, in bytes."""

    offset: int
    raw: bytes


class Framer:
    """Cuts the bytes of a stream into records. The records do not depend on where the blocks end.

    A record is a line without its line end; in ``csv``, it is as many lines as its quoted fields span. Blank
    lines are skipped. A record that is longer than ``limit`` bytes is cut to its first ``limit + 1`` bytes;
    the decode step recognises it by its length. ``position``: the offset of the next record, in bytes.
    """

    def __init__(self, format: str, limit: int, position: int = 0) -> None:
        self.position = position
        self._csv = format == "csv"
        self._limit = limit
        self._begin_record()

    def _begin_record(self) -> None:
        # Of the record that has begun:
        self._held = bytearray()  # its first limit + 1 bytes
        self._length = 0  # the number of all its bytes, line ends included
        self._line_at = 0  # where its last line starts in _held
        self._quoted = False  # whether its last line starts inside a quoted field

    def feed(self, block: bytes) -> list[Record]:
        """The records that end in ``block``, the next bytes of the stream."""
        records: list[Record] = []
        *ended, rest = block.split(b"\n")
        for line in ended:
            if self._length or (self._csv and b'"' in line):
                self._hold(line)
                self._end_line(records)
            else:
                self._emit(line[: self._limit + 1], len(line) + 1, records)
        if rest:
            self._hold(rest)
        return records

    def close(self) -> list[Record]:
        """The last record, if the stream ends without a line end."""
        records: list[Record] = []
        if self._length:
            self._emit(bytes(self._held), self._length, records)
            self._begin_record()
        return records

    def _hold(self, piece: bytes) -> None:
        self._held += piece[: max(0, self._limit + 1 - len(self._held))]
        self._length += len(piece)

    def _end_line(self, records: list[Record]) -> None:
        if self._csv and len(self._held) <= self._limit:
            line = bytes(self._held[self._line_at :])
            *_, closing = [b'"', *_QUOTED_FIELD.findall(b'"' + line if self._quoted else line)]
            if not closing:
                self._quoted = True
                self._hold(b"\n")
                self._line_at = len(self._held)
                return
        self._emit(bytes(self._held), self._length + 1, records)
        self._begin_record()

    def _emit(self, raw: bytes, length: int, records: list[Record]) -> None:
        raw = raw.removesuffix(b"\r")
        if self.position == 0:
            raw = raw.removeprefix(_BOM)
        if raw and not raw.isspace():
            records.append(Record(self.position, raw))
        self.position += length
