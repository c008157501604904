"""Which rows a request is about."""

import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dashboard.store.store import Moment

if TYPE_CHECKING:
    from dashboard.store.scores import Snapshot

Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

_KEPT_MASKS, _KEPT_TEXTS, _KEPT_SELECTIONS = 8, 8, 32


@dataclass(frozen=True)
class Filter:
    """Conditions that a row fulfils together. Times are microseconds; ``start <= ts < end``. ``window``: the
    start of the window. ``all_revisions``: not only those of the newest revision of a window.
    """

    key: str | None = None
    start: int | None = None
    end: int | None = None
    text: str | None = None
    cluster: int | None = None
    incident: str | None = None
    window: int | None = None
    selection: str | None = None
    all_revisions: bool = False


class Filters:
    """Evaluates filters, and keeps the last results. Threads may share an object."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._masks: OrderedDict[tuple[int, Filter], Bools] = OrderedDict()
        #: Text -> the first number and the rows of a chunk -> which of its rows have the text.
        self._texts: OrderedDict[str, dict[tuple[int, int], Bools]] = OrderedDict()
        self._selections: OrderedDict[str, Int64s] = OrderedDict()
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, "texts")

    def select(self, rows: Int64s) -> str:
        """Keep a selection of row numbers. Returns its name."""
        with self._lock:
            name = f"s{self._next_selection()}"
            self._selections[name] = np.unique(rows)
            while len(self._selections) > _KEPT_SELECTIONS:
                self._selections.popitem(last=False)
            return name

    def _next_selection(self) -> int:
        return 1 + max((int(name[1:]) for name in self._selections), default=0)

    def has_selection(self, name: str) -> bool:
        """Whether the selection is still known."""
        return name in self._selections

    def mask(self, moment: Moment, wanted: Filter) -> Bools:
        """``(n,)``: which rows of the moment fulfil the filter."""
        place = (moment.generation, wanted)
        with self._lock:
            found = self._masks.get(place)
        if found is None:
            found = self._made(moment, wanted)
            with self._lock:
                self._masks[place] = found
                while len(self._masks) > _KEPT_MASKS:
                    self._masks.popitem(last=False)
        return found

    def _made(self, moment: Moment, wanted: Filter) -> Bools:
        rows = moment.scores
        column = rows.columns
        found = column["live"] if wanted.all_revisions else column["live"] & column["latest"]
        if wanted.key is not None:
            found = found & (column["key"] == rows.key_numbers.get(wanted.key, -1))
        if wanted.start is not None:
            found = found & (column["ts"] >= wanted.start)
        if wanted.end is not None:
            found = found & (column["ts"] < wanted.end)
        if wanted.cluster is not None:
            found = found & (column["cluster"] == wanted.cluster)
        if wanted.window is not None:
            found = found & (column["window_start"] == wanted.window)
        if wanted.incident is not None:
            found = found & np.isin(column["event"], moment.incident_of.events_of(wanted.incident))
        if wanted.selection is not None:
            found = found & self._selected(rows, wanted.selection)
        if wanted.text:
            found = found & self._with_text(rows, wanted.text)
        return np.asarray(found)

    def _selected(self, rows: "Snapshot", name: str) -> Bools:
        numbers = self._selections.get(name, np.empty(0, np.int64)) - rows.first
        found = np.zeros(len(rows), np.bool_)
        found[numbers[(numbers >= 0) & (numbers < len(rows))]] = True
        return found

    def _with_text(self, rows: "Snapshot", text: str) -> Bools:
        with self._lock:
            known = self._texts.pop(text, {})
            # What was typed so far is a part of what is typed next.
            part = max((each for each in self._texts if each in text), key=len, default=None)
            shorter = self._texts[part] if part is not None else {}
        chunks = {(chunk.start, len(chunk.batch)): chunk.batch.column("text") for chunk in rows.texts.chunks}

        def look(place: tuple[int, int]) -> Bools:
            has = known.get(place)
            return _matches(chunks[place], text, shorter.get(place)) if has is None else has

        now = dict(zip(chunks, self._threads.map(look, chunks), strict=True))
        found = np.zeros(len(rows), np.bool_)
        for (first, _), has in now.items():
            start = first - rows.first
            found[max(start, 0) : start + len(has)] = has[max(-start, 0) :]
        with self._lock:
            self._texts[text] = now
            while len(self._texts) > _KEPT_TEXTS:
                self._texts.popitem(last=False)
        return found


def _matches(texts: pa.Array, text: str, candidates: Bools | None) -> Bools:
    """``(n,)``: which texts have ``text``. ``candidates``: those that have a part of it."""
    places = np.flatnonzero(candidates) if candidates is not None else None
    if places is None or len(places) > len(texts) // 4:
        found: Bools = pc.match_substring(texts, text, ignore_case=True).to_numpy(zero_copy_only=False)
        return found
    has = np.zeros(len(texts), np.bool_)
    some = pc.match_substring(texts.take(pa.array(places)), text, ignore_case=True)
    has[places] = some.to_numpy(zero_copy_only=False)
    return has
