"""Compares the incidents of two runs: which are new, gone, changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dataflow.backtest.incidents import Incident

#: What two incidents have in common: the id; the key and an example; the key and a part of their time.
Matched = Literal["id", "events", "time"]
#: What may differ between two incidents that are the same one. Explanations do not count.
COMPARED = ("count", "peak", "first_ts", "last_ts", "state")


@dataclass(frozen=True)
class Pair:
    """An incident of both runs. ``matched``: by what."""

    before: Incident
    after: Incident
    matched: Matched

    @property
    def changes(self) -> list[str]:
        """The fields that differ."""
        return [name for name in COMPARED if getattr(self.before, name) != getattr(self.after, name)]


@dataclass(frozen=True)
class Comparison:
    """``before``, ``after``: the incidents of two runs. ``pairs``: those that are in both; ``gone``, ``new``:
    the others. Each incident is in one of the three.
    """

    before: list[Incident]
    after: list[Incident]
    pairs: list[Pair]
    gone: list[Incident]
    new: list[Incident]

    @property
    def changed(self) -> list[Pair]:
        """The pairs that differ."""
        return [pair for pair in self.pairs if pair.changes]


def compare(before: Sequence[Incident], after: Sequence[Incident]) -> Comparison:
    """Match the incidents of two runs, one to one.

    Incidents with equal ids match. Of the rest, those of one key and kind match that share an example, those
    with the most examples in common first. Of the rest, those of one key and kind match that have a part of
    their time in common, those with the longest part first.
    """
    pairs: list[Pair] = []
    left, right = {each.id: each for each in before}, {each.id: each for each in after}
    for id in [id for id in left if id in right]:
        pairs.append(Pair(left.pop(id), right.pop(id), "id"))
    for how in ("events", "time"):
        for old, new in _candidates(list(left.values()), list(right.values()), by_events=how == "events"):
            if old.id in left and new.id in right:
                pairs.append(
                    Pair(left.pop(old.id), right.pop(new.id), "events" if how == "events" else "time")
                )
    pairs.sort(key=lambda pair: (pair.after.opened, pair.after.id))
    return Comparison(list(before), list(after), pairs, list(left.values()), list(right.values()))


def _candidates(
    before: Sequence[Incident], after: Sequence[Incident], *, by_events: bool
) -> list[tuple[Incident, Incident]]:
    """Incidents that may match, the best match first."""
    found = [
        (-common, old.opened, old.id, new.id, old, new)
        for old, new in _near(before, after)
        if (common := len(old.example_ids & new.example_ids) if by_events else old.overlap(new) + 1) > 0
    ]
    return [each[-2:] for each in sorted(found, key=lambda each: each[:4])]


def _near(before: Sequence[Incident], after: Sequence[Incident]) -> Iterator[tuple[Incident, Incident]]:
    """Pairs of one key and kind that have a part of their time in common. A shared event is in that part."""
    of_key: dict[tuple[str, str], list[Incident]] = {}
    for incident in sorted(after, key=lambda each: each.first_ts):
        of_key.setdefault((incident.key, incident.kind), []).append(incident)
    for old in before:
        for new in of_key.get((old.key, old.kind), ()):
            if new.first_ts > old.last_ts:
                break
            if old.overlap(new) >= 0:
                yield old, new
