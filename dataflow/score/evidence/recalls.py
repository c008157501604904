"""What the step ``compare`` gets from the shelves, and what it knows of these events beyond that."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.fixed import Squares
from dataflow.score.evidence.again import UNKNOWN, absent, is_embedded, near_again
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.members import Doubles
from dataflow.score.evidence.messages import Recalled
from dataflow.score.evidence.near import Near
from dataflow.score.evidence.reference import near_columns, reads_near
from dataflow.score.evidence.references import References
from dataflow.settings import Score


class Sampled(NamedTuple):
    """The sampled events of a key group, sorted by key.

    ``bounds``: the key ``i`` has the events from ``bounds[i]`` up to but without ``bounds[i + 1]``.
    ``released``: ``(n,)``, see :meth:`~dataflow.score.evidence.reference.Reference.enter`.
    """

    keys: list[str]
    bounds: list[int]
    events: Features
    released: Int64s


class _Waiting(NamedTuple):
    """``(n,)``: the priorities of events that wait, ascending, and when each is released."""

    priority: Doubles
    released: Int64s

    def of(self, priority: Doubles) -> Int64s:
        """``(n,)``: when the events with these priorities are released; 0: an event does not wait."""
        place, is_there = _places(self.priority, priority)
        found: Int64s = np.where(is_there, self.released[place], 0)
        return found


class _Known(NamedTuple):
    """What is near ``n`` events that were embedded again.

    ``priority``: ``(n,)``, ascending. ``others``: as in ``Near``. ``squares``: ``(n, m)``, those columns of
    ``Near.squares`` that evidence reads.
    """

    priority: Doubles
    others: Int64s
    squares: Squares

    def up_to(self, priority: float) -> "_Known":
        """The events with this priority or a lower one."""
        stay = int(self.priority.searchsorted(priority, "right"))
        return _Known(self.priority[:stay], self.others[:stay], self.squares[:stay])


class Recalls:
    """The shelves that came. ``state`` is what :meth:`snapshot` returned.

    What is near an event is computed from the sample right after the change of the model. Later the sample
    has lost events. So the result is in the snapshot.
    """

    def __init__(self, options: Score, state: Mapping[str, Any] | None) -> None:
        state = state or {"waiting": (), "model": None, "near": ()}
        self._reads_near, self._columns = reads_near(options), near_columns(options.novelty_neighbours)
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

    def snapshot(self, references: References) -> dict[str, Any]:
        """The state as plain data."""
        if len(references):  # else the events have not come yet
            kept = {key: known.up_to(references.highest(key)) for key, known in self._near.items()}
            self._near = {key: known for key, known in kept.items() if len(known.priority)}
        waiting = self._waiting | _waiting(references)
        return {
            "waiting": [(key, *(each.tobytes() for each in events)) for key, events in waiting.items()],
            "model": self._model,
            "near": [(key, *(each.tobytes() for each in known)) for key, known in self._near.items()],
        }

    def note(self, references: References) -> None:
        """Note which events wait: ``references`` are made anew."""
        self._waiting |= _waiting(references)

    def add(self, recalled: Recalled) -> None:
        """Add a shelf."""
        self._shelves[recalled.number, recalled.shelf] = recalled.rows

    def have(self, number: int, shelves: Sequence[int]) -> bool:
        """Whether all of ``shelves`` came under a number."""
        return all((number, shelf) in self._shelves for shelf in shelves)

    def take(self, number: int, model: str) -> Sampled | None:
        """The events of the shelves that came under a number; ``None``: there are none. Events that
        ``model`` did not embed are ``absent``.
        """
        if model != self._model:
            self._model, self._near = model, {}
        waiting, self._waiting = self._waiting, {}
        shelves = [self._shelves.pop(place) for place in sorted(self._shelves) if place[0] == number]
        batches = [batch for shelf in shelves for batch in shelf]
        if not batches:
            return None
        rows = pa.concat_batches(batches)
        keys = rows.column("key").dictionary_encode()
        codes, names = keys.indices.to_numpy(), keys.dictionary.to_pylist()
        rows = rows.take(pa.array(np.argsort(codes, kind="stable")))
        events, bounds = Features.of(rows), [0, *np.cumsum(np.bincount(codes)).tolist()]
        released = np.zeros(len(events), np.int64)
        for key, first, last in zip(names, bounds, bounds[1:], strict=False):
            if key in waiting:
                released[first:last] = waiting[key].of(events.priority[first:last])
        embedded = is_embedded(events, rows.column("model"), model)
        if self._reads_near:
            events = self._with_near(names, bounds, events, embedded)
        if not embedded.all():
            events = absent(events, ~embedded)
        return Sampled(names, bounds, events, released)

    def _with_near(self, keys: list[str], bounds: list[int], events: Features, embedded: Bools) -> Features:
        """``events`` with what is near those that were embedded again. ``embedded``: ``(n,)``, which of them
        the model embedded.
        """
        unknown = (events.near.others == UNKNOWN) & embedded
        if not unknown.any():
            return events
        squares, others = events.near.squares.copy(), events.near.others.copy()
        for key, first, last in zip(keys, bounds, bounds[1:], strict=False):
            rows = first + np.flatnonzero(unknown[first:last])
            if not len(rows):
                continue
            if key not in self._near:
                rank = rows[np.argsort(events.priority[rows])]
                near = near_again(events.take(slice(first, last)), embedded[first:last])
                of_rank = near.squares[rank - first][:, self._columns]
                self._near[key] = _Known(events.priority[rank], near.others[rank - first], of_rank)
            known = self._near[key]
            # A shelf may hold events that have left the sample.
            place, is_there = _places(known.priority, events.priority[rows])
            rows, place = rows[is_there], place[is_there]
            squares[rows[:, None], self._columns] = known.squares[place]
            others[rows] = known.others[place]
        return replace(events, near=Near(squares, others))


def _waiting(references: References) -> dict[str, _Waiting]:
    return {key: _Waiting(priority, released) for key, priority, released in references.waiting()}


def _places(ascending: Doubles, wanted: Doubles) -> tuple[Int64s, Bools]:
    """``(n,)`` each: where each number of ``wanted`` is in ``ascending``, at least one, and whether it is."""
    place = np.minimum(ascending.searchsorted(wanted), len(ascending) - 1)
    return place, ascending[place] == wanted
