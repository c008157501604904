"""An incident: events of one key that alert and are near to each other, in time and as embeddings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np

from dataflow.items.fixed import LENGTH, Fixed, squared

#: Most exemplars of an incident.
_MOST_EXEMPLARS = 32
#: So many events of a window are looked at for new exemplars.
_MOST_LOOKED_AT = 1_000
#: A row names so many new events, with so many characters: a flood is one incident, and one message.
MOST_NAMED = 1_000
_MOST_CHARACTERS = 100_000


@dataclass
class Incident:
    """An incident of ``key``. Times are microseconds since the Unix epoch, UTC.

    ``id``: the same on each replay. ``state``: one of ``ALERT_STATES``. ``sequence``: the number of the next
    row about the incident. ``opened``, ``last``: when the first and the last event was decided.
    ``window_start``, ``window_end``: the window of the last event. ``first_ts``, ``last_ts``, ``count``,
    ``peak``, ``cluster``, ``examples``: columns of ``ALERT``. ``exemplars``: ``(e, dim)``, the embeddings of
    some events that are far from each other. An event is near the incident if it is near one of them.
    ``is_provisional``: whether the incident began before the window of its first event ended. ``joined``,
    ``left``: ``event_ids`` and ``left_ids`` of the next row. ``unnamed``: a column of ``ALERT``.
    """

    kind: ClassVar[str] = "events"

    id: str
    key: str
    opened: int
    last: int
    window_start: int
    window_end: int
    first_ts: int
    last_ts: int
    exemplars: Fixed
    cluster: int
    state: str = "open"
    sequence: int = 0
    count: int = 0
    peak: float = 0.0
    examples: tuple[Mapping[str, Any], ...] = ()
    merged_into: str | None = None
    is_provisional: bool = False
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    unnamed: int = 0

    @staticmethod
    def of_state(state: Mapping[str, Any]) -> "Incident":
        """The incident that :meth:`snapshot` wrote down."""
        exemplars = np.frombuffer(state["exemplars"], np.int16).reshape(-1, state["dim"])
        rest = {name: value for name, value in state.items() if name not in ("exemplars", "dim")}
        return Incident(**rest, exemplars=exemplars)

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        exemplars = {"exemplars": self.exemplars.tobytes(), "dim": self.exemplars.shape[1]}
        return vars(self) | exemplars

    @property
    def is_open(self) -> bool:
        """Whether events join it. Events open a closed incident again while it cools down."""
        return self.state in ("open", "updated", "reopened")

    @property
    def is_changed(self) -> bool:
        """Whether events joined or left since the last row."""
        return bool(self.joined or self.left)

    def join(self, ids: Sequence[str], count: int) -> Sequence[str]:
        """Count ``count`` new events; ``ids``: those of the first. Returns those that the next row names."""
        room = _MOST_CHARACTERS - sum(map(len, self.joined))
        fitting = sum(end <= room for end in accumulate(map(len, ids)))
        named = ids[: max(0, min(fitting, MOST_NAMED - len(self.joined)))]
        self.joined += tuple(named)
        self.count += count
        self.unnamed += count - len(named)
        return named

    def leave(self, id: str | None) -> None:
        """An event leaves. ``id``: its id; ``None``: no row named the event."""
        self.count -= 1
        if id is None:
            self.unnamed -= 1
        else:
            self.left += (id,)

    def touch(self, at: int, start: int, end: int) -> None:
        """Note that an event of the incident was decided at ``at``, in the window ``[start, end)``."""
        if at >= self.last:
            self.last, self.window_start, self.window_end = at, start, end
        if self.state == "closed":
            self.state = "reopened"

    def show(self, examples: Iterable[Mapping[str, Any]], most: int) -> None:
        """Keep the ``most`` examples with the highest anomaly, each with another text."""
        by_text: dict[str, Mapping[str, Any]] = {}
        for each in sorted([*self.examples, *examples], key=_by_anomaly):
            by_text.setdefault(each["text"], each)
        self.examples = tuple(by_text.values())[:most]

    def is_near(self, vectors: Fixed, radius: float) -> Any:
        """``(n,)`` bool: which of the events ``vectors``, ``(n, dim)``, are within ``radius``."""
        return (squared(vectors, self.exemplars) <= (radius * LENGTH) ** 2).any(axis=1)

    def learn(self, vectors: Fixed, radius: float) -> bool:
        """Take events of the incident as exemplars, those that are far from all others. Returns whether
        there are new ones.
        """
        vectors, before = vectors[:_MOST_LOOKED_AT], len(self.exemplars)
        if not len(vectors):
            return False
        apart = squared(vectors, self.exemplars).min(axis=1)
        while len(self.exemplars) < _MOST_EXEMPLARS and apart.max() > (radius / 2 * LENGTH) ** 2:
            chosen = vectors[[apart.argmax()]]
            self.exemplars = np.concatenate([self.exemplars, chosen])
            apart = np.minimum(apart, squared(vectors, chosen)[:, 0])
        return len(self.exemplars) > before

    def absorb(self, other: "Incident", radius: float, most: int) -> None:
        """Take over the events of another incident, which ends as ``merged``."""
        self.count += other.count
        self.unnamed += other.unnamed
        self.peak = max(self.peak, other.peak)
        self.first_ts, self.last_ts = min(self.first_ts, other.first_ts), max(self.last_ts, other.last_ts)
        self.touch(other.last, other.window_start, other.window_end)
        self.show(other.examples, most)
        self.learn(other.exemplars, radius)
        other.state, other.merged_into = "merged", self.id


def _by_anomaly(example: Mapping[str, Any]) -> tuple[float, int, str]:
    return -example["anomaly"], example["ts"], example["id"]
