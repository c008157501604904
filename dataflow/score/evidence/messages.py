"""The messages between the steps that compare events with a reference.

The step ``sample`` gets :class:`Candidates`, decides which events are sampled, and passes them on as
:class:`Placed` to the step ``compare``. It passes on ``Arrived`` in its place among them. It sends orders to
the shelves, where the sampled events are kept for a restart, and where another version of the model embeds
them again. After both, a shelf sends :class:`Recalled` to ``compare``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.early import Arrived
from dataflow.items.marks import Marked
from dataflow.score.evidence.features import Features


@dataclass(frozen=True)
class Candidates:
    """The scored windows of one emission of a key group.

    ``emission``: its number: 0, 1, 2, and so on. ``scored``: the rows, ``n`` of them, sorted by key.
    ``events``: the features of the rows. ``keys``, ``offsets``: each key has the rows from ``offsets[i]`` up
    to but without ``offsets[i + 1]``. ``leaves``: ``(n,)``, whether this is the last window of an event, so
    that the event may be sampled. ``late``: ``(k,)``, whether the window of each key is emitted because of
    late events. ``model``: the model and the version that embedded all of them; ``None`` if there are no
    rows. ``arrived``: how many ``Arrived`` the key group sent before.
    """

    emission: int
    scored: Marked
    events: Features
    keys: list[str]
    offsets: Int64s
    leaves: Bools
    late: Bools
    model: str | None
    arrived: int = 0

    def segments(self) -> Iterator[tuple[str, int, int]]:
        """Each key, with the first of its rows and the row after the last."""
        bounds = self.offsets.tolist()
        return zip(self.keys, bounds, bounds[1:], strict=False)


@dataclass(frozen=True)
class Placed:
    """``candidates``, in the order of their emissions.

    ``sampled``: ``(n,)``, which of them are sampled. ``caps``: the keys whose references shrink after the
    candidates are compared and entered, each with the highest priority of the events that stay; minus
    infinity: none stays. ``recalled``: the shelves whose events come before they can be compared, in place
    of those that ``compare`` has; ``None`` but for the first message after a start, or after a change of the
    model. ``away``: the sampled events are still being embedded again, and nothing can be compared.
    """

    candidates: Candidates
    sampled: Bools
    caps: Mapping[str, float] = field(default_factory=dict)
    recalled: tuple[int, ...] | None = None
    away: bool = False

    @property
    def number(self) -> int:
        """The number under which shelves are recalled."""
        return self.candidates.emission

    @property
    def model(self) -> str | None:
        """The model that embedded the events, if it is known."""
        return self.candidates.model


@dataclass(frozen=True)
class PlacedArrived:
    """``arrived``, in its place among the emissions. The other fields are those of :class:`Placed`."""

    arrived: Arrived
    recalled: tuple[int, ...] | None = None
    away: bool = False

    @property
    def number(self) -> int:
        """The number under which shelves are recalled; no emission has it."""
        return -1 - self.arrived.number

    @property
    def model(self) -> None:
        """The events may be of several models."""


@dataclass(frozen=True)
class Append:
    """Put the events of ``rows`` on a shelf: :meth:`Features.batch`, with the columns ``key`` and ``model``
    (see :class:`Candidates`).
    """

    shelf: int
    rows: pa.RecordBatch


@dataclass(frozen=True)
class Trim:
    """Remove from a shelf the events that are not sampled any more: those with a priority above ``highest``.

    ``highest``: by key; a key that is not in it has no events in the sample.
    """

    shelf: int
    highest: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """Remove a shelf."""

    shelf: int


@dataclass(frozen=True)
class Renew:
    """Embed the events of a shelf again that ``model`` did not embed."""

    shelf: int
    model: str


@dataclass(frozen=True)
class Recall:
    """Send all events of a shelf to the step ``compare``, under the number ``number`` (:class:`Placed`)."""

    shelf: int
    number: int


@dataclass(frozen=True)
class Recalled:
    """All events of a shelf, under the number ``number`` (:class:`Placed`)."""

    shelf: int
    number: int
    rows: list[pa.RecordBatch]


Order = Append | Trim | Drop | Renew | Recall
