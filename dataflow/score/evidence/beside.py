"""What events are beside a reference: numbers that are compared, and the values that are made of them."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.fixed import Squares, squared
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.members import Doubles
from dataflow.score.evidence.near import BLOCK, FAR, smallest
from dataflow.score.evidence.surge import COUNTS
from dataflow.score.evidence.within import row_counts, within


@dataclass(frozen=True)
class Values:
    """The evidence of ``n`` events: ``(n,)`` float64 each; higher is rarer (``Reference``).

    All values of a column that is not computed (``score.columns``) are NaN. Of sampled events, values are NaN
    where it is not known what is near them (``again``). All others are finite.
    """

    novelty: Doubles
    surge: Doubles
    rarity: Doubles
    score: Doubles

    def __len__(self) -> int:
        return len(self.score)

    def known(self, kind: str) -> "Values":
        """The events whose evidence ``kind`` (``score.evidence``) is known."""
        names = ("novelty", "surge") if kind == "sum" else (kind,)
        which = ~np.any([np.isnan(getattr(self, name)) for name in names], axis=0)
        return self if which.all() else Values(*(getattr(self, each.name)[which] for each in fields(self)))


class Nearest(NamedTuple):
    """The member of a reference that is nearest to an event.

    ``text``, ``ts``: its text and its time, in microseconds since the Unix epoch, UTC; ``NEVER`` if it has no
    time. ``similarity``: the cosine of the two embeddings, in [-1, 1]. ``alike``: how many members have the
    form of the event. ``rows``: how many members there are. ``is_pinned``: whether they are pinned.
    """

    text: str
    ts: int
    similarity: float
    alike: int
    rows: int
    is_pinned: bool = False


@dataclass(frozen=True)
class Beside:
    """What ``n`` events are beside the members of a reference.

    ``rows``: ``(n,)`` int64, how many members an event is compared with. ``best``: ``(n, k)`` int32, the
    squared distances to the nearest of them, ascending; ``FAR`` where there are fewer. ``within``: ``(n, 4)``
    int64, how many of them are within the distance to the 2nd, 4th, 8th and 16th nearest event of the event's
    window. ``alike``: ``(n,)`` int64, how many of them have the event's form.
    """

    rows: Int64s
    best: Squares
    within: Int64s
    alike: Int64s

    @staticmethod
    def nothing(n: int, neighbours: int) -> "Beside":
        """``n`` events beside no members."""
        best, within = np.full((n, neighbours), FAR, np.int32), np.zeros((n, len(COUNTS)), np.int64)
        return Beside(np.zeros(n, np.int64), best, within, np.zeros(n, np.int64))

    def columns(self) -> list[Any]:
        """The four arrays."""
        return [getattr(self, field.name) for field in fields(self)]

    def take(self, which: Any) -> "Beside":
        """The events at ``which``."""
        return Beside(*(column[which] for column in self.columns()))

    def extend(self, other: "Beside") -> "Beside":
        """These events, then those of ``other``."""
        return Beside(*map(np.concatenate, zip(self.columns(), other.columns(), strict=True)))

    def together(self, other: "Beside") -> "Beside":
        """What the same events are beside these members and those of ``other``."""
        best = smallest(np.concatenate([self.best, other.best], axis=1), self.best.shape[1])
        return Beside(self.rows + other.rows, best, self.within + other.within, self.alike + other.alike)

    def forget(self, rows: Int64s) -> None:
        """Make the events ``rows`` beside no members."""
        for column in self.columns():
            column[rows] = FAR if column is self.best else 0


def compare(
    events: Features, members: Features, *, neighbours: int, columns: Collection[str], is_apart: bool
) -> Beside:
    """What ``events`` are beside ``members``, at least one.

    ``columns``: only what these need is computed (``score.columns``). ``is_apart``: without the members whose
    time is in the window of an event.
    """
    beside = Beside.nothing(len(events), neighbours)
    for at in range(0, len(events), BLOCK):
        block = slice(at, at + BLOCK)
        part = events.take(block)
        inside = _inside(part, members) if is_apart else None
        beside.rows[block] = len(members) - (0 if inside is None else row_counts(inside))
        if "rarity" in columns:
            beside.alike[block] = _alike(part, members, inside)
        if "novelty" not in columns and "surge" not in columns:
            continue
        squares = squared(part.vectors, members.vectors)
        if inside is not None:
            np.copyto(squares, FAR, where=inside)
        if "surge" in columns:
            beside.within[block] = within(squares, part.near)
        if "novelty" in columns:
            best = smallest(squares, neighbours)
            beside.best[block, : best.shape[1]] = best
    return beside


def _inside(events: Features, members: Features) -> Bools | None:
    """``(n, m)``: whether a member is of the window of an event; ``None``: none is."""
    ts = np.sort(members.ts)
    if (ts.searchsorted(events.starts) == ts.searchsorted(events.ends)).all():
        return None
    inside: Bools = (members.ts >= events.starts[:, None]) & (members.ts < events.ends[:, None])
    return inside


def _alike(events: Features, members: Features, inside: Bools | None) -> Int64s:
    """``(n,)``: how many members have the form of each event, without those that are ``inside``."""
    forms, counts = np.unique(members.forms, return_counts=True)
    place = np.minimum(forms.searchsorted(events.forms), len(forms) - 1)
    alike: Int64s = np.where(forms[place] == events.forms, counts[place], 0)
    if inside is None:
        return alike
    return alike - row_counts(inside & (events.forms[:, None] == members.forms))
