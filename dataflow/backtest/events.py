"""The events of recorded rows, each one once, as the embed stage gave them.

An event has a row in each of its windows, and in each revision of a window. The first window has it, too.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.backtest.positions import Positions
from dataflow.backtest.recorded import Recorded
from dataflow.decode.masking import masked, patterns_of
from dataflow.items.arrays import Bools, Int64s
from dataflow.items.hashes import hashes
from dataflow.items.schemas import POSITION, embedded_schema

#: ``partition`` of all events in a replay.
PARTITION = "recorded"
_IDENTITY = ("key", "id", "ts", "window_start", "window_end", "revision", "model", "model_version")
_EVENT = ("key", "id", "ts", "text", "attributes", "model", "model_version", "embedding")


@dataclass(frozen=True)
class Events:
    """``rows``: all events, by event time. ``others``: events as other versions of the model embedded them
    later, one row for each event and version. Both have the schema ``embedded_schema``; ``offset`` is the
    number of the row, those of ``others`` follow those of ``rows``. ``positions``: where the source had the
    record of each number. ``last_end``: the end of the last recorded window, in microseconds since the Unix
    epoch. ``models``: each model and version, the newest one last.
    """

    rows: pa.Table
    others: pa.Table
    positions: Positions
    last_end: int
    models: list[str]


def read_events(recorded: Recorded, mask: tuple[str, ...]) -> Events:
    """The events of recorded rows. ``mask``: ``source.mask``. Raises ``SourceError``."""
    chosen = _choose(recorded)
    found, row = [], 0
    positions = [name for name in POSITION if name in recorded.schema.names]
    for batch in recorded.batches([*_EVENT, *positions]):
        here = chosen.wanted[row : row + len(batch)]
        row += len(batch)
        found.append(batch.filter(pa.array(here)))
    table = pa.Table.from_batches(found)
    ts, is_first = table["ts"].cast(pa.int64()).to_numpy(), chosen.is_first[chosen.wanted]
    ordered = table.take(pa.array(np.lexsort((np.where(is_first, ts, 0), ~is_first))))
    events, number = _embedded(ordered, recorded.dim, mask), int(is_first.sum())
    known = Positions(ordered.select(POSITION) if len(positions) == len(POSITION) else None)
    return Events(events.slice(0, number), events.slice(number), known, chosen.last_end, chosen.models)


@dataclass(frozen=True)
class _Chosen:
    """``wanted``: ``(n,)``, the rows to read. ``is_first``: ``(n,)``, which of them make an event each."""

    wanted: Bools
    is_first: Bools
    last_end: int
    models: list[str]


@dataclass(frozen=True)
class _Identities:
    """Of ``n`` rows, ``(n,)`` each: hashes of key and id, times, revisions, numbers of models."""

    key: npt.NDArray[np.uint64]
    id: npt.NDArray[np.uint64]
    ts: Int64s
    start: Int64s
    revision: Int64s
    model: Int64s

    def take(self, which: Any) -> "_Identities":
        return replace(self, **{name: column[which] for name, column in vars(self).items()})

    def changes(self, *names: str) -> Bools:
        """``(n,)``: whether one of these columns differs from the row before."""
        found = np.ones(len(self.ts), np.bool_)
        found[1:] = np.any([np.diff(getattr(self, name)) != 0 for name in names], axis=0)
        return found


def _choose(recorded: Recorded) -> _Chosen:
    rows, last_end, models = _identities(recorded)
    # The rows of an event come together, those of its first window first, and of these the last revision.
    order = np.lexsort((-rows.revision, rows.start, rows.id, rows.key, rows.ts))
    ordered = rows.take(order)
    begins = ordered.changes("ts", "key", "id")
    lead = np.flatnonzero(begins)[np.cumsum(begins) - 1]
    is_first, wanted = np.zeros(len(order), np.bool_), np.zeros(len(order), np.bool_)
    # Two events with one id are two rows of the same window.
    is_first[order] = (ordered.start == ordered.start[lead]) & (ordered.revision == ordered.revision[lead])
    other = np.flatnonzero((ordered.model != ordered.model[lead]) & ~is_first[order])
    _, once = np.unique(np.stack([lead[other], ordered.model[other]]), axis=1, return_index=True)
    wanted[order[other[once]]] = True
    return _Chosen(wanted | is_first, is_first, last_end, models)


def _identities(recorded: Recorded) -> tuple[_Identities, int, list[str]]:
    parts: list[tuple[Any, ...]] = []
    models: dict[str, int] = {}
    ends: list[Int64s] = []
    for batch in recorded.batches(_IDENTITY):
        if not len(batch):
            continue
        columns = {name: batch.column(name) for name in _IDENTITY}
        ts, start, end = (
            columns[n].cast(pa.int64()).to_numpy() for n in ("ts", "window_start", "window_end")
        )
        ends.append(end)
        revision = columns["revision"].cast(pa.int64()).to_numpy()
        model = _numbers(columns["model"], columns["model_version"], models)
        parts.append((hashes(columns["key"]), hashes(columns["id"]), ts, start, revision, model))
    joined = _Identities(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    every = np.concatenate(ends)
    # Not the order of the rows: a table that was compacted may have lost it.
    first = np.full(len(models), every.max())
    np.minimum.at(first, joined.model, every)
    order = np.argsort(first, kind="stable")
    return joined, int(every.max()), [list(models)[number] for number in order.tolist()]


def _numbers(model: pa.Array, version: pa.Array, known: dict[str, int]) -> Int64s:
    """``(n,)``: the number of the model and version of each row. New ones are added to ``known``."""
    models, versions = model.dictionary_encode(), version.dictionary_encode()
    pairs = np.stack([models.indices.to_numpy(), versions.indices.to_numpy()])
    different, of_row = np.unique(pairs, axis=1, return_inverse=True)
    names = [f"{models.dictionary[int(m)]} {versions.dictionary[int(v)]}" for m, v in different.T]
    numbers = np.array([known.setdefault(name, len(known)) for name in names], np.int64)
    found: Int64s = numbers[of_row.reshape(-1)]
    return found


def _embedded(rows: pa.Table, dim: int, mask: tuple[str, ...]) -> pa.Table:
    """Rows with the columns ``_EVENT`` as rows of ``embedded_schema``, which are numbered."""
    patterns = patterns_of(mask)
    of_text = [masked(chunk, patterns) for chunk in rows["text"].chunks]
    more = {
        "partition": pa.repeat(pa.scalar(PARTITION), len(rows)),
        "offset": pa.array(np.arange(len(rows)), pa.int64()),
        "masked": pa.chunked_array(of_text, pa.string()),
    }
    schema = embedded_schema(dim)
    columns = [more[name] if name in more else rows[name] for name in schema.names]
    return pa.Table.from_arrays(columns, schema=schema)
