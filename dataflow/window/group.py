"""The state of one key group, which the parts of the window machine share."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow import settings
from dataflow.clock import FOREVER, NEVER, micros
from dataflow.items.arrays import Int64s
from dataflow.items.rows import event_times
from dataflow.window.assigner import Events, Pane
from dataflow.window.counts import ChunkCounts
from dataflow.window.key_state import KeyState
from dataflow.window.kinds import open_assigner
from dataflow.window.messages import Drop, Extent, Output, Trim
from dataflow.window.sample import Sample
from dataflow.window.state_format import check_format

#: The format of the state.
FORMAT = 2

#: A key, or ``None``: all keys of the group.
Key = str | None


class Group:
    """The rows and windows of a key group. ``state`` is what :meth:`snapshot` returned.

    Keys are told apart (``keyed``) only where a decision depends on the key: with sessions, with revisions,
    with limits, and if each key has a watermark of its own (``of_keys``). Otherwise the key ``None`` stands
    for all keys, and the work does not depend on how many there are.

    ``keys``: the keys that have rows. ``fired``: the watermark up to which windows have been emitted, by
    scope: a scope is a key that has its own watermark, or ``None``. ``revised``: the keys with windows that
    have ended and wait to be emitted again.
    """

    __slots__ = (
        "_floor",
        "arrivals",
        "assigner",
        "counts",
        "emissions",
        "fired",
        "keyed",
        "keys",
        "lateness",
        "of_keys",
        "revised",
        "sample",
    )

    def __init__(self, options: settings.Window, state: Mapping[str, Any] | None = None) -> None:
        check_format(state, FORMAT, "window")
        state = state or {}
        self.lateness = micros(options.allowed_lateness)
        self.of_keys = options.watermark == "key"
        self.sample = Sample(options.max_window_rows, options.max_window_bytes)
        self.keyed = self.of_keys or options.kind == "session" or self.lateness > 0 or bool(self.sample)
        self.assigner = open_assigner(options, state.get("assigner"))
        self.counts = ChunkCounts(state.get("chunks"))
        self.keys: dict[Key, KeyState] = {key: KeyState(of_key) for key, of_key in state.get("keys", ())}
        self.revised: dict[Key, None] = {key: None for key, of_key in self.keys.items() if of_key.changed}
        self.fired: dict[Key, int] = dict(state.get("fired", ()))
        #: The number of the next emission.
        self.emissions: int = state.get("emissions", 0)
        #: The number of the next ``Arrived``.
        self.arrivals: int = state.get("arrivals", 0)
        #: By scope: windows that end here or earlier are gone, although a longer ``allowed_lateness`` would
        #: still keep them.
        self._floor: dict[Key, int] = dict(state.get("floor", ()))
        if self.lateness > state.get("lateness", self.lateness):
            for scope, fired in self.fired.items():
                self._floor[scope] = max(self._floor.get(scope, NEVER), fired - state["lateness"])

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {
            "format": FORMAT,
            "assigner": self.assigner.snapshot(),
            "chunks": self.counts.snapshot(),
            "keys": [(key, of_key.snapshot()) for key, of_key in self.keys.items()],
            "fired": list(self.fired.items()),
            "floor": list(self._floor.items()),
            "lateness": self.lateness,
            "emissions": self.emissions,
            "arrivals": self.arrivals,
        }

    def events(self, rows: pa.RecordBatch) -> Events:
        """The event times and keys of rows."""
        ts = event_times(rows)
        if not self.keyed:
            return Events(ts, np.zeros(len(ts), np.int64), (None,))
        encoded = rows.column("key").dictionary_encode()
        return Events(ts, encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist())

    def scope(self, key: Key) -> Key:
        """The scope of a key: what its watermark is the watermark of."""
        return key if self.of_keys else None

    def fired_of(self, key: Key) -> int:
        """The watermark of a key up to which windows have been emitted."""
        return self.fired.get(self.scope(key), NEVER)

    def gone(self, key: Key, watermark: int) -> int:
        """Windows of a key that end here or earlier are gone at this watermark."""
        return max(watermark - self.lateness, self._floor.get(self.scope(key), NEVER))

    def gone_before(self, events: Events, watermark: Int64s) -> Int64s:
        """``(n,)`` the same for each event. ``watermark``: ``(n,)``, right before each event."""
        gone: Int64s = watermark - self.lateness
        if self._floor:
            floor = np.array([self._floor.get(self.scope(key), NEVER) for key in events.names])
            gone = np.maximum(gone, floor[events.codes])
        return gone

    def forget_key(self, key: Key) -> None:
        """Forget a key that has a watermark of its own and no rows."""
        self.fired.pop(key, None)
        self._floor.pop(key, None)
        self.assigner.forget(key, FOREVER, FOREVER)

    def lowest_level(self, key: Key, state: KeyState, pane: Pane, gone: int) -> int:
        """The lowest sampling level of the windows of a pane that are not gone."""
        if not state.levels:
            return 0
        return min((state.levels.get(w, 0) for w in self.assigner.kept(key, pane, gone)), default=0)

    def reclaim(self, output: Output) -> None:
        """Order that rows are removed that no window needs, where that is worth the work."""
        dropped, trimmed = self.counts.reclaim()
        output.orders.extend(map(Drop, dropped))
        if not trimmed:
            return
        needed: dict[int, dict[Key, dict[Extent, None]]] = {chunk: {} for chunk in trimmed}
        for key, state in self.keys.items():
            gone = self.gone(key, self.fired_of(key))
            extents: dict[Pane, Extent] = {}
            for pane, _, chunk in state.cells:
                if chunk in trimmed:
                    if pane not in extents:
                        level = self.lowest_level(key, state, pane, gone)
                        extents[pane] = Extent(*self.assigner.extent(key, pane), level)
                    needed[chunk].setdefault(key, {})[extents[pane]] = None
        output.orders.extend(
            Trim(chunk, {key: _joined(extents) for key, extents in needed[chunk].items()}, rows)
            for chunk, rows in trimmed.items()
        )


def _joined(extents: Iterable[Extent]) -> tuple[Extent, ...]:
    """The same rows in fewer extents: those that touch are one."""
    joined: list[Extent] = []
    for extent in sorted(extents):
        if joined and joined[-1].end == extent.start and joined[-1].level == extent.level:
            joined[-1] = joined[-1]._replace(end=extent.end)
        else:
            joined.append(extent)
    return tuple(joined)
