"""The reference of a key: earlier events, beside which an event is or is not unusual."""

from collections.abc import Callable, Collection
from functools import partial

import numpy as np

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.fixed import LENGTH, Fixed, squared
from dataflow.score.evidence.again import UNKNOWN
from dataflow.score.evidence.beside import Beside, Nearest, Values, compare
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.members import Doubles, sampled
from dataflow.score.evidence.near import BLOCK, mean_distance, smallest
from dataflow.score.evidence.surge import COUNTS, surge
from dataflow.settings import Score


class Reference:
    """A sample of the earlier events of a key, and what it says of the events of a window.

    The values, of which only those of ``columns`` are computed, and the others are NaN:

    - **novelty**: the mean distance to the nearest ``neighbours`` members of the reference, or of the
      reference and the window together (``with_window``); in [0, 2]. At most half of them, rounded up, are of
      the window: events that are new together must not make each other usual.
    - **surge**: see :func:`~dataflow.score.evidence.surge.surge`.
    - **rarity**: ``-log10`` of the share of the event's form among the members and the window together; 0 or
      more.

    An event of the sample is a *member* while it is older than the window, and released (see :meth:`enter`).
    If events are pinned, they are the members, always, and no event of the sample is (see :meth:`pin`).
    Members or not, the events of the sample tell what values are usual: :meth:`usual` compares each of them
    with the members of today, as it was compared in its own time: without the events of its own window.
    Pinned events are not of the stream, so they are in no window.

    All comparisons give integers. So it makes no difference whether they are computed anew, or carried on
    from window to window.
    """

    def __init__(
        self,
        dim: int,
        *,
        rows: int,
        neighbours: int,
        with_window: bool,
        columns: Collection[str] = ("novelty", "surge", "rarity"),
    ) -> None:
        self._rows, self._neighbours, self._with_window = rows, neighbours, with_window
        self._columns = columns
        self._compare = partial(compare, neighbours=neighbours, columns=columns)
        self.events = Features.none(dim, near_width(neighbours))
        self.released: Int64s = np.empty(0, np.int64)
        #: The pinned events; ``None``: none are pinned.
        self.pinned: Features | None = None
        self._member: Bools = np.empty(0, np.bool_)
        #: The events for which ``_beside`` is right.
        self._compared: Bools = np.empty(0, np.bool_)
        self._start = 0
        self._offered: list[tuple[Features, Int64s]] = []
        self._may_wait = False
        #: Tells which embeddings are those of events that are not usual, as people say: such events are no
        #: members, and do not tell what is usual.
        self.is_real: Callable[[Fixed], Bools] = _none
        self._out: Bools = np.empty(0, np.bool_)
        self._beside = Beside.nothing(0, neighbours)

    def __len__(self) -> int:
        """The number of events that were offered and not removed."""
        return len(self.events) + sum(len(events) for events, _ in self._offered)

    def pin(self, events: Features) -> None:
        """Make ``events`` the members from now on."""
        self.pinned = events
        self._member[:] = False
        self._compared[:] = False

    def enter(self, events: Features, released: Int64s) -> None:
        """Offer events that have left their last window to the sample.

        ``released``: ``(n,)``, the end of the first window for which each event can be a member; 0: any.
        """
        self._offered.append((events, released))
        self._may_wait |= bool(released.any())

    def take_in(self) -> None:
        """Put the events that were offered beside the others, all at once: a key may have few in a window."""
        if not self._offered:
            return
        events = Features.concat([each for each, _ in self._offered])
        no = np.zeros(len(events), np.bool_)
        self.events = Features.concat([self.events, events])
        self.released = np.concatenate([self.released, *(released for _, released in self._offered)])
        self._offered = []
        self._member = np.concatenate([self._member, no])
        self._compared = np.concatenate([self._compared, no])
        self._beside = self._beside.extend(Beside.nothing(len(events), self._neighbours))

    def prepare(self, start: int, end: int) -> int:
        """Make the reference that of the window ``[start, end)``. Returns the number of its members.

        This removes the events that are not sampled any more, and releases events that wait until ``end``.
        """
        self.take_in()
        stays = sampled(self.events.priority, self._rows)
        self._out = self.is_real(self.events.vectors)
        self.released[self.released <= end] = 0
        member = stays & (self.events.ts < start) & (self.released == 0) & ~self._out
        if self.pinned is not None:
            member[:] = False
        added, removed = np.flatnonzero(member & ~self._member), np.flatnonzero(self._member & ~member)
        carried = np.flatnonzero(self._compared & stays)
        carried = carried[~self._carry(carried, self.events.take(removed), -1)]
        self._carry(carried, self.events.take(added), 1)
        fresh = stays.copy()
        fresh[carried] = False
        fresh_rows = np.flatnonzero(fresh)
        self._beside.forget(fresh_rows)
        self._member, self._compared, self._start = member, stays, start
        members = self._members()
        self._carry(fresh_rows, members, 1)
        if not stays.all():
            self._keep(stays)
        return len(members)

    def waiting(self) -> tuple[Doubles, Int64s]:
        """The priorities of the events that are not released, ascending, and when each is released."""
        if not self._may_wait:
            return np.empty(0), np.empty(0, np.int64)
        self.take_in()
        waits = np.flatnonzero(self.released)
        self._may_wait = bool(len(waits))
        order = waits[np.argsort(self.events.priority[waits], kind="stable")]
        return self.events.priority[order], self.released[order]

    def up_to(self, priority: float) -> tuple[Features, Int64s]:
        """The events with this priority or a lower one, and when each of them is released."""
        self.take_in()
        which = self.events.priority <= priority
        return self.events.take(which), self.released[which]

    def _keep(self, which: Bools) -> None:
        self.events, self._beside = self.events.take(which), self._beside.take(which)
        self.released, self._member = self.released[which], self._member[which]
        self._compared, self._out = self._compared[which], self._out[which]

    def _members(self) -> Features:
        return self.events.take(self._member) if self.pinned is None else self.pinned

    def _carry(self, rows: Int64s, members: Features, sign: int) -> Bools:
        """Count ``members`` in (``sign`` 1) or out (-1) of what the events ``rows`` are beside.

        Returns ``(n,)``, for which rows this is not possible, because one of the nearest members is out.
        """
        lost = np.zeros(len(rows), np.bool_)
        if not len(members):
            return lost
        # In its own time, the event met a reference without the events of its window.
        found = self._compare(self.events.take(rows), members, is_apart=self.pinned is None)
        beside = self._beside
        beside.rows[rows] += sign * found.rows
        beside.within[rows] += sign * found.within
        beside.alike[rows] += sign * found.alike
        if "novelty" not in self._columns:
            return lost
        if sign < 0:
            lost[:] = (found.rows > 0) & (found.best[:, 0] <= beside.best[rows, -1])
        else:
            merged = np.concatenate([beside.best[rows], found.best], axis=1)
            beside.best[rows] = smallest(merged, self._neighbours)
        return lost

    def usual(self, least: int) -> Values:
        """The values of the events of the sample that are older than the window, and can be compared with at
        least ``least`` members.
        """
        is_known = self._compared & ~self._out & (self._beside.rows >= least)
        rows = np.flatnonzero(is_known & (self.events.ts < self._start))
        return self._values(self.events.take(rows), self._beside.take(rows))

    def values(self, events: Features, old: Features | None = None) -> Values:
        """The values of the events of a window. There is at least one member. ``old``: events that count as
        members, too, for the events whose windows they are not in.
        """
        beside = self._compare(events, self._members(), is_apart=False)
        if old is not None and len(old):
            beside = beside.together(self._compare(events, old, is_apart=True))
        return self._values(events, beside)

    def nearest(self, events: Features) -> list[Nearest]:
        """The nearest member of each event; of several, the newest. There is at least one member."""
        members = self._members()
        # Of equal distances, argmin takes the first one.
        members = members.take(np.lexsort((members.priority, -members.ts)))
        found = []
        for at in range(0, len(events), BLOCK):
            part = events.take(slice(at, at + BLOCK))
            squares = squared(part.vectors, members.vectors)
            for row, place in enumerate(squares.argmin(axis=1).tolist()):
                alike = int(np.count_nonzero(members.forms == part.forms[row]))
                # For unit vectors, the squared distance is 2 - 2 * cosine.
                cosine = 1.0 - float(squares[row, place]) / (2 * LENGTH**2)
                text, ts, is_pinned = members.texts[place], int(members.ts[place]), self.pinned is not None
                found.append(Nearest(text, ts, cosine, alike, len(members), is_pinned=is_pinned))
        return found

    def _values(self, events: Features, beside: Beside) -> Values:
        unknown = np.full(len(events), np.nan)
        near = [events.near.squares[:, : _of_window(self._neighbours)]] if self._with_window else []
        best = np.concatenate([beside.best, *near], axis=1)
        novelty = mean_distance(best, self._neighbours) if "novelty" in self._columns else unknown
        is_surge, is_rarity = "surge" in self._columns, "rarity" in self._columns
        of_surge = surge(events.near, beside.within, beside.rows) if is_surge else unknown
        share = (beside.alike + events.alike) / (beside.rows + events.sizes)
        is_unknown = events.near.others == UNKNOWN
        of_surge[is_unknown] = np.nan
        if self._with_window:
            novelty[is_unknown] = np.nan
        return Values(novelty, of_surge, -np.log10(share) if is_rarity else unknown, events.scores)


def _none(vectors: Fixed) -> Bools:
    return np.zeros(len(vectors), np.bool_)


def _of_window(neighbours: int) -> int:
    """To how many events of its window novelty compares an event, at most."""
    return (neighbours + 1) // 2


def near_width(neighbours: int) -> int:
    """How many near events of its window evidence needs of an event."""
    return max(COUNTS[-1], neighbours)


def near_columns(neighbours: int) -> Int64s:
    """The columns of ``Near.squares`` that surge, or novelty with the window, reads."""
    return np.union1d(np.array(COUNTS) - 1, np.arange(_of_window(neighbours)))


def reads_near(options: Score) -> bool:
    """Whether evidence reads what is near an event in its window."""
    # The recovery store does not fix whether novelty is a column, so novelty may be switched on later.
    return "surge" in options.columns or options.novelty_window
