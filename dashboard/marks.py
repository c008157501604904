"""Writes marks where the flow reads them, and says which incidents are marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import orjson

from dashboard.store.store import Moment
from dataflow.clock import FOREVER, micros, rfc3339, utc_now
from dataflow.marks.append import append
from dataflow.marks.line import Mark, parse
from dataflow.marks.open import open_store
from dataflow.settings import Settings

#: The most characters of a note, and of a name.
_MOST_NOTE, _MOST_NAME = 2000, 200


class MarkError(ValueError):
    """A request for a mark is wrong. The text is one sentence that names the field and says what to do."""


@dataclass(frozen=True)
class Request:
    """What a person says about an incident. ``everywhere``: of the events of all keys. ``until``: when it
    ends, in microseconds since the Unix epoch.
    """

    incident: str
    mark: str
    everywhere: bool = False
    note: str | None = None
    by: str | None = None
    until: int | None = None


def requested(body: bytes) -> Request:
    """The request in a body of JSON. Raises ``MarkError``."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MarkError("the body is not JSON; send an object with incident and mark") from None
    known = {"incident", "mark", "everywhere", "note", "by", "until"}
    if not isinstance(said, dict) or not set(said) <= known:
        raise MarkError(f"the body has other fields than {', '.join(sorted(known))}; send these alone")
    if said.get("mark") not in ("expected", "real", "none"):
        raise MarkError("mark must be expected, real or none")
    if not isinstance(said.get("everywhere", False), bool):
        raise MarkError("everywhere must be true or false")
    until = said.get("until")
    if until is not None and (not isinstance(until, int) or not 0 < until < 1 << 57):
        raise MarkError("until must be microseconds since 1970, or null")
    texts = {
        name: _text(said, name, most)
        for name, most in (("incident", _MOST_NAME), ("note", _MOST_NOTE), ("by", _MOST_NAME))
    }
    if texts["incident"] is None:
        raise MarkError("incident is missing; name the incident")
    return Request(
        texts["incident"], said["mark"], said.get("everywhere", False), texts["note"], texts["by"], until
    )


def _text(said: Mapping[str, Any], name: str, most: int) -> str | None:
    value = said.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > most):
        raise MarkError(f"{name} must be a text of at most {most} characters")
    return value or None


class MarksStore:
    """The marks at a URI, as ``alert.marks`` of the flow names it."""

    def __init__(self, uri: str, settings: Settings) -> None:
        self.uri, self._settings = uri, settings
        self._store = open_store(uri, settings)
        self._lock = Lock()

    def all(self) -> list[dict[str, Any]]:
        """The marks that count now, as the page gets them."""
        return [_described(mark) for mark in self._active(self._look())]

    def of_incidents(self) -> dict[str, dict[str, Any]]:
        """Incident -> its mark: the newest one that was not taken back."""
        return {mark.incident: _described(mark) for mark in self._active(self._look()) if mark.incident}

    def write(self, moment: Moment, wanted: Request) -> dict[str, Any] | None:
        """Append what ``wanted`` says. Returns the mark of the incident; ``None``: it has none.

        Raises ``MarkError`` if the incident cannot be marked, ``SourceError`` if the mark cannot be written.
        """
        incident = moment.incidents.get(wanted.incident)
        if incident is None:
            raise MarkError(f"no incident {wanted.incident[:40]!r}; name one that the page shows")
        if incident.row["kind"] == "drift":
            raise MarkError("a drift cannot be marked; mark incidents of events")
        # Windows that ended before were decided without the mark, and a replay decides them again so.
        ends = moment.scores.columns["window_end"]
        at = min(micros(utc_now()), int(ends.max()) + 1 if len(ends) else incident.row["decided"] + 1)
        with self._lock:
            before = [mark for mark in self._active(self._look()) if mark.incident == wanted.incident]
            append(self.uri, _rows(incident.row, wanted, rfc3339(at), before), self._settings)
            # A store that is followed looks at a table now and then only.
            self._store = open_store(self.uri, self._settings)
        return self.of_incidents().get(wanted.incident)

    def _look(self) -> Sequence[Mark]:
        self._store.look()
        return self._store.marks

    def _active(self, lines: Sequence[Mark]) -> list[Mark]:
        """The last line of each mark, without those that were taken back, in the order of their times."""
        latest: dict[str, Mark] = {}
        for line in lines:
            if line.name not in latest or latest[line.name].first <= line.first:
                latest[line.name] = line
        return sorted((line for line in latest.values() if line.mark != "none"), key=lambda line: line.first)


def labels(moment: Moment, marks: Mapping[str, Mapping[str, Any]]) -> bytes:
    """JSON lines: the examples of marked incidents, with what people say about them."""
    lines = []
    for name, mark in marks.items():
        if (incident := moment.incidents.get(name)) is None:
            continue
        for example in incident.row["examples"]:
            said = {
                "key": incident.row["key"],
                "id": example["id"],
                "ts": rfc3339(example["ts"]),
                "text": example["text"],
                "label": mark["mark"],
                "incident": name,
                "note": mark["note"],
                "by": mark["by"],
            }
            lines.append(orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE))
    return b"".join(lines)


def _described(mark: Mark) -> dict[str, Any]:
    return {
        "incident": mark.incident,
        "mark": mark.mark,
        "note": mark.note,
        "by": mark.by,
        "ts": mark.first,
        "until": None if mark.end == FOREVER else mark.end,
        "key": mark.key,
        "text": mark.text,
    }


def _rows(row: Mapping[str, Any], wanted: Request, at: str, before: Sequence[Mark]) -> list[dict[str, Any]]:
    said: dict[str, Any] = {"ts": at, "incident": wanted.incident, "by": wanted.by, "note": wanted.note}
    key = None if wanted.everywhere else row["key"]
    about = []
    if wanted.mark != "none":
        until = wanted.until and rfc3339(wanted.until)
        about = [
            {
                "mark": wanted.mark,
                "text": each["text"],
                "nearest": each.get("nearest"),
                "key": key,
                "until": until,
            }
            for each in row["examples"]
            if each["text"].strip()
        ]
    now = {(each["text"], each["key"]) for each in about}
    gone = [
        {"mark": "none", **({"id": mark.id} if mark.id else {"text": mark.text, "key": mark.key})}
        for mark in before
        if (mark.text, mark.key) not in now
    ]
    if not about and not gone:
        raise MarkError("the incident has no mark that could be taken back")
    rows = []
    for each in [*gone, *about]:
        rows.append({name: value for name, value in {**each, **said}.items() if value is not None})
        try:
            parse(orjson.dumps(rows[-1]))
        except ValueError as error:
            raise MarkError(f"{error}; correct it") from None
    return rows
