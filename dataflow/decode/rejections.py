"""Why records are rejected. A rejected record becomes a dead letter with the text that stands here."""

from collections.abc import Iterator
from typing import NamedTuple

import orjson

_SHOWN_CHARACTERS = 60


class Rejection(NamedTuple):
    """``reason`` is one of ``schemas.REASONS``; ``message`` says which field and value are wrong, and why.

    The message is for the person who can fix the cause, so it also says what to do.
    """

    reason: str
    message: str


class Rejections:
    """The rejected rows of one batch. A row keeps its first rejection, which explains those that follow."""

    def __init__(self) -> None:
        self._by_row: dict[int, Rejection] = {}

    def __contains__(self, row: int) -> bool:
        return row in self._by_row

    def __len__(self) -> int:
        return len(self._by_row)

    def __iter__(self) -> Iterator[int]:
        """The rejected rows, in order."""
        return iter(sorted(self._by_row))

    def __getitem__(self, row: int) -> Rejection:
        return self._by_row[row]

    def add(self, row: int, reason: str, message: str) -> None:
        """Reject a row, unless the row is rejected already."""
        self._by_row.setdefault(row, Rejection(reason, message))

    def add_missing(self, row: int, field: str, setting: str) -> None:
        """Reject a row that has no ``field``; ``setting`` is the setting that names the field."""
        message = f"{field}: the field is absent or null; send the field, or name another one in {setting}"
        self.add(row, "missing_field", message)

    def add_bad_value(self, row: int, field: str, value: object, error: ValueError) -> None:
        """Reject a row whose ``field`` has a wrong value; the text of ``error`` follows the value."""
        self.add(row, "bad_value", f"{field}: {shown(value)} {error}")

    def add_bad_time(self, row: int, field: str, value: object, error: ValueError) -> None:
        """Reject a row whose time cannot be read; the text of ``error`` follows the value."""
        hint = "correct the time, or set source.ts_format or source.ts_zone"
        self.add(row, "bad_time", f"{field}: {shown(value)} {error}; {hint}")

    def decode_utf8(self, row: int, record: bytes) -> str | None:
        """The text of ``record``. If the record is not UTF-8, the row is rejected and there is no text."""
        try:
            return record.decode()
        except UnicodeDecodeError as error:
            at = error.start
            message = f"the record is not UTF-8: byte 0x{record[at]:02x} at position {at}; send UTF-8"
            self.add(row, "not_utf8", message)
            return None


def shown(value: object) -> str:
    """A value as a user would write it, cut to a length that fits into a message."""
    if isinstance(value, dict | list):
        return f"a JSON {'object' if isinstance(value, dict) else 'array'}"
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "...")
    return orjson.dumps(value).decode()
