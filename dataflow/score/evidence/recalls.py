"""What the step ``compare`` gets from the shelves, and what it knows of these events beyond that."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.score.evidence.again import UNKNOWN, absent, is_embedded, near_again
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.fixed import Squares
from dataflow.score.evidence.members import Doubles
from dataflow.score.evidence.messages import Recalled
from dataflow.score.evidence.near import Near
from dataflow.score.evidence.reference import Reference, near_width
from dataflow.score.evidence.surge import COUNTS
from dataflow.settings import Score


class _Waiting(NamedTuple):
    """``(n,)``: the priorities of events that wait, ascending, and when each is released."""

    priority: Doubles
    released: Int64s


class _Known(NamedTuple):
    """What is near ``n`` events that were embedded again.

    ``priority``: ``(n,)``, ascending. ``others``: as in ``Near``. ``squares``: ``(n, m)``, those columns of
    ``Near.squares`` that evidence reads.
    """

    priority: Doubles
    others: Int64s
    squares: Squares


class Recalls:
    """The shelves that came. ``state`` is what :meth:`snapshot` returned.

    What is near an event is computed from the sample right after the change of the model. Later the sample
    has lost events. So the result is in the snapshot.
    """

    def __init__(self, options: Score, state: Mapping[str, Any] | None) -> None:
        state = state or {"waiting": (), "model": None, "near": ()}
        self._width = near_width(options.novelty_neighbours)
        every = options.novelty_window
        self._columns: Int64s = np.arange(self._width) if every else np.array(COUNTS) - 1
        self._shelves: dict[tuple[int, int], list[pa.RecordBatch]] = {}
        self._waiting = {
            key: _Waiting(np.frombuffer(priority), np.frombuffer(released, np.int64))
            for key, priority, released in state["waiting"]
        }
        #: The model that embedded the events of ``_near``, and what is near these events, by key.
        self._model: str | None = state["model"]
        self._near = {
            key: _Known(
                np.frombuffer(priority),
                np.frombuffer(others, np.int64),
                np.frombuffer(squares, np.int32).reshape(-1, len(self._columns)),
            )
            for key, priority, others, squares in state["near"]
        }

    def __len__(self) -> int:
        """The number of shelves that came and were not taken."""
        return len(self._shelves)

    def snapshot(self, references: Mapping[str, Reference]) -> dict[str, Any]:
        """The state as plain data."""
        if references:  # else the events have not come yet
            self._near = {
                key: kept
                for key, known in self._near.items()
                if key in references and len((kept := _sampled(known, references[key])).priority)
            }
        waiting = self._waiting | _waiting(references)
        return {
            "waiting": [(key, *(each.tobytes() for each in events)) for key, events in waiting.items()],
            "model": self._model,
            "near": [(key, *(each.tobytes() for each in known)) for key, known in self._near.items()],
        }

    def note(self, references: Mapping[str, Reference]) -> None:
        """Note which events wait: ``references`` are made anew."""
        self._waiting |= _waiting(references)

    def add(self, recalled: Recalled) -> None:
        """Add a shelf."""
        self._shelves[recalled.emission, recalled.shelf] = recalled.rows

    def have(self, emission: int, shelves: Sequence[int]) -> bool:
        """Whether all of ``shelves`` came for an emission."""
        return all((emission, shelf) in self._shelves for shelf in shelves)

    def take(self, emission: int, model: str) -> Iterator[tuple[str, Features, Int64s]]:
        """The events of the shelves that came for an emission: each key, its events, and when each of them
        is released. Events that ``model`` did not embed are ``absent``.
        """
        if model != self._model:
            self._model, self._near = model, {}
        shelves = [self._shelves.pop(place) for place in sorted(self._shelves) if place[0] == emission]
        batches = [batch for shelf in shelves for batch in shelf]
        waiting, self._waiting = self._waiting, {}
        if batches:
            rows = pa.concat_batches(batches)
            keys = rows.column("key").dictionary_encode()
            order = np.argsort(keys.indices.to_numpy(), kind="stable")
            ends = np.cumsum(np.bincount(keys.indices.to_numpy()))
            for key, which in zip(keys.dictionary.to_pylist(), np.split(order, ends[:-1]), strict=True):
                events = self._renewed(key, rows.take(pa.array(which)), model)
                yield key, events, _released(events, waiting.get(key))

    def _renewed(self, key: str, rows: pa.RecordBatch, model: str) -> Features:
        events = Features.of(rows)
        embedded = is_embedded(events, rows.column("model"), model)
        unknown = np.flatnonzero((events.near.others == UNKNOWN) & embedded)
        if len(unknown):
            if key not in self._near:
                near, rank = near_again(events, embedded), unknown[np.argsort(events.priority[unknown])]
                squares = near.squares[rank][:, self._columns]
                self._near[key] = _Known(events.priority[rank], near.others[rank], squares)
            events = self._with_near(events, unknown, self._near[key])
        return events if embedded.all() else absent(events, ~embedded)

    def _with_near(self, events: Features, rows: Int64s, known: _Known) -> Features:
        squares, others = events.near.squares.copy(), events.near.others.copy()
        place = np.minimum(known.priority.searchsorted(events.priority[rows]), len(known.priority) - 1)
        # A shelf may hold events that have left the sample.
        is_there = known.priority[place] == events.priority[rows]
        rows, place = rows[is_there], place[is_there]
        squares[rows[:, None], self._columns] = known.squares[place]
        others[rows] = known.others[place]
        return replace(events, near=Near(squares, others))


def _waiting(references: Mapping[str, Reference]) -> dict[str, _Waiting]:
    found = {key: _Waiting(*reference.waiting()) for key, reference in references.items()}
    return {key: waiting for key, waiting in found.items() if len(waiting.priority)}


def _released(events: Features, waiting: _Waiting | None) -> Int64s:
    if waiting is None:
        return np.zeros(len(events), np.int64)
    place = np.minimum(waiting.priority.searchsorted(events.priority), len(waiting.priority) - 1)
    is_waiting = waiting.priority[place] == events.priority
    released: Int64s = np.where(is_waiting, waiting.released[place], 0)
    return released


def _sampled(known: _Known, reference: Reference) -> _Known:
    """``known``, without events that have left the sample."""
    reference.take_in()
    highest = reference.events.priority.max(initial=-np.inf)
    stay = int(known.priority.searchsorted(highest, "right"))
    return _Known(known.priority[:stay], known.others[:stay], known.squares[:stay])
