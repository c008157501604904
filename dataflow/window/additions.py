"""Adds events that are not late to the open chunk of a key group, and counts them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.items.rows import owned
from dataflow.window.assigner import Assigned, Events, Pane
from dataflow.window.group import Group, Key
from dataflow.window.key_state import Cell, KeyState, Size
from dataflow.window.messages import Append, Output
from dataflow.window.sample import HIGHEST, levels, row_bytes


class _Alike(NamedTuple):
    """Events of one key that are in one pane and have one sampling level."""

    key: Key
    pane: Pane
    level: int
    size: Size


class _Kinds(NamedTuple):
    """The kinds of events in a batch. ``kind_of``: ``(n,)`` the number of the kind of each event."""

    kinds: list[_Alike]
    kind_of: npt.NDArray[np.intp]


def add(group: Group, rows: pa.RecordBatch, events: Events, output: Output, *, behind: bool) -> None:
    """Add events that are not late. ``behind``: an event may belong to a window that has ended."""
    assigned = group.assigner.assign(events)
    for name, old, new in assigned.merged:
        if state := group.keys.get(name):
            state.merge(old, new)
    kinds, kind_of = _kinds(group, rows, events, assigned)
    chunk = group.counts.next_rows()
    keep = np.array([_add_kind(group, kind, chunk, behind) for kind in kinds])
    if not keep.all():
        rows = rows.filter(pa.array(keep[kind_of]))
    if len(rows):
        group.counts.append(len(rows))
        output.orders.append(Append(chunk, owned(rows)))
    if group.sample:
        for key in {kind.key: None for kind in kinds}:
            _tighten(group, key)
        group.reclaim(output)


def _add_kind(group: Group, kind: _Alike, chunk: int, behind: bool) -> bool:
    """Count events of one kind. Returns whether a window keeps their rows."""
    key, cell = kind.key, Cell(kind.pane, kind.level, chunk)
    state = group.keys.get(key)
    if state is None:
        state = group.keys[key] = KeyState()
    fired = group.fired_of(key)
    gone = group.gone(key, fired)
    if behind and group.lateness:
        for window in group.assigner.kept(key, kind.pane, gone):
            if window in state.revision or group.assigner.span(key, window)[1] <= fired:
                state.changed[window] = None
                group.revised[key] = None
    if group.sample and not group.sample.admits(
        state, cell, kind.size.rows, lambda pane: group.assigner.kept(key, pane, gone)
    ):
        return False
    state.add(cell, kind.size)
    return True


def _tighten(group: Group, key: Key) -> None:
    """Release the rows of a key that its windows have no room for."""
    state, gone = group.keys[key], group.gone(key, group.fired_of(key))
    unneeded = group.sample.tighten(state, lambda pane: group.assigner.kept(key, pane, gone))
    for chunk, rows in state.remove(unneeded):
        group.counts.release(chunk, rows)


def _kinds(group: Group, rows: pa.RecordBatch, events: Events, assigned: Assigned) -> _Kinds:
    """The kinds of the events."""
    # Neither id decreases with time, and one of the two increases at each boundary between panes. So their
    # sum identifies the pane.
    pane = assigned.first + assigned.last
    level = levels(rows.column("id")) if group.sample else np.zeros(len(pane), np.int64)
    if not group.keyed and pane.min() == pane.max():
        first = np.zeros(1, np.intp)
        kind_of, count = np.zeros(len(pane), np.intp), np.array([len(pane)])
    else:
        pane -= pane.min()
        number = (pane * len(events.names) + events.codes) * (HIGHEST + 1) + level
        _, first, kind_of, count = np.unique(
            number, return_index=True, return_inverse=True, return_counts=True
        )
    size = np.zeros(len(count), np.int64)
    if group.sample:
        size = np.bincount(kind_of, row_bytes(rows)).astype(np.int64)
    return _Kinds(list(_alike(events, assigned, level, first, count, size)), kind_of)


def _alike(
    events: Events,
    assigned: Assigned,
    level: Int64s,
    first: npt.NDArray[np.intp],
    count: Int64s,
    size: Int64s,
) -> Iterator[_Alike]:
    columns = (events.codes[first], assigned.first[first], assigned.last[first], level[first], count, size)
    for code, first_window, last_window, at_level, n, n_bytes in zip(
        *(c.tolist() for c in columns), strict=True
    ):
        yield _Alike(events.names[code], Pane(first_window, last_window), at_level, Size(n, n_bytes))
