"""Sampled events that another version of the model embeds again, from their texts."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.fixed import Fixed, squared
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.near import FAR, SAMPLE, Near, smallest

#: Takes texts, which are not masked, and a model (see ``Candidates``). Returns ``(n, dim)``, the embedding of
#: each; zeros for a text that the model refuses. ``None``: this process cannot ask this model.
EmbedAgain = Callable[[pa.Array, str], Fixed | None]

#: ``Near.others`` of an event of which it is not known what is near it.
UNKNOWN = -1
#: What is near events is computed again if at least this share of the events of a key is in whole windows.
WHOLE_SHARE = 0.9
#: The time of an event that is younger than all windows, so that it is compared with none.
_NEVER_A_MEMBER = np.iinfo(np.int64).max


def never(_texts: pa.Array, _model: str) -> None:
    """An ``EmbedAgain`` that can ask no model."""


def on_shelf(events: Features, keys: pa.Array, models: pa.Array) -> pa.RecordBatch:
    """Events as a shelf has them, with their keys and the models that embedded them."""
    return events.batch().append_column("key", keys).append_column("model", models)


def embedded_again(rows: pa.RecordBatch, model: str, embed: EmbedAgain) -> pa.RecordBatch:
    """The rows of a shelf. Those that ``model`` did not embed are embedded again, if that is possible.

    What is near these events is ``UNKNOWN`` then, and their scores are NaN: the other version said so, and
    numbers of two versions cannot be compared.
    """
    old = pc.not_equal(rows.column("model"), model).to_numpy(zero_copy_only=False)
    if not old.any():
        return rows
    found = embed(rows.column("texts").filter(pa.array(old)), model)
    if found is None:
        return rows
    events = Features.of(rows)
    vectors, scores = events.vectors.copy(), events.scores.copy()
    squares, others = events.near.squares.copy(), events.near.others.copy()
    vectors[old], squares[old], others[old], scores[old] = found, FAR, UNKNOWN, np.nan
    events = replace(events, vectors=vectors, near=Near(squares, others), scores=scores)
    return on_shelf(events, rows.column("key"), pa.repeat(model, len(rows)))


def is_embedded(events: Features, models: pa.Array, model: str) -> Bools:
    """``(n,)``: which events ``model`` embedded, and did not refuse. ``models``: which one embedded each."""
    found: Bools = pc.equal(models, model).to_numpy(zero_copy_only=False) & events.vectors.any(axis=1)
    return found


def absent(events: Features, which: Bools) -> Features:
    """``events``, of which those at ``which`` have no part in any comparison.

    They stay in the sample: so each step has the same sample, and it is that of the earlier version.
    """
    vectors, ts = events.vectors.copy(), events.ts.copy()
    vectors[which], ts[which] = 0, _NEVER_A_MEMBER
    return replace(events, vectors=vectors, ts=ts)


def near_again(events: Features, embedded: Bools) -> Near:
    """What is near the events of a key, as far as their windows are in the sample; else ``UNKNOWN``.

    ``events``: all sampled events of the key. ``embedded``: ``(n,)``, which of them the model embedded. The
    events of a window are whole if all events of the window are sampled. The windows that end after the start
    of the newest one are not: some of their events have not left their last window yet.

    Small windows are more often whole than large ones, and surge is lower in small windows. So if many
    events are not in whole windows, those that are do not say what is usual, and nothing is known.
    """
    squares, others = np.full_like(events.near.squares, FAR), np.full(len(events), UNKNOWN, np.int64)
    found = Near(squares, others)
    order = np.argsort(events.ts, kind="stable")
    first, last = (events.ts[order].searchsorted(bounds) for bounds in (events.starts, events.ends))
    whole = last - first >= events.sizes
    is_past = events.ends <= events.starts.max()
    if is_past.any() and np.mean(whole[is_past]) < WHOLE_SHARE:
        return found
    spans = np.stack([first, last], axis=1)[whole & embedded]
    rows = np.flatnonzero(whole & embedded)
    bounds, window = np.unique(spans, axis=0, return_inverse=True)
    for number, (start, stop) in enumerate(bounds.tolist()):
        among = order[start:stop]
        _put(found, events, rows[window.reshape(-1) == number], among[embedded[among]])
    return found


def _put(near: Near, events: Features, rows: Int64s, among: Int64s) -> None:
    """Set what is near the events ``rows`` of a window: the other ones ``among`` its events."""
    if len(among) > SAMPLE:
        among = among[np.argsort(events.priority[among], kind="stable")[:SAMPLE]]
    squares = squared(events.vectors[rows], events.vectors[among])
    is_self = rows[:, None] == among
    squares[is_self] = FAR
    nearest = smallest(squares, near.squares.shape[1])
    near.squares[rows[:, None], np.arange(nearest.shape[1])] = nearest
    near.others[rows] = len(among) - np.count_nonzero(is_self, axis=1)
