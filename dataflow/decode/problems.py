"""Why a record is no event, in words for whoever has to mend it. First reason found, first served."""

from typing import NamedTuple

import orjson

_SHOWN = 60


class Problem(NamedTuple):
    """``reason`` is one of ``events.REASONS``; ``message`` says which field, which value, what to do."""

    reason: str
    message: str


class Problems(dict[int, Problem]):
    """Row of the batch -> what is wrong with it. ``ambiguous_times``: rows whose time was read although the
    clock of ``source.ts_zone`` showed that time twice.
    """

    ambiguous_times: int = 0

    def add(self, row: int, reason: str, message: str) -> None:
        """Note a problem, unless the row has one: that explains those that follow from it."""
        self.setdefault(row, Problem(reason, message))

    def missing(self, row: int, field: str) -> None:
        """Note that a field is absent or null."""
        self.add(row, "missing_field", f"{field}: absent or null; send it, or name another field")

    def bad_value(self, row: int, field: str, value: object, error: ValueError) -> None:
        """Note that a field has a value that cannot be used."""
        self.add(row, "bad_value", f"{field}: {shown(value)} {error}")

    def bad_time(self, row: int, field: str, value: object, error: ValueError) -> None:
        """Note that a time cannot be read."""
        message = f"{field}: {shown(value)} {error}; correct it, or set source.ts_format or ts_zone"
        self.add(row, "bad_time", message)

    def decoded(self, row: int, line: bytes) -> str | None:
        """The line as a string; None, and the problem noted, if it is not UTF-8."""
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            at = error.start
            message = f"not UTF-8: byte 0x{line[at]:02x} at {at}; convert the source to UTF-8"
            self.add(row, "not_utf8", message)
            return None


def shown(value: object) -> str:
    """A value as a user would write it, cut to a length that fits a message."""
    if isinstance(value, dict | list):
        return f"a JSON {'object' if isinstance(value, dict) else 'array'}"
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")
    return orjson.dumps(value).decode()
