"""The incidents of one key."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dataflow.alert.incident import MOST_NAMED, Incident
from dataflow.alert.rules import Rules, chance
from dataflow.alert.verdicts import Gone, Verdicts
from dataflow.alert.window_events import WindowEvents
from dataflow.items.arrays import Int64s
from dataflow.items.fixed import Fixed


class Taken(NamedTuple):
    """What became of the events of a window.

    ``changed``: the incidents that have changed. ``suppressed``: how many events did not alert because there
    was no room for a new incident. ``expected``: for each event that did not alert because it is expected,
    the mark that it resembles.
    """

    changed: list[Incident]
    suppressed: int
    expected: list[str]


class Incidents:
    """The incidents of one key that are open or cool down. ``state`` is what :meth:`snapshot` returned.

    An event that alerts belongs to one incident, whatever the number of windows in which it alerts.
    """

    def __init__(self, key: str, rules: Rules, state: Mapping[str, Any] | None = None) -> None:
        state = state or {"incidents": (), "verdicts": None, "withdrawn": (), "model": None}
        self._key, self._rules = key, rules
        #: By id, the oldest first.
        self._incidents = {each["id"]: Incident.of_state(each) for each in state["incidents"]}
        self._verdicts = Verdicts(state["verdicts"])
        #: Incident that was withdrawn -> when, and the number of its next row: its event may open it again.
        self._withdrawn: dict[str, tuple[int, int]] = dict(state["withdrawn"])
        self._model: str | None = state["model"]

    def __len__(self) -> int:
        """How many incidents are open."""
        return sum(incident.is_open for incident in self._incidents.values())

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {
            "incidents": [incident.snapshot() for incident in self._incidents.values()],
            "verdicts": self._verdicts.snapshot(),
            "withdrawn": list(self._withdrawn.items()),
            "model": self._model,
        }

    @property
    def is_empty(self) -> bool:
        """Whether nothing has to be kept."""
        return not self._incidents and not self._verdicts and not self._withdrawn

    def take(
        self,
        events: WindowEvents,
        model: str | None,
        may_open: Callable[[], bool],
        expected: Sequence[str | None],
    ) -> Taken:
        """Take all events of a window that stand out. Events that alerted in it before, and do not any more,
        are withdrawn. ``may_open`` is asked before each new incident. ``expected``: for each event the mark
        that it resembles, or ``None``. Expected events that are in no incident stay in none.
        """
        self._forget_other_model(model)
        before = {id: (each.count, each.peak, each.state) for id, each in self._incidents.items()}
        alive = dict(self._incidents)
        owners = self.owners()
        mine = [owners.get(event) for event in events.hashes]
        is_new = np.array([owner is None for owner in mine], np.bool_)
        found = np.full(len(events), None, dtype=object)
        found[:] = mine
        is_expected = np.array([mark is not None for mark in expected], np.bool_)
        is_free = is_new & ~is_expected
        opening = np.flatnonzero(is_free[: events.opening])
        self._join(events, opening, found, may_open)
        self._follow(events, events.opening + np.flatnonzero(is_free[events.opening :]), found)
        alive |= self._incidents
        verdict = {event: id for event, id in zip(events.hashes, found, strict=True) if id is not None}
        gone = self._verdicts.replace((events.start, events.end), verdict)
        self._count(events, found, is_new)
        self._withdraw(gone, events.at)
        changed = [
            incident
            for id, incident in alive.items()
            if (incident.is_changed or before.get(id) != (incident.count, incident.peak, incident.state))
            # Nothing was said yet of an incident that opened and merged in this window.
            and (incident.state != "merged" or incident.sequence)
        ]
        quiet = np.flatnonzero((is_new & is_expected)[: events.opening])
        return Taken(
            changed, sum(id is None for id in found[opening]), [str(expected[row]) for row in quiet.tolist()]
        )

    def pass_time(self, at: int) -> list[Incident]:
        """Close incidents without events, and forget those that are over. Returns those that closed."""
        closed = []
        for id, incident in list(self._incidents.items()):
            over = at - incident.last - self._rules.close_after
            if incident.is_open and over > 0:
                incident.state = "closed"
                closed.append(incident)
            if over > self._rules.cool_down:
                del self._incidents[id]
        self._verdicts.forget(at - self._rules.remember)
        for id in [id for id, (then, _) in self._withdrawn.items() if at - then > self._rules.remember]:
            del self._withdrawn[id]
        return closed

    def _forget_other_model(self, model: str | None) -> None:
        """Embeddings of two models cannot be compared, so nothing new is near an older incident."""
        if model != self._model:
            self._model = model
            for incident in self._incidents.values():
                incident.exemplars = incident.exemplars[:0]

    def owners(self) -> dict[int, str]:
        """The incident of each event that alerts in any window, by the hash of its id."""
        return self._verdicts.owners()

    def is_near(self, vector: Fixed, model: str | None) -> bool:
        """Whether an event that ``model`` embedded, ``(1, dim)``, is near an open incident."""
        return model == self._model and any(
            incident.is_near(vector, self._rules.radius)[0]
            for incident in self._incidents.values()
            if incident.is_open
        )

    def _join(self, events: WindowEvents, new: Int64s, found: Any, may_open: Callable[[], bool]) -> None:
        """Find the incidents of the events at ``new``: put the ids into ``found``."""
        rest = new
        to_compare = [each for each in self._incidents.values() if each.is_open]
        cooling = [each for each in self._incidents.values() if not each.is_open]
        while len(rest):
            if not to_compare and cooling:
                to_compare, cooling = cooling, []
            elif not to_compare:
                top = int(rest[0])
                if not may_open():
                    rest = rest[~self._open(events, top).is_near(events.vectors[rest], self._rules.radius)]
                    continue
                incident = self._open(events, top)
                self._incidents[incident.id] = incident
                to_compare = [incident]
            compared, to_compare = to_compare, []
            for incident in compared:
                if incident.id in self._incidents:
                    to_compare += self._attract(incident, events, new, found)
            rest = rest[[found[row] is None for row in rest.tolist()]]

    def _follow(self, events: WindowEvents, weak: Int64s, found: Any) -> None:
        """Let the events at ``weak``, which open no incident, join those that they are near.

        They join an incident with other events in this window. They also join if so many of them come
        together that this is as unusual as an event that opens an incident: chance gives a window
        ``size * 10 ** -least`` events that stand out, wherever they are.
        """
        for incident in list(self._incidents.values()):
            near = weak[incident.is_near(events.vectors[weak], self._rules.radius)]
            near = near[[found[row] is None for row in near.tolist()]]
            if not len(near):
                continue
            by_chance = chance(len(near), events.size * 10.0**-self._rules.least)
            if (found == incident.id).any() or by_chance <= 10.0**-events.threshold:
                found[near] = incident.id

    def _attract(self, incident: Incident, events: WindowEvents, new: Int64s, found: Any) -> list[Incident]:
        """Take the events at ``new`` that are near an incident. Returns the incidents with new exemplars."""
        near = new[incident.is_near(events.vectors[new], self._rules.radius)]
        others = {found[row] for row in near.tolist()} - {None, incident.id}
        if incident.is_open:
            for id in sorted(others):
                incident = self._merge(incident, self._incidents[id], found)
        free = near[[found[row] is None for row in near.tolist()]]
        found[free] = incident.id
        return [incident] if incident.learn(events.vectors[free], self._rules.radius) else []

    def _merge(self, one: Incident, other: Incident, found: Any) -> Incident:
        """Merge the younger incident into the older one, which is returned."""
        order = list(self._incidents)
        older, younger = sorted((one, other), key=lambda incident: order.index(incident.id))
        older.absorb(younger, self._rules.radius, self._rules.examples)
        del self._incidents[younger.id]
        found[found == younger.id] = older.id
        self._verdicts.move(younger.id, older.id)
        return older

    def _open(self, events: WindowEvents, row: int) -> Incident:
        ts, id = int(events.ts[row]), events.incident_id(row)
        _, sequence = self._withdrawn.get(id, (0, 0))
        return Incident(
            id=id,
            key=self._key,
            opened=events.at,
            last=events.at,
            window_start=events.start,
            window_end=events.end,
            first_ts=ts,
            last_ts=ts,
            exemplars=events.vectors[[row]],
            cluster=events.cluster(row),
            state="reopened" if sequence else "open",
            sequence=sequence,
        )

    def _count(self, events: WindowEvents, found: Any, is_new: Any) -> None:
        """Note the events of the window in their incidents."""
        for id, incident in self._incidents.items():
            rows = np.flatnonzero(found == id)
            if not len(rows):
                continue
            incident.touch(events.at, events.start, events.end)
            new = rows[is_new[rows]]
            if len(new):
                named = incident.join(events.ids(new[:MOST_NAMED]), len(new))
                self._verdicts.name((events.hashes[row] for row in new.tolist()), named)
                incident.first_ts = min(incident.first_ts, int(events.ts[new].min()))
                incident.last_ts = max(incident.last_ts, int(events.ts[new].max()))
            incident.peak = max(incident.peak, float(events.anomaly[rows[0]]))
            incident.show(events.examples(rows, self._rules.examples), self._rules.examples)

    def _withdraw(self, gone: Sequence[Gone], at: int) -> None:
        """Take events that alert in no window any more out of their incidents."""
        for id, name in gone:
            incident = self._incidents.get(id)
            if incident is None:
                continue
            incident.leave(name)
            if not incident.count:
                incident.state = "withdrawn"
                self._withdrawn[id] = (at, incident.sequence + 1)
                del self._incidents[id]
