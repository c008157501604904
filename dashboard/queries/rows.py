"""Rows and events as the page gets them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from dashboard.queries.neighbours import neighbours
from dashboard.rows import EVIDENCE_NAMES
from dashboard.store.scores import event_hashes
from dashboard.store.store import Moment
from dashboard.store.times import in_micros
from dataflow.items.schemas import POSITION

#: The characters of a text in a table.
CUT = 500
_NUMBERS = ("window_start", "window_end", "revision", "ts", "score", "cluster", *EVIDENCE_NAMES)
_OF_WINDOW = ("window_start", "window_end", "revision", "score", "cluster", *EVIDENCE_NAMES)


def described(moment: Moment, places: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """The rows at these places of the snapshot, in their order."""
    rows = moment.scores
    texts = rows.texts.take(places.astype(np.int64) + rows.first, ("id", "text", "text_length"))
    columns = {name: rows.columns[name][places].tolist() for name in (*_NUMBERS, "key", "event")}
    text, ids, lengths = (texts[name].to_pylist() for name in ("text", "id", "text_length"))
    return [
        {
            "row": int(place) + rows.first,
            "key": rows.keys[columns["key"][at]],
            "id": ids[at],
            "text": text[at][:CUT],
            "text_cut": lengths[at] > CUT,
            "incident": moment.incident_of.get(columns["event"][at]),
            **{name: columns[name][at] for name in _NUMBERS},
        }
        for at, place in enumerate(places.tolist())
    ]


def places_of(moment: Moment, key: str, id: str) -> npt.NDArray[np.int64]:
    """The places of the rows of an event, by window and revision."""
    (event,) = event_hashes(pa.array([key]), pa.array([id]))
    columns = moment.scores.columns
    found = np.flatnonzero((columns["event"] == event) & columns["live"])
    return found[np.lexsort((columns["revision"][found], columns["window_start"][found]))]


def place_of(moment: Moment, key: str, id: str, window_start: int, revision: int) -> int | None:
    """The place of a row; ``None``: there is no such row."""
    columns = moment.scores.columns
    for place in places_of(moment, key, id).tolist():
        if columns["window_start"][place] == window_start and columns["revision"][place] == revision:
            return int(place)
    return None


def text_of(moment: Moment, row: int) -> str | None:
    """The text of the row with this number; ``None``: it is not known any more."""
    if not moment.scores.first <= row < moment.scores.first + len(moment.scores):
        return None
    found: str = moment.scores.texts.take([row], ("text",))["text"][0].as_py()
    return found


def event(moment: Moment, key: str, id: str) -> dict[str, Any] | None:
    """Everything about an event; ``None``: it is not known."""
    places = places_of(moment, key, id)
    if not len(places):
        return None
    rows = moment.scores
    texts = rows.texts.take(places + rows.first)
    newest = len(places) - 1
    incident = moment.incident_of.get(int(rows.columns["event"][places[newest]]))
    windows = []
    for at, place in enumerate(places.tolist()):
        explanation = texts["explanation"][at].as_py()
        windows.append(
            {name: rows.columns[name][place].item() for name in _OF_WINDOW}
            | {"explanation": explanation and _explanation(explanation)}
        )
    return {
        "key": key,
        "id": id,
        "ts": int(rows.columns["ts"][places[newest]]),
        "text": texts["text"][newest].as_py(),
        "text_length": texts["text_length"][newest].as_py(),
        "attributes": orjson.loads(texts["attributes"][newest].as_py()),
        "model": texts["model"][newest].as_py(),
        **{name: texts[name][newest].as_py() for name in POSITION},
        "windows": windows,
        "incident": incident,
        "neighbours": neighbours(moment, int(places[newest])),
    }


def _explanation(text: str) -> dict[str, Any]:
    said: dict[str, Any] = orjson.loads(text)
    if said.get("nearest_ts") is not None:
        said["nearest_ts"] = in_micros(said["nearest_ts"])
    return said
