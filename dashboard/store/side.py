"""The rows of the small streams: windows, drift, late events, dead letters."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from dashboard.store.times import in_micros
from dashboard.streams import Stream

#: So many rows of a stream are kept, the newest ones.
MOST_ROWS = 50_000
#: Stream -> the fields that identify a row.
_IDENTITY: dict[Stream, tuple[str, ...]] = {
    "drift": ("key", "window_start", "window_end", "revision"),
    "windows": ("key", "window_start", "revision"),
    "late": ("key", "id"),
    "dead_letters": ("partition", "offset"),
}
_TIMES = ("window_start", "window_end", "before_end", "ts", "watermark")
#: What the page shows of a late event and of a dead letter.
_KEPT: dict[Stream, tuple[str, ...]] = {
    "late": ("key", "id", "ts", "watermark", "late_by_us"),
    "dead_letters": ("partition", "offset", "reason", "arrival"),
}


def checked(stream: Stream, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row in JSON, with integers for times. Raises ``ValueError`` or ``KeyError`` if a field is wrong."""
    found = dict(row)
    if stream == "dead_letters":
        found["arrival"] = _arrival(row)
    found = {name: found[name] for name in _KEPT.get(stream, found)}
    for name in _TIMES:
        if found.get(name) is not None:
            found[name] = in_micros(found[name])
    _ = [found[name] for name in _IDENTITY[stream]]
    return found


class SideRows:
    """The newest rows of one stream, each identity once. One thread writes."""

    def __init__(self, stream: Stream) -> None:
        self._identity = _IDENTITY[stream]
        #: Identity -> the source and the row.
        self._rows: OrderedDict[tuple[Any, ...], tuple[int, dict[str, Any]]] = OrderedDict()

    def add(self, rows: Iterable[dict[str, Any]], source: int) -> None:
        """Add rows that :func:`checked` has made."""
        for row in rows:
            self._rows[tuple(row[name] for name in self._identity)] = (source, row)
            if len(self._rows) > MOST_ROWS:
                self._rows.popitem(last=False)

    def forget(self, source: int) -> None:
        """Remove the rows of a source."""
        kept = ((name, each) for name, each in self._rows.items() if each[0] != source)
        self._rows = OrderedDict(kept)

    def snapshot(self) -> tuple[dict[str, Any], ...]:
        """The rows in the order in which they came."""
        return tuple(row for _, row in self._rows.values())


def _arrival(row: Mapping[str, Any]) -> int | None:
    envelope = row.get("envelope")
    if isinstance(envelope, str):
        try:
            envelope = orjson.loads(envelope)
        except orjson.JSONDecodeError:
            return None
    said = envelope.get("arrival") if isinstance(envelope, dict) else None
    return None if said is None else in_micros(said)
